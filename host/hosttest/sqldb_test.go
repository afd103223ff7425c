package hosttest_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

// library are the options of the guest of database/sql.
func library() hosttest.Options {
	return hosttest.Options{Config: "../../testdata/guests/library/wrangler.toml", RealTime: true, Isolates: 1}
}

// TestSQLDB: what sqlc generates runs in an object, on objects/sqldb, as it does natively.
func TestSQLDB(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("../../testdata/guests/library/tour/tour.txt")
	require.NoError(t, err)
	hosttest.Each(t, everyLibrary(), func(t *testing.T, h *hosttest.Host) {
		_, got := h.Fetch("POST", "/a/tour", "")
		require.Equal(t, string(want), got)
		h.Fetch("GET", "/a/errors", "")
		h.Fetch("GET", "/a/types", "")
		h.Fetch("GET", "/a/many", "")
	})
}

// TestSQLDB_transactions: a transaction of database/sql is one of the object, whoever uses and ends it.
func TestSQLDB_transactions(t *testing.T) {
	t.Parallel()
	hosttest.Each(t, everyLibrary(), func(t *testing.T, h *hosttest.Host) {
		_, got := h.Fetch("POST", "/cases/cases", "")
		for _, want := range []string{
			`commit: ; <nil>; has "a"`,
			`rollback: ; <nil>; has ""`,
			`waits: ; <nil>; has "a b"`,
			`beside: inside a storage db; <nil>; has ""`,
			`started: ; <nil>; has ""`,
			`the context ends: commit: sql: transaction has already been committed or rolled back, exec: sql: transaction has already been committed or rolled back; <nil>; has "after next"`,
			`elsewhere: sees 2, committed, beside; <nil>; has "a elsewhere beside"`,
			`ended elsewhere: <nil>; <nil>; has "again after"`,
			`nested: objects: a transaction that was begun here is still open: end it first, or nest with Storage.Transaction; <nil>; has "a"`,
			`two: context deadline exceeded; <nil>; has "a first b c"`,
			`asked for: context deadline exceeded, commits; <nil>; has "a next"`,
			`transaction inside: undo, undo; <nil>; has "a b"`,
			`inside a transaction: ; <nil>; has "kept"`,
			`committed too early: objects: the transaction ended inside of one that began within it, and was undone: end the inner one first; <nil>; has "after"`,
			`rolled back too early: <nil>; <nil>; has "after"`,
			`used elsewhere meanwhile: objects: a transaction or critical section within this transaction is still open: end it first; <nil>; has "a b"`,
			`in TransactionSync: objects: this operation would wait, which TransactionSync does not allow; use Transaction; <nil>; has "a"`,
			`alarm: true, false; <nil>; has ""`,
			`panic: ; <nil>; has "recovered"`,
		} {
			line, rest, _ := strings.Cut(got, "\n")
			require.Equal(t, want, line)
			got = rest
		}
		require.Empty(t, got)

		h.Fetch("POST", "/held/hold", "")
		_, log := h.Fetch("GET", "/held/log", "")
		require.Equal(t, "begun,ends,note", log, "another event waits")

		h.Fetch("POST", "/left/leave", "")
		_, all := h.Fetch("GET", "/left/all", "")
		require.Empty(t, all, "the context of the event has ended it")
	})
}

// TestSQLDB_gone: an object that has gone leaves no goroutine of database/sql behind.
func TestSQLDB_gone(t *testing.T) {
	t.Parallel()
	hosttest.Each(t, everyLibrary(), func(t *testing.T, h *hosttest.Host) {
		goroutines := func() int {
			_, text := h.Fetch("GET", "/a/goroutines", "")
			n, err := strconv.Atoi(text)
			require.NoError(t, err, text)
			return n
		}
		h.Unrecorded(func() {
			before := goroutines()
			for range 10 {
				require.NoError(t, h.Object("LIBRARY", "a").Evict())
				goroutines()
			}
			if !h.Native() { // where the number is the process's, and goleak's business
				require.LessOrEqual(t, goroutines(), before+2)
			}
		})
		h.Record("ten objects have gone")
	})
}

// TestSQLDB_often: a goroutine keeps nothing of the transactions that it has had.
func TestSQLDB_often(t *testing.T) {
	t.Parallel()
	h := hosttest.Start(t, library())
	_, text := h.Fetch("GET", "/a/often", "")
	kept, err := strconv.Atoi(text)
	require.NoError(t, err, text)
	require.Less(t, kept, 50, "bytes of each")
}

// TestSQLDB_abandoned: a transaction that nothing ends resets the object after 30 seconds, and is undone.
func TestSQLDB_abandoned(t *testing.T) {
	t.Parallel()
	o := library()
	o.RealTime = false
	h := hosttest.Start(t, o)
	h.Fetch("POST", "/a/note", "")
	h.Fetch("POST", "/a/abandon", "")
	h.Advance(31 * time.Second)
	_, log := h.Fetch("GET", "/a/log", "")
	require.Empty(t, log, "the object is another")
	_, all := h.Fetch("GET", "/a/all", "")
	require.Empty(t, all)
}
