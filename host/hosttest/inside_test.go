package hosttest_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"durago.example/host/hosttest"
)

// many is how many operations are in an event, and in a loop of SQLite alone.
const many = 2000

// inside are operations of the guest, and the statements that SQLite alone runs for them.
var inside = []struct{ operation, query string }{
	{"insert", `INSERT INTO t VALUES (?, ?)`},
	{"select", `SELECT v FROM t WHERE k = ?`},
	{"put", `INSERT INTO _cf_KV VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`},
}

// BenchmarkInside is what storage costs within an event, from the guest's code to SQLite and back, beside the same
// statement, prepared, on a connection of go-sqlite3: events and loops of it take turns. Writes are in a transaction on both
// sides, and reads on neither. Times are of the processor.
//
//	go test ./host/hosttest -run xxx -bench Inside
func BenchmarkInside(b *testing.B) {
	h := hosttest.Start(b, hosttest.Options{Config: "../../testdata/guests/inside/wrangler.toml", RealTime: true, Isolates: 1, NoSync: true})
	alone := newAlone(b)
	event(b, h, "insert", 0) // what is read
	alone.run(inside[0].query, 0)
	next := many
	for _, row := range inside {
		b.Run(row.operation, func(b *testing.B) {
			var guest, native, nothing time.Duration
			n := 0
			for b.Loop() {
				first := 0
				if row.operation != "select" {
					first = next
					next += many
				}
				guest += event(b, h, row.operation, first)
				nothing += event(b, h, "nothing", first)
				native += alone.run(row.query, first)
				n++
			}
			of := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(n*many) }
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(of(guest-nothing), "guest-ns")
			b.ReportMetric(of(native), "native-ns")
			b.ReportMetric(of(guest-nothing)/of(native), "ratio")
		})
	}
}

// event has the object do an operation many times, and returns the processor time of that.
func event(b *testing.B, h *hosttest.Host, operation string, first int) time.Duration {
	b.Helper()
	began := processor(b)
	status, text := h.Object("INSIDE", "a").Fetch("POST", fmt.Sprintf("/%s/%d/%d", operation, first, many), "")
	took := processor(b) - began
	require.Equal(b, http.StatusOK, status, text)
	return took
}

// alone is SQLite without a host.
type alone struct {
	b    *testing.B
	conn *sqlite3.Conn
	stmt map[string]*sqlite3.Stmt
}

func newAlone(b *testing.B) *alone {
	file := filepath.Join(b.TempDir(), "alone.sqlite")
	conn, err := sqlite3.Open("file:" + file + "?_pragma=locking_mode(exclusive)&_pragma=journal_mode(wal)&_pragma=synchronous(off)")
	require.NoError(b, err)
	require.NoError(b, conn.Exec(`CREATE TABLE t (k TEXT PRIMARY KEY, v INTEGER) WITHOUT ROWID;
		CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID`))
	a := &alone{b, conn, map[string]*sqlite3.Stmt{}}
	for _, row := range inside {
		a.stmt[row.query], _, err = conn.Prepare(row.query)
		require.NoError(b, err)
	}
	b.Cleanup(func() {
		for _, s := range a.stmt {
			require.NoError(b, s.Close())
		}
		require.NoError(b, conn.Close())
		_ = os.Remove(file)
	})
	return a
}

func (a *alone) run(query string, first int) time.Duration {
	s := a.stmt[query]
	keys := make([]string, many)
	for i := range keys {
		keys[i] = "key-" + strconv.Itoa(1_000_000+first+i)
	}
	began := processor(a.b)
	if !s.ReadOnly() {
		require.NoError(a.b, a.conn.Exec(`BEGIN`))
	}
	for i, key := range keys {
		if err := a.one(s, key, first+i); err != nil {
			a.b.Fatal(err)
		}
	}
	if !s.ReadOnly() {
		require.NoError(a.b, a.conn.Exec(`COMMIT`))
	}
	return processor(a.b) - began
}

// processor is the time that the process has had a processor: others may have the rest.
func processor(b *testing.B) time.Duration {
	var u unix.Rusage
	require.NoError(b, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (a *alone) one(s *sqlite3.Stmt, key string, i int) error {
	if err := s.BindText(1, key); err != nil {
		return err
	}
	if s.BindCount() > 1 {
		if err := s.BindFloat(2, float64(i)); err != nil {
			return err
		}
	}
	for s.Step() {
		_ = s.ColumnFloat(0)
	}
	if err := s.Err(); err != nil {
		return err
	}
	return s.Reset()
}
