package hosttest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

// gates are the options of the guest of sections and transactions.
func gates() hosttest.Options {
	return hosttest.Options{Config: "../../testdata/guests/gates/wrangler.toml", RealTime: true, Isolates: 1}
}

// TestTransactions: what transactions keep and undo, and what they refuse, in the platform's words.
func TestTransactions(t *testing.T) {
	t.Parallel()
	hosttest.Each(t, gates(), func(t *testing.T, h *hosttest.Host) {
		for _, row := range []struct{ name, want string }{
			{"stays", `<nil>; ; has "a b c", alarm 00:02`},
			{"fails", `undo; ; has "", alarm none`},
			{"inner-fails", `<nil>; inner: undo; has "a c", alarm 00:01`},
			{"outer-fails", `undo; ; has "", alarm none`},
			{"rollback", `<nil>; get: Cannot get() on rolled back transaction; again: <nil>; has "b", alarm none`},
			{"inner-rollback", `<nil>; ; has "a c d", alarm none`},
			{"outer-rollback", `<nil>; outer: Cannot roll back an outer transaction while a nested transaction is still running.; has "a", alarm none`},
			{"sync", `<nil>; inner: undo; has "a b c", alarm none`},
			{"sync-waits", `<nil>; deleteAll: objects: this operation would wait, which TransactionSync does not allow; use Transaction; has "", alarm none`},
			{"delete-all", `<nil>; tx: Cannot call deleteAll() within a transaction; storage: Cannot call deleteAll() within a transaction; has "a", alarm none`},
			{"syncs", `<nil>; sync: <nil>; has "a", alarm none`},
		} {
			_, text := h.Fetch("POST", "/gate/"+row.name+"/tx?case="+row.name, "")
			require.Equal(t, row.want, text, row.name)
		}
		h.Fetch("POST", "/gate/ends/stray", "")
		h.Fetch("POST", "/gate/ends/ends", "")
		_, text := h.Fetch("POST", "/gate/stub/stub", "")
		require.Equal(t, "1", text, "a call from inside does not wait for the commit that waits for it")
		h.Fetch("POST", "/gate/turn/broken", "")
		h.Fetch("POST", "/gate/turn/all", "")
		h.Diverges("A transaction that leaves constraints violated", func() {
			h.Fetch("POST", "/gate/commit/tx?case=broken", "")
		})
		h.Fetch("POST", "/gate/commit/all", "")
	})
}

// TestSections: sections follow each other, hold events back, and keep other goroutines of the object away from it.
func TestSections(t *testing.T) {
	t.Parallel()
	hosttest.Each(t, gates(), func(t *testing.T, h *hosttest.Host) {
		beside := func(path string) <-chan string { return get(t, h, path) }
		log := func(object string) string { _, s := h.Fetch("GET", "/gate/"+object+"/log", ""); return s }

		h.Fetch("POST", "/gate/pair/pair", "")
		require.Equal(t, "undone(,undone),stays(,stays),around(,x(,x),x(,x),around)", sorted(log("pair")))

		h.Fetch("POST", "/gate/strays/strays", "")
		require.Equal(t, "start,awake,end,wrote", log("strays"), "Go code outside goes on, and its operation waits")

		h.Fetch("POST", "/gate/orphan/orphan", "")
		require.Equal(t, "outer(,inner(,outer),inner),after", log("orphan"), "a section is over when those in it are")

		held := beside("/gate/held/hold?ms=200")
		require.Eventually(t, func() bool { return started(h, "held") }, 5*time.Second, 5*time.Millisecond)
		<-beside("/gate/held/note")
		require.Equal(t, "<nil>", <-held)

		h.Record("constructor: %s", <-beside("/slow/a/x"))
		h.Fetch("POST", "/gate/deep/block?depth=64", "")
		h.Fetch("POST", "/gate/deeper/block?depth=65", "")
		h.Fetch("POST", "/gate/deeper/log", "")
		h.Fetch("POST", "/gate/fails/block?depth=3&fail", "")
		h.Fetch("POST", "/gate/fails/log", "")
	})
}

// sorted has the transaction that is undone first, whichever goroutine came first.
func sorted(log string) string {
	const undone, stays = "undone(,undone),", "stays(,stays),"
	if len(log) > len(stays) && log[:len(stays)] == stays {
		return undone + stays + log[len(stays)+len(undone):]
	}
	return log
}

func started(h *hosttest.Host, object string) bool {
	r, err := http.Get(h.URL + "/gate/" + object + "/log") // it waits if the transaction has begun
	if err != nil {
		return false
	}
	return r.Body.Close() == nil
}
