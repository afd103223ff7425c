package build_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/build"
	"durago.example/host"
	"durago.example/host/hosttest"
	"durago.example/wasm/abi"
)

// manifestOf reads manifests as the command does.
func manifestOf(t *testing.T) func(context.Context, []byte) (*abi.Manifest, error) {
	return func(ctx context.Context, wasm []byte) (*abi.Manifest, error) {
		return host.ReadManifest(ctx, wasm, hosttest.CacheDir())
	}
}

// TestManifest_isolated has a guest look for secrets wherever a program can while it is asked for its manifest: the
// machine's environment, clock and files, the network, and the worker's own variables and bindings. It sees none.
func TestManifest_isolated(t *testing.T) {
	t.Setenv("DURAGO_SECRET", "of the machine")
	wasm, err := build.Compile(t.Context(), ".", "../testdata/guests/nosy")
	require.NoError(t, err)
	m, err := manifestOf(t)(t.Context(), wasm)
	require.NoError(t, err)
	var seen map[string]string
	require.NoError(t, json.Unmarshal([]byte(m.Classes[0].Methods[0].Params[0].Name), &seen))
	noScope := "objects: this context belongs to no object or request; pass the handler's context"
	require.Equal(t, map[string]string{
		"environment": "GOMEMLIMIT=83886080",
		"arguments":   "",
		"clock":       "1970-01-01 00:00:00",
		"bindings":    `{"env":{},"ctx":{},"binding":{}} fetch=undefined`,
		"variable":    "",
		"kv":          noScope,
		"namespace":   noScope,
		"fetch":       noScope,
		"file":        "open /etc/passwd: not implemented on js",
		"dial":        "dial tcp 127.0.0.1:80: address 127.0.0.1:80: connect: Connection refused",
		"constructor": "did not run",
	}, seen)
}
