package hosttest_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

// TestAssets: files beside a worker, with and without it. What each path is answered is compared with wrangler in package assets.
func TestAssets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("../../testdata/guests/files")))
	const large = 3 << 20
	require.NoError(t, os.WriteFile(filepath.Join(dir, "public", "large.bin"), []byte(strings.Repeat("0123456789abcdef", large/16)), 0o644))
	h := hosttest.Start(t, hosttest.Options{Config: "../../testdata/guests/files/wrangler.toml", RealTime: true, Isolates: 1,
		Assets: filepath.Join(dir, "public")})
	ask := func(method, path string, header ...string) (*http.Response, string) {
		r, err := http.NewRequestWithContext(t.Context(), method, h.URL+path, nil)
		require.NoError(t, err)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultTransport.RoundTrip(r) // no redirect is followed
		require.NoError(t, err)
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp, string(b)
	}

	resp, body := ask("GET", "/")
	require.Contains(t, body, "home")
	require.Equal(t, "text/html; charset=utf-8", resp.Header.Get("Content-Type"))
	tag := resp.Header.Get("ETag")
	resp, body = ask("GET", "/", "If-None-Match", tag)
	require.Equal(t, http.StatusNotModified, resp.StatusCode)
	require.Empty(t, body)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "public", "index.html"), []byte("changed"), 0o644))
	resp, body = ask("GET", "/", "If-None-Match", tag)
	require.Equal(t, "200 changed", resp.Status[:3]+" "+body)

	resp, _ = ask("GET", "/docs?q=1")
	require.Equal(t, "307 /docs/?q=1", resp.Status[:3]+" "+resp.Header.Get("Location"))
	resp, body = ask("GET", "/style.css", "Range", "bytes=0-3")
	require.Equal(t, "206 body bytes 0-3/19", resp.Status[:3]+" "+body+" "+resp.Header.Get("Content-Range"))
	resp, _ = ask("POST", "/style.css")
	require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
	for _, p := range []string{"/nothing", "/../main.go", "/%2e%2e/main.go", "/docs/%00"} {
		resp, body = ask("GET", p)
		require.Equal(t, http.StatusNotFound, resp.StatusCode, p)
		require.Contains(t, body, "nothing", p)
	}

	resp, _ = ask("GET", "/..%2fmain.go")
	require.Equal(t, "307 /../main.go", resp.Status[:3]+" "+resp.Header.Get("Location"), "which a browser takes for /main.go")

	_, body = ask("GET", "/api/docs/")
	require.Contains(t, body, "200 text/html; charset=utf-8 <!doctype html><title>docs</title>")
	_, body = ask("GET", "/api/nothing")
	require.Contains(t, body, "404 text/html; charset=utf-8 <!doctype html><title>nothing</title>")
	resp, body = ask("GET", "/large.bin")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Len(t, body, large)
	_, body = ask("GET", "/api/method")
	require.Contains(t, body, `The RPC receiver does not implement the method "count".`)
	before := runtime.NumGoroutine()
	for range 20 {
		_, body = ask("GET", "/api/left")
		require.Equal(t, "3145728", body)
	}
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+2 }, 5*time.Second, time.Millisecond, "a file that nobody reads to its end is closed")
}
