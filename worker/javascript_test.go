//go:build !js

package main_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/build"
	"durago.example/build/wrangler"
	"durago.example/host"
	"durago.example/host/hosttest"
	"durago.example/wasm/abi"
)

// TestJavaScript compiles a worker in TypeScript against the declarations that the build wrote, and runs it in the same
// workerd as the Go worker, whose objects it calls by RPC. DURAGO_TSC is the TypeScript compiler, beside the types of
// Workers in node_modules.
func TestJavaScript(t *testing.T) {
	t.Parallel()
	tsc := os.Getenv("DURAGO_TSC")
	if tsc == "" || hosttest.WorkerdPath() == "" {
		t.Skip("needs workerd and TypeScript: run make conformance")
	}
	c, err := wrangler.Load("../wrangler.toml")
	require.NoError(t, err)
	dir := t.TempDir()
	_, err = build.Build(t.Context(), build.Options{Config: c, Out: dir, Wasm: hosttest.Wasm(t, c, ""),
		Manifest: func(ctx context.Context, wasm []byte) (*abi.Manifest, error) {
			return host.ReadManifest(ctx, wasm, hosttest.CacheDir())
		}})
	require.NoError(t, err)
	source, err := os.ReadFile("../testdata/javascript/app.ts")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "app.ts"), source, 0o644))
	require.NoError(t, os.Symlink(filepath.Dir(filepath.Dir(tsc)), filepath.Join(dir, "node_modules")))
	cmd := exec.Command(tsc, "--strict", "--target", "es2022", "--lib", "es2024", "--module", "esnext", "--moduleResolution", "bundler",
		"--types", "@cloudflare/workers-types", "app.ts")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	module, err := os.ReadFile(filepath.Join(dir, "app.js"))
	require.NoError(t, err)

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
