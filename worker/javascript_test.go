//go:build !js

package main_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

// TestJavaScript runs a worker in TypeScript in the same workerd as the Go worker, whose objects it calls by RPC with the
// declarations that the build wrote.
func TestJavaScript(t *testing.T) {
	t.Parallel()
	module := hosttest.TypeScript(t, "../wrangler.toml", "../testdata/javascript/app.ts")
	h := hosttest.Start(t, hosttest.Options{Config: "../wrangler.toml", Workerd: true, Beside: module})
	resp, err := http.Get(h.BesideURL)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.JSONEq(t, `{"ok":true,"remaining":9,"limit":10,"n":2,
		"refused":"consume: argument 1 (key): cannot read a number into string",
		"missing":"The RPC receiver does not implement the method \"decrement\"."}`, string(body))
}
