package hosttest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/wasm/value"
)

// call calls a method of the scenario's object with the given arguments.
func call(t *testing.T, o *hosttest.Object, method string, args ...any) {
	t.Helper()
	_, _ = o.CallRPC(t.Context(), method, arguments(t, args...)) // the transcript has the outcome
}

func arguments(t testing.TB, args ...any) []byte {
	t.Helper()
	b, err := value.Marshal(nil, append([]any{}, args...))
	require.NoError(t, err)
	return b
}

func TestCalls(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, h *hosttest.Host) {
		o := h.Object("HOME", "a")
		call(t, o, "add", 2, 3)
		call(t, o, "add", 2.0, 3)
		call(t, o, "add", "two", 3)
		call(t, o, "add", 2.5, 3)
		call(t, o, "add", 1)
		call(t, o, "add", 1, 2, 3)
		for _, v := range []any{nil, true, -1, 0.5, "é😀", []byte{0, 255}, []any{1, "two", nil}, map[string]any{"a": []any{map[string]any{}}}} {
			call(t, o, "echo", v)
		}
		call(t, o, "fail", "type")
		call(t, o, "fail", "plain")
		call(t, o, "fail", "panic")
		call(t, o, "missing")
		call(t, o, "count")
		for _, path := range []string{"/rpc/a", "/rpcfail/a?kind=type", "/rpcfail/a?kind=plain", "/rpcfail/a?kind=panic", "/rpcwrong/a"} {
			h.Fetch("GET", path, "")
		}
	})
}
