//go:build !js

package client_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/build/pages"
)

// TestModule holds the module to its source, and to what it may weigh on a page.
func TestModule(t *testing.T) {
	want, err := pages.Build("room.ts")
	require.NoError(t, err)
	got, err := os.ReadFile("room.js")
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "room.ts has changed: run go generate ./objects/websocket/client")
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	require.NoError(t, err)
	_, err = io.Copy(w, bytes.NewReader(got))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.Less(t, len(got), 8<<10, "a few KB")
	t.Logf("%d bytes, %d with gzip", len(got), b.Len())
}
