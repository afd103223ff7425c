package abi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/wasm/abi"
)

// TestRoute_Match: a route finds what http.ServeMux finds with the same pattern.
func TestRoute_Match(t *testing.T) {
	for _, pattern := range []string{"/room/{name}", "POST /limit/{name}", "GET /limit/{name}", "/a/{name}/b", "/files/{name}/{rest...}", "/{name}"} {
		route, err := abi.ParseRoute(pattern)
		require.NoError(t, err)
		for _, method := range []string{"GET", "POST", "HEAD"} {
			for _, path := range []string{"/room/a", "/room/", "/room", "/room/a/b", "/room/a/", "/limit/k", "/room/a%20b", "/room/%2F", "/a/x/b",
				"/a/x/c", "/files/me/x", "/files/me/x/y", "/files/me/", "/files/me", "/x", "/", "/room/é", "/%72oom/a"} {
				found, ok := route.Match(method, path)
				name := ""
				mux := http.NewServeMux()
				mux.HandleFunc(pattern, func(_ http.ResponseWriter, r *http.Request) { name = r.PathValue("name") })
				w := httptest.NewRecorder()
				mux.ServeHTTP(w, httptest.NewRequest(method, path, nil))
				require.Equal(t, name, found, "%s: %s %s", pattern, method, path)
				require.Equal(t, name != "", ok, "%s: %s %s", pattern, method, path)
			}
		}
	}
}

func TestParseRoute_refuses(t *testing.T) {
	for pattern, why := range map[string]string{
		"room/{name}":         "does not begin with a slash",
		"post /room/{name}":   "a method that is not in capitals",
		"/room":               "names no object",
		"/{a}/{b}":            "two names",
		"/{name}/{rest...}/x": "goes on after {rest...}",
		"/room/{name}/":       "a segment that no path has",
		"/room/{name":         "a wildcard that is not",
		"/room/{$}":           "a wildcard that is not",
		"/ro%6Fm/{name}":      "a segment that no path has",
		"/../{name}":          "a segment that no path has",
	} {
		_, err := abi.ParseRoute(pattern)
		require.ErrorContains(t, err, why, pattern)
		require.True(t, strings.Contains(err.Error(), `"/room/{name}"`), "it says what to write")
	}
}
