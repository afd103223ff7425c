package shim_test

import (
	"strings"
	"testing"

	"github.com/dop251/goja"
	"github.com/stretchr/testify/require"

	"durago.example/wasm/abi"
)

// TestRuntime_route: the shim finds the same object for a request as the host.
func TestRuntime_route(t *testing.T) {
	js := source(t, "runtime.mjs")
	vm := goja.New()
	for _, name := range []string{"route", "unescaped"} {
		_, body, ok := strings.Cut(js, "function "+name+"(")
		require.True(t, ok, name)
		body, _, ok = strings.Cut(body, "\n}\n")
		require.True(t, ok, name)
		_, err := vm.RunString("function " + name + "(" + body + "\n}")
		require.NoError(t, err)
	}
	var route func(routes [][]any, request map[string]any) *struct{ Binding, Name string }
	vm.SetFieldNameMapper(goja.UncapFieldNameMapper())
	require.NoError(t, vm.ExportTo(vm.Get("route"), &route))

	compared := 0
	for _, pattern := range []string{"/room/{name}", "POST /limit/{name}", "GET /limit/{name}", "/a/{name}/b", "/files/{name}/{rest...}", "/{name}"} {
		r, err := abi.ParseRoute(pattern)
		require.NoError(t, err)
		segments := make([]any, len(r.Segments))
		for i, s := range r.Segments {
			if s != "" {
				segments[i] = s
			}
		}
		table := [][]any{{r.Method, segments, r.Rest, "B"}}
		for _, method := range []string{"GET", "POST", "HEAD"} {
			for _, path := range []string{"/room/a", "/room/", "/room", "/room/a/b", "/room/a/", "/limit/k", "/room/a%20b", "/room/%2F", "/a/x/b", "/a/x/c",
				"/files/me/x", "/files/me/x/y", "/files/me/", "/files/me", "/x", "/", "/room/%C3%A9", "/%72oom/a", "/room/%", "/room/%zz"} {
				name, ok := r.Match(method, path)
				for _, query := range []string{"", "?q=/room/x", "?"} {
					got := route(table, map[string]any{"method": method, "url": "https://host.example:8443" + path + query})
					require.Equal(t, ok, got != nil, "%s: %s %s", pattern, method, path+query)
					if ok {
						require.Equal(t, name, got.Name)
					}
					compared++
				}
			}
		}
	}
	require.Greater(t, compared, 1000)
}
