package rules_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/build"
)

// TestWasm_seed is a worker with an HTTP client, which TestWasm must see.
func TestWasm_seed(t *testing.T) {
	wasm, err := build.Compile(t.Context(), root, "./build/rules/testdata/client")
	require.NoError(t, err)
	for _, name := range client {
		require.True(t, bytes.Contains(wasm, []byte(name)), name)
	}
}
