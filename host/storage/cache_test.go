package storage_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/storage"
	"durago.example/host/storage/powerloss"
)

func newCache(t *testing.T, most int) (*storage.Store, *storage.Cache) {
	s, err := storage.Open(storage.Options{Dir: filepath.Join(powerloss.Scratch(t), "state"), NoSync: true})
	require.NoError(t, err)
	return s, s.NewCache(most)
}

func put(t *testing.T, d *storage.Database, key string) {
	t.Helper()
	require.NoError(t, d.Put(key, []byte(key)))
	_, err := d.Commit(func(err error) { require.NoError(t, err) })
	require.NoError(t, err)
}

// TestCache holds the bound over many objects, and that each has what it wrote. DURAGO_OBJECTS asks for more.
func TestCache(t *testing.T) {
	objects := powerloss.Number(t, "DURAGO_OBJECTS", 1000)
	most := max(20, objects/50)
	s, c := newCache(t, most)
	before, files := resident(t), descriptors(t)
	all := make([]*storage.Database, objects)
	for i := range all {
		all[i] = c.Database("key", fmt.Sprintf("%064x", i))
		put(t, all[i], fmt.Sprint(i))
		require.LessOrEqual(t, s.OpenDatabases(), most)
	}
	require.Equal(t, most, s.OpenDatabases())
	require.LessOrEqual(t, descriptors(t), files+2*most+8, "a database and its log are two files")
	open := resident(t) - before
	rng := rand.New(rand.NewPCG(1, 1))
	for range objects {
		i := rng.IntN(objects)
		v, ok, err := all[i].Get(fmt.Sprint(i))
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, fmt.Sprint(i), string(v))
		require.LessOrEqual(t, s.OpenDatabases(), most)
	}
	for _, d := range all {
		require.NoError(t, d.Close())
	}
	require.Zero(t, s.OpenDatabases())
	runtime.GC()
	idle := heap()
	runtime.KeepAlive(all)
	all = nil
	runtime.GC()
	t.Logf("%d objects, %d open: %d KB for each that is open, %d bytes for each that is not", objects, most, open/int64(most)/1024, (idle-heap())/int64(objects))
	require.NoError(t, s.Close())
}

func resident(t *testing.T) int64 {
	runtime.GC()
	b, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	var size, pages int64
	_, err = fmt.Sscan(string(b), &size, &pages)
	require.NoError(t, err)
	return pages * int64(os.Getpagesize())
}

func heap() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func descriptors(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}

// TestCache_keeps holds which databases are not closed, in a cache of one.
func TestCache_keeps(t *testing.T) {
	exec := func(t *testing.T, d *storage.Database, query string) {
		c, err := d.Exec(query, nil)
		require.NoError(t, err)
		require.NoError(t, c.Close())
	}
	for name, row := range map[string]struct {
		begin func(t *testing.T, d *storage.Database) (end func())
		open  int
	}{
		"nothing": {func(*testing.T, *storage.Database) func() { return func() {} }, 1},
		"a write": {func(t *testing.T, d *storage.Database) func() {
			require.NoError(t, d.Put("more", nil))
			return func() { put(t, d, "last") }
		}, 2},
		"a transaction": {func(t *testing.T, d *storage.Database) func() {
			require.NoError(t, d.Savepoint())
			return func() { require.NoError(t, d.Release(false)); put(t, d, "last") }
		}, 2},
		"a cursor": {func(t *testing.T, d *storage.Database) func() {
			c, err := d.Exec(`SELECT 1 UNION SELECT 2`, nil)
			require.NoError(t, err)
			return func() {
				require.True(t, c.Next())
				require.True(t, c.Next())
				require.NoError(t, c.Close())
			}
		}, 2},
		"a pragma": {func(t *testing.T, d *storage.Database) func() {
			exec(t, d, `PRAGMA foreign_keys = OFF`)
			return func() {
				c, err := d.Exec(`PRAGMA foreign_keys`, nil)
				require.NoError(t, err)
				require.True(t, c.Next())
				require.Zero(t, c.Value(0).Float)
				require.NoError(t, c.Close())
			}
		}, 2},
		"a pragma that is read": {func(t *testing.T, d *storage.Database) func() {
			exec(t, d, `PRAGMA foreign_keys`)
			return func() {}
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := newCache(t, 1)
			a, b := c.Database("key", strings.Repeat("a", 64)), c.Database("key", strings.Repeat("b", 64))
			put(t, a, "k")
			end := row.begin(t, a)
			put(t, b, "k")
			require.Equal(t, row.open, s.OpenDatabases())
			end()
			v, _, err := a.Get("k")
			require.NoError(t, err)
			require.Equal(t, "k", string(v))
			require.NoError(t, a.Close())
			require.NoError(t, b.Close())
			require.NoError(t, s.Close())
		})
	}
}

// TestCache_forgets: what a connection knows of its last statement does not keep it open.
func TestCache_forgets(t *testing.T) {
	s, c := newCache(t, 1)
	a, b := c.Database("key", strings.Repeat("a", 64)), c.Database("key", strings.Repeat("b", 64))
	last := func() (n float64) {
		r, err := a.Exec(`SELECT last_insert_rowid()`, nil)
		require.NoError(t, err)
		require.True(t, r.Next())
		n = r.Value(0).Float
		require.NoError(t, r.Close())
		return n
	}
	for _, q := range []string{`CREATE TABLE t (n)`, `INSERT INTO t VALUES (1)`} {
		r, err := a.Exec(q, nil)
		require.NoError(t, err)
		require.NoError(t, r.Close())
	}
	_, err := a.Commit(func(error) {})
	require.NoError(t, err)
	require.EqualValues(t, 1, last())
	put(t, b, "k")
	require.Zero(t, last())
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
	require.NoError(t, s.Close())
}
