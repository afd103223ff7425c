//go:build !js

package client_test

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/build/pages"
	"durago.example/host/hosttest"
)

// TestRoom compiles the client, strictly, and has it talk to a compiled room, both in one workerd: over a connection that
// is cut, a message that is refused, two tabs of which one leaves, and a token that is refreshed. DURAGO_TSC is the TypeScript compiler.
func TestRoom(t *testing.T) {
	t.Parallel()
	tsc := os.Getenv("DURAGO_TSC")
	if tsc == "" || hosttest.WorkerdPath() == "" {
		t.Skip("needs workerd and TypeScript: run make conformance")
	}
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "testdata"), 0o755))
	for _, name := range []string{"room.ts", "testdata/visit.ts"} {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o644))
	}
	cmd := exec.Command(tsc, "--strict", "--noUncheckedIndexedAccess", "--noUnusedLocals", "--target", "es2022", "--lib", "es2024,dom",
		"--module", "esnext", "--moduleResolution", "bundler", "--types", "", "--declaration", "room.ts", "testdata/visit.ts")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	types, err := os.ReadFile(filepath.Join(dir, "room.d.ts"))
	require.NoError(t, err)
	committed, err := os.ReadFile("room.d.ts")
	require.NoError(t, err)
	require.Equal(t, string(types), string(committed), "room.ts has changed: run go generate ./objects/websocket/client")

	// workerd is given one module, the test's, which has the client in it.
	visit, err := pages.Build(filepath.Join("testdata", "visit.ts"))
	require.NoError(t, err)
	h := hosttest.Start(t, hosttest.Options{Config: "../../../testdata/guests/rooms/wrangler.toml", Workerd: true,
		Beside: visit})
	resp, err := http.Get(h.BesideURL + "/?url=" + url.QueryEscape(h.URL))
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.JSONEq(t, `{"heard":["one","two","three","four"],"resumed":true,"sameSession":true,"refused":"422 No",
		"peers":[1,0],"reconnected":["connected","reconnecting","connected","disconnected"],"closed":"0 the room is closed",
		"tokens":{"minted":true,"status":"connected"},"forbidden":"403 You may not send this event here"}`, string(body))
}
