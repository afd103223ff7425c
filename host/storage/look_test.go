package storage_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/storage"
	"durago.example/host/storage/powerloss"
)

func drain(d *storage.Database, query string) error {
	c, err := d.Exec(query, nil)
	if err != nil {
		return err
	}
	for c.Next() {
	}
	return c.Close()
}

func TestDatabase_Look(t *testing.T) {
	w := newWriter(t, storage.Options{NoSync: true})
	db := w.database(1)
	require.NoError(t, drain(db, `CREATE TABLE t (n); INSERT INTO t VALUES (1)`))
	_, err := db.Commit(func(error) {})
	require.NoError(t, err)
	for _, query := range []string{
		`INSERT INTO t VALUES (2)`, `DELETE FROM t`, `DROP TABLE t`, `CREATE VIEW v AS SELECT 1`, `SELECT 1; UPDATE t SET n = 5`,
		`WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x RETURNING n`, `ALTER TABLE t RENAME TO u`, `REPLACE INTO t VALUES (3)`,
		`PRAGMA foreign_keys = off`, `PRAGMA defer_foreign_keys = on`, `PRAGMA optimize`, `PRAGMA recursive_triggers(1)`,
		`PRAGMA user_version = 3`, `BEGIN`, `VACUUM`, `ANALYZE`, `SELECT * FROM _cf_KV`,
	} {
		// As one that the object's code has run before, and as a new one.
		for _, known := range []bool{false, true} {
			if known {
				_ = drain(db, query)
				require.NoError(t, db.Rollback())
			}
			require.Error(t, db.Look(time.Second, func() error { return drain(db, query) }), query)
			require.False(t, db.Writing(), query)
		}
	}
	for _, query := range []string{`SELECT * FROM t`, `PRAGMA table_info(t)`, `PRAGMA foreign_keys`, `SELECT 1; SELECT 2`} {
		require.NoError(t, db.Look(time.Second, func() error { return drain(db, query) }), query)
	}
	require.ErrorIs(t, db.Look(time.Second, func() error { return drain(db, `DELETE FROM t`) }), storage.ErrLook)

	// One that does not end is ended, and nothing else is.
	began := time.Now()
	for _, query := range []string{endless + ` SELECT count(*) FROM n`, endless + ` SELECT i FROM n`} {
		require.ErrorIs(t, db.Look(20*time.Millisecond, func() error { return drain(db, query) }), storage.ErrLookTime)
		require.NoError(t, db.Broken())
	}
	require.Less(t, time.Since(began), 5*time.Second)
	require.NoError(t, drain(db, `INSERT INTO t VALUES (2)`), "and what comes after may write")
	_, err = db.Commit(func(error) {})
	require.NoError(t, err)
	require.NoError(t, db.Close())
	require.NoError(t, w.s.Close())
}

// TestStore_Walk holds that each database comes once: as a file, in the journal only, open or not.
func TestStore_Walk(t *testing.T) {
	dir := filepath.Join(powerloss.Scratch(t), "state")
	s, err := storage.Open(storage.Options{Dir: dir})
	require.NoError(t, err)
	walk := func(s *storage.Store) map[string]storage.Stored {
		seen := map[string]storage.Stored{}
		for o, err := range s.Walk("key") {
			require.NoError(t, err)
			require.NotContains(t, seen, o.ID)
			seen[o.ID] = o
		}
		return seen
	}
	require.Empty(t, walk(s))
	const n = 1500 // more than a chunk of a directory
	last := make(chan error, 1)
	for i := range n {
		d := s.Database("key", fmt.Sprintf("%064x", i))
		require.NoError(t, d.Put("k", []byte("v")))
		_, err := d.Commit(func(err error) {
			if i == n-1 {
				last <- err
			}
		})
		require.NoError(t, err)
		if i%2 == 0 {
			require.NoError(t, d.Close())
		} else {
			require.NoError(t, d.Retire())
		}
	}
	require.NoError(t, <-last)
	require.NoError(t, s.Private("key", "metadata").Put("k", []byte("v")))
	require.Len(t, walk(s), n)
	stop := errors.New("enough")
	for range s.Walk("key") {
		err = stop
		break
	}
	require.ErrorIs(t, err, stop)
	require.NoError(t, s.Close())

	s, err = storage.Open(storage.Options{Dir: dir})
	require.NoError(t, err)
	all := walk(s)
	require.Len(t, all, n)
	for id, o := range all {
		require.Len(t, id, 64)
		require.GreaterOrEqual(t, o.Bytes, int64(8192))
		require.WithinDuration(t, time.Now(), o.Changed, time.Hour)
	}
	require.Empty(t, func() (seen []string) {
		for o := range s.Walk("other") {
			seen = append(seen, o.ID)
		}
		return seen
	}())
	require.Contains(t, all, strings.Repeat("0", 64))
	require.NoError(t, s.Close())
}

// TestStore_Walk_many: what is in memory does not depend on how many there are.
func TestStore_Walk_many(t *testing.T) {
	dir := filepath.Join(powerloss.Scratch(t), "state")
	s, err := storage.Open(storage.Options{Dir: dir, NoSync: true})
	require.NoError(t, err)
	require.NoError(t, s.MakeNamespace("key"))
	const n = 100_000
	for i := range n {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "key", fmt.Sprintf("%064x.sqlite", i)), nil, 0o644))
	}
	runtime.GC()
	before, most, seen := heap(), int64(0), 0
	for _, err := range s.Walk("key") {
		require.NoError(t, err)
		if seen++; seen%5000 == 0 {
			runtime.GC()
			most = max(most, heap()-before)
		}
	}
	require.Equal(t, n, seen)
	require.Less(t, most, int64(2<<20), "all names would be 12 MB")
	require.NoError(t, s.Close())
}
