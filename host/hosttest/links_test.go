package hosttest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/wasm/abi"
)

// TestLinks_leak: when everything is disposed nothing of it is left, in the guest or in the host.
func TestLinks_leak(t *testing.T) {
	t.Parallel()
	h := hosttest.Start(t, hosttest.Options{Config: "../../testdata/guests/storage/wrangler.toml", Isolates: 1, NoSync: true})
	run := func(lines ...string) []string {
		body, err := json.Marshal(lines)
		require.NoError(t, err)
		status, answer := h.Fetch("POST", "/STORE/x", string(body))
		require.Equal(t, http.StatusOK, status, answer)
		var out []string
		require.NoError(t, json.Unmarshal([]byte(answer), &out))
		return out
	}
	for what := range strings.SplitSeq("result|errors|nested|argument|bundle|bundled|back|third|callback|failing|function|keep|keep dup|stub|itself|read x|"+
		"upper x|pass x|broken|brokenargument|some|endless|wrong stream|wrong target|wrong string|extra|any|many|reset", "|") {
		run("lend " + what)
	}
	for _, what := range []string{"counter", "apply", "lines", "refused", "http://x/"} {
		run("entry ENTRY " + what)
	}
	h.Settle()
	type counts struct{ lent, gotten, streams, inGuest int }
	c := make(chan counts, 1)
	b := h.Bridges()[0]
	require.NoError(t, b.Do(func() {
		var n counts
		n.lent, n.gotten, n.streams = b.Links()
		n.inGuest = int(b.Stat(abi.StatLent))
		c <- n
	}))
	require.Equal(t, counts{}, <-c)
}
