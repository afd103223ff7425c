package hosttest_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

// TestJavaScript_calls: a worker in TypeScript calls Go with targets, functions, streams and stubs, and pipelines: what a
// call will return is called before it has.
func TestJavaScript_calls(t *testing.T) {
	t.Parallel()
	const config = "../../testdata/guests/storage/wrangler.toml"
	module := hosttest.TypeScript(t, config, "../../testdata/javascript/calls.ts")
	h := hosttest.Start(t, hosttest.Options{Config: config, Workerd: true, Beside: module})
	resp, err := http.Get(h.BesideURL)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.JSONEq(t, `{
		"pipelined": 7, "deeper": 101, "bundle": 2, "disposed": "told",
		"afterwards": {"class": "Error", "name": "Error", "message": "RPC stub used after being disposed."},
		"failing": {"class": "RangeError", "name": "RangeError", "message": "the target failed", "code": 7, "remote": true},
		"callback": 81, "asynchronous": 5, "function": 42,
		"callbackFails": {"class": "RangeError", "name": "RangeError", "message": "in JavaScript", "remote": true},
		"own": 12, "stub": "other true", "itself": "GET http://x/y ", "read": "from JavaScript", "stream": "ababab", "through": "THROUGH",
		"broken": {"class": "Error", "name": "Error", "message": "ReadableStream received over RPC disconnected prematurely."},
		"own_error": {"class": "Error", "name": "MyError", "message": "mine", "code": 42, "remote": true},
		"cause": {"class": "Error", "name": "Error", "message": "outer", "cause": {"why": "inner"}, "remote": true},
		"abort": {"class": "DOMException", "name": "AbortError", "message": "of a class", "code": 20, "remote": true},
		"aggregate": {"class": "AggregateError", "name": "AggregateError", "message": "of a class", "remote": true},
		"entry": "false ", "entryCounter": 8, "entryFetch": "entry false  /path"
	}`, string(body))
}
