//go:build !js

package front_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/build/pages"
	"durago.example/worker/app/front"
)

func get(target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	front.Handler().ServeHTTP(w, httptest.NewRequest("GET", target, nil))
	return w
}

// TestRoom_page holds the page to its source, and to a few KB that need nothing from elsewhere.
func TestRoom_page(t *testing.T) {
	want, err := pages.Build("room/room.html")
	require.NoError(t, err)
	w := get("/room/tea")
	require.Equal(t, 200, w.Code)
	page := w.Body.String()
	require.Equal(t, string(want), page, "the source has changed: run go generate ./worker/app/front")
	require.NotRegexp(t, `(?:https?:)?//[a-z]|\b(?:src|href)=|@import|url\(`, page, "another resource")
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err = z.Write(w.Body.Bytes())
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.Less(t, b.Len(), 6<<10)
	t.Logf("%d bytes, %d with gzip", len(page), b.Len())
}

// TestRoom_policy: the page may run what is in it, and nothing else.
func TestRoom_policy(t *testing.T) {
	w := get("/room/tea")
	digests := map[string]string{}
	for _, m := range regexp.MustCompile(`(?s)<(script|style)[^>]*>(.*?)</`).FindAllStringSubmatch(w.Body.String(), -1) {
		require.Empty(t, digests[m[1]], "one of each")
		sum := sha256.Sum256([]byte(m[2]))
		digests[m[1]] = base64.StdEncoding.EncodeToString(sum[:])
	}
	require.Len(t, digests, 2)
	require.Equal(t, []string{
		"default-src 'none'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'", "connect-src 'self'",
		"script-src 'sha256-" + digests["script"] + "'", "style-src 'sha256-" + digests["style"] + "'",
	}, strings.Split(w.Header().Get("Content-Security-Policy"), "; "))
	require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	require.Equal(t, "no-referrer", w.Header().Get("Referrer-Policy"))
}

func TestRoom_names(t *testing.T) {
	for name, code := range map[string]int{
		"tea": 200, "%3Cb%3E": 200, "caf%C3%A9": 200, strings.Repeat("x", 128): 200, "a%2Fb": 200,
		strings.Repeat("x", 129): 400, "%00": 400, "a%0Ab": 400, "%FF": 400, "": 404, "a/b": 404,
	} {
		w := get("/room/" + name)
		require.Equal(t, code, w.Code, name)
		if code == 400 {
			require.Equal(t, "name a room: up to 128 bytes of printable text\n", w.Body.String())
		}
	}
}

// TestRoom_types: the page's script is sound TypeScript. DURAGO_TSC is the compiler.
func TestRoom_types(t *testing.T) {
	tsc := os.Getenv("DURAGO_TSC")
	if tsc == "" {
		t.Skip("needs TypeScript: run make conformance")
	}
	check := func(file string) ([]byte, error) {
		return exec.Command(tsc, "--noEmit", "--strict", "--noUncheckedIndexedAccess", "--noUnusedLocals", "--target", "es2022", "--lib", "es2024,dom",
			"--module", "esnext", "--moduleResolution", "bundler", "--types", "", "--ignoreConfig", file).CombinedOutput()
	}
	out, err := check("room/room.ts")
	require.NoError(t, err, "%s", out)
	wrong := filepath.Join(t.TempDir(), "wrong.ts")
	client, err := filepath.Abs("../../../objects/websocket/client/room")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(wrong, []byte(`import { Room } from "`+client+`";
		new Room<{ chat: { text: string } }>("/").send("chat", { text: 1 });`), 0o644))
	out, err = check(wrong)
	require.Error(t, err)
	require.Contains(t, string(out), "Type 'number' is not assignable to type 'string'")
}
