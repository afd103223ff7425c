package main_test

import (
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

// TestBuild_workerd serves three workers with plain workerd as `durago build --workerd` has written them: they call each
// other's objects, fronts and entrypoints, and one has a port of its own.
func TestBuild_workerd(t *testing.T) {
	if hosttest.WorkerdPath() == "" {
		t.Skip("DURAGO_WORKERD names no workerd: make conformance has one")
	}
	const guests = "../../../testdata/guests"
	dist := filepath.Join(t.TempDir(), "dist")
	out, err := exec.CommandContext(t.Context(), "durago", "build", "--workerd", "--out", dist,
		"-c", guests+"/visitor/wrangler.toml", "-c", guests+"/scenario/wrangler.toml", "-c", guests+"/storage/wrangler.toml").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, 3, strings.Count(string(out), "app.wasm "), "%s", out)

	o := hosttest.Workerd{Config: filepath.Join(dist, "workerd.capnp"), Dir: filepath.Join(t.TempDir(), "state"), Sockets: []string{"http"}}
	p := o.Serve(t)
	get := func(path, want string) {
		t.Helper()
		resp, err := http.Post(p.URLs["http"]+path, "", nil)
		require.NoError(t, err)
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, want, strings.TrimSpace(string(b)), resp.Status)
	}
	get("/home/a/count", "1")
	get("/count/a", "2")
	get("/back/count/a", "3")
	get("/add/a", "5")
	get("/entry/role", `"true visitor"`)
	get("/lend", "40 3")

	p.Stop()
	p = o.Serve(t)
	get("/home/a/count", "4")
	p.Stop()
	http.DefaultClient.CloseIdleConnections()
	require.NotContains(t, p.Log(), "exception")
}
