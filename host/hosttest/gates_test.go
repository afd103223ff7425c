package hosttest_test

import (
	"os"
	"path/filepath"
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
	hosttest.Each(t, everyGates(), func(t *testing.T, h *hosttest.Host) {
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
		h.Fetch("POST", "/gate/together/together", "")
		_, text = h.Fetch("GET", "/gate/together/all", "")
		require.Empty(t, text, "waiting for storage does not end a turn")
		h.Fetch("POST", "/gate/together/together?waits", "")
		_, text = h.Fetch("GET", "/gate/together/all", "")
		require.Equal(t, "before after", text, "waiting for the world does")
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
	hosttest.Each(t, everyGates(), func(t *testing.T, h *hosttest.Host) {
		beside := func(path string) <-chan string { return get(t, h, path) }
		log := func(object string) string { _, s := h.Fetch("GET", "/gate/"+object+"/log", ""); return s }

		h.Fetch("POST", "/gate/pair/pair", "")
		pair := ""
		h.Unrecorded(func() { pair = sorted(log("pair")) })
		h.Record("pair: %s", pair)
		require.Equal(t, "undone(,undone),stays(,stays),around(,x(,x),x(,x),around)", pair)

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
	r, err := h.Client().Get(h.URL + "/gate/" + object + "/log") // it waits if the transaction has begun
	if err != nil {
		return false
	}
	return r.Body.Close() == nil
}

// alarmRuns are what a handler does, and what is there an hour later. A number after # is that of the retry.
var alarmRuns = []struct{ do, want string }{
	{"nothing", "nothing#0, in an hour false, set false"},
	{"fails-once", "fails-once#0 fails-once#1, in an hour false, set false"},
	{"deletes-and-fails", "deletes-and-fails#0, in an hour false, set false"},
	{"sets-undone", "sets-undone#0, in an hour false, set false"},
	{"sets-undone-and-fails", "sets-undone-and-fails#0 sets-undone-and-fails#1, in an hour false, set false"},
	{"aborts", "aborts#1, in an hour false, set false"},
}

// TestAlarms: what a handler does to its alarm, and what follows.
func TestAlarms(t *testing.T) {
	t.Parallel()
	hosttest.Each(t, everyGates(), func(t *testing.T, h *hosttest.Host) {
		for _, row := range alarmRuns {
			h.Fetch("POST", "/gate/"+row.do+"/alarm?ms=300&do="+row.do, "")
		}
		h.Wait(4 * time.Second) // the first retry comes after at most 2.5
		for _, row := range alarmRuns {
			_, text := h.Fetch("GET", "/gate/"+row.do+"/alarmed", "")
			require.Equal(t, row.want, text)
		}
	})
}

// TestAlarms_limits: a handler that hangs has failed after 15 minutes, and that counts.
func TestAlarms_limits(t *testing.T) {
	t.Parallel()
	o := gates()
	o.RealTime = false
	h := hosttest.Start(t, o)
	h.Fetch("POST", "/gate/a/alarm?do=hangs", "")
	h.Fetch("POST", "/gate/b/alarm?do=fails", "")
	h.Advance(3 * time.Hour)
	_, text := h.Fetch("GET", "/gate/a/alarmed", "")
	require.Equal(t, "hangs#0 hangs#1 hangs#2 hangs#3 hangs#4 hangs#5 hangs#6, in an hour false, set false", text)
	_, text = h.Fetch("GET", "/gate/b/alarmed", "")
	require.Equal(t, "fails#0 fails#1 fails#2 fails#3 fails#4 fails#5 fails#6, in an hour false, set false", text)
	require.Contains(t, h.Log(), "alarm: Alarm exceeded its allowed execution time: it waits for a Go channel, lock or timer")
}

// TestTransactions_critical: a database that does not survive an error fails a TransactionSync whose body did not notice,
// and resets the object.
func TestTransactions_critical(t *testing.T) {
	t.Parallel()
	o := gates()
	h := hosttest.Start(t, o)
	h.Fetch("POST", "/gate/a/leave", "")
	require.NoError(t, h.Object("GATE", "a").Evict())
	h.Stop() // its log is in the database then
	files, err := filepath.Glob(filepath.Join(h.Dir, "*", "*.sqlite"))
	require.NoError(t, err)
	damaged := 0
	for _, name := range files {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		require.NoError(t, err)
		info, err := f.Stat()
		require.NoError(t, err)
		if info.Size() > 4096 && filepath.Base(name) != "metadata.sqlite" {
			_, err = f.WriteAt(make([]byte, info.Size()-4096), 4096)
			require.NoError(t, err)
			damaged++
		}
		require.NoError(t, f.Close())
	}
	require.Equal(t, 1, damaged)
	h = h.Restart()
	_, text := h.Fetch("GET", "/gate/a/swallow", "")
	require.Contains(t, text, "database disk image is malformed: SQLITE_CORRUPT")
	require.Contains(t, h.Log(), "transaction: Cannot commit transaction due to an earlier SQL critical error")
}
