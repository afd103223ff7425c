package local_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/build/wrangler"
	"durago.example/host"
	"durago.example/host/hosttest"
	"durago.example/host/local"
)

const configuration = `
name = "demo"
compatibility_date = "2026-11-17"
vars = { COLOR = "red" }
limits = { cpu_ms = 1500 }
kv_namespaces = [{ binding = "CACHE", id = "abc" }]

[[durable_objects.bindings]]
name = "HOME"
class_name = "Home"

[[migrations]]
tag = "v1"
new_sqlite_classes = ["Home"]

[env.other]
vars = { COLOR = "blue" }
`

func write(t *testing.T, files map[string]string) (dir string) {
	dir = t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	return dir
}

func TestOptions(t *testing.T) {
	dir := write(t, map[string]string{"wrangler.toml": configuration, ".env": "COLOR=green"})
	o, err := local.Options(local.Settings{File: filepath.Join(dir, "wrangler.toml")})
	require.NoError(t, err)
	require.Equal(t, host.Options{
		Name:     "demo",
		Classes:  []host.Class{{Name: "Home", UniqueKey: "demo-Home"}},
		Bindings: map[string]host.Binding{"HOME": {Class: "Home"}},
		Vars:     map[string]any{"COLOR": "green"},
		KV:       map[string]string{"CACHE": "abc"},
		Services: map[string]host.Service{},
		Dir:      filepath.Join(dir, ".durago", "state"),
		CPULimit: 1500 * time.Millisecond,
	}, o)

	other := "other"
	o, err = local.Options(local.Settings{File: filepath.Join(dir, "wrangler.toml"), Environment: &other, EnvFiles: []string{"none"}})
	require.ErrorContains(t, err, "none")
	require.Empty(t, o)
	require.NoError(t, os.Remove(filepath.Join(dir, ".env")))
	o, err = local.Options(local.Settings{File: filepath.Join(dir, "wrangler.toml"), Environment: &other})
	require.NoError(t, err)
	require.Equal(t, "blue", o.Vars["COLOR"])

	t.Chdir(dir)
	_, err = local.Options(local.Settings{})
	require.NoError(t, err, "it is searched for")

	_, err = local.Options(local.Settings{File: filepath.Join(write(t, map[string]string{"wrangler.toml": "nmae = 1"}), "wrangler.toml")})
	require.ErrorContains(t, err, "wrangler.toml:1:1")
}

// TestOptions_embedded: a server of one's own serves the worker beside its other routes.
func TestOptions_embedded(t *testing.T) {
	file := filepath.Join("..", "..", "testdata", "guests", "scenario", "wrangler.toml")
	c, err := wrangler.Load(file)
	require.NoError(t, err)
	o, err := local.Options(local.Settings{File: file})
	require.NoError(t, err)
	o.Wasm, o.Dir, o.CacheDir = hosttest.Wasm(t, c, ""), filepath.Join(t.TempDir(), "state"), hosttest.CacheDir()
	h, err := host.New(t.Context(), o)
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/objects/", http.StripPrefix("/objects", h.Handler()))
	mux.HandleFunc("GET /own", func(w http.ResponseWriter, r *http.Request) {
		result, err := h.SQL(r.Context(), "HOME", "a", `SELECT n FROM c`, host.SQLOptions{})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		require.Equal(t, [][]any{{2.0}}, result.Rows)
		_, _ = io.WriteString(w, "own")
	})
	s := httptest.NewServer(mux)
	for _, want := range []string{"1", "2"} {
		require.Equal(t, want, get(t, s.URL+"/objects/count/a"))
	}
	require.Equal(t, "own", get(t, s.URL+"/own"))
	require.Equal(t, "ok\n", get(t, s.URL+"/objects"+host.HealthPath))
	s.Close()
	http.DefaultClient.CloseIdleConnections()
	require.NoError(t, h.Close())
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(b)
}
