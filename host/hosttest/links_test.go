package hosttest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	storageguest "durago.example/testdata/guests/storage/storage"
	"durago.example/wasm/abi"
)

// TestLinks_leak: when everything is disposed nothing of it is left, in the guest or in the host.
func TestLinks_leak(t *testing.T) {
	t.Parallel()
	o := hosttest.Options{Config: "../../testdata/guests/storage/wrangler.toml", Isolates: 1, NoSync: true}
	t.Run("wasm", func(t *testing.T) { leak(t, hosttest.Start(t, o)) })
	t.Run("native", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { leak(t, hosttest.Start(t, natively(o, storageguest.Program()))) })
	})
}

func leak(t *testing.T, h *hosttest.Host) {
	run := func(lines ...string) []string {
		body, err := json.Marshal(lines)
		require.NoError(t, err)
		status, answer := h.Fetch("POST", "/STORE/x", string(body))
		require.Equal(t, http.StatusOK, status, answer)
		var out []string
		require.NoError(t, json.Unmarshal([]byte(answer), &out))
		return out
	}
	for what := range strings.SplitSeq("result|errors|nested|argument|bundle|bundled|back|third|callback|failing|function|keep|keep dup|give|stub|itself|read x|"+
		"upper x|pass x|broken|brokenargument|some|endless|wrong stream|wrong target|wrong string|extra|any|many|reset", "|") {
		run("lend " + what)
	}
	for _, what := range []string{"counter", "apply", "lines", "refused", "http://x/"} {
		run("entry ENTRY " + what)
	}
	require.Equal(t, links{}, count(t, h, 0))
}

// links are what an isolate has of what crosses in calls and is no data.
type links struct{ lent, gotten, streams, inGuest int }

func count(t *testing.T, h *hosttest.Host, isolate int) links {
	t.Helper()
	h.Settle()
	c := make(chan links, 1)
	g := h.Guests()[isolate]
	require.NoError(t, g.Do(func() {
		b := g.Present()
		var n links
		n.lent, n.gotten, n.streams = b.Links()
		n.inGuest = int(b.Stat(abi.StatLent))
		c <- n
	}))
	return <-c
}

// TestLinks_isolates: an object has a target of one in another isolate. Both stay in memory, until it is disposed or that
// isolate ends.
func TestLinks_isolates(t *testing.T) {
	t.Parallel()
	h := hosttest.Start(t, hosttest.Options{Config: "../../testdata/guests/storage/wrangler.toml", Isolates: 2, NoSync: true})
	ns, ok := h.Namespace("PEER")
	require.True(t, ok)
	name := func(isolate int) string {
		for i := 0; ; i++ {
			if name := fmt.Sprint("peer", i); ns.LoopOf(ns.IDFromName(name)) == isolate {
				return name
			}
		}
	}
	a, b := h.Object("PEER", name(0)), h.Object("PEER", name(1))
	must := func(o *hosttest.Object, method string, args ...any) {
		t.Helper()
		_, err := o.CallRPC(t.Context(), method, arguments(t, args...))
		require.NoError(t, err)
	}

	must(a, "borrow", name(1))
	must(a, "useKept")
	require.Equal(t, links{gotten: 1}, count(t, h, 0))
	require.Equal(t, links{lent: 1, inGuest: 1}, count(t, h, 1))
	require.Error(t, b.Evict(), "somebody has something of it")
	require.Error(t, a.Evict(), "it has something of another")
	must(a, "dropKept")
	require.Equal(t, links{}, count(t, h, 0))
	require.Equal(t, links{}, count(t, h, 1))
	require.NoError(t, b.Evict())

	require.NoError(t, a.Evict())

	must(a, "borrow", name(1))
	b.Fetch("GET", "/exit", "")
	_, err := a.CallRPC(t.Context(), "useKept", arguments(t))
	require.EqualError(t, err, "The execution context which hosts this callback is no longer running.")
	must(b, "ownName")
	require.NoError(t, b.Evict(), "it is another one")
	must(a, "dropKept")
	require.NoError(t, a.Evict(), "what it has got ends with it")
	require.Equal(t, links{}, count(t, h, 0))
	require.Equal(t, links{}, count(t, h, 1))
}
