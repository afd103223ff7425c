package storage_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/storage"
)

// newDatabase is an empty database of a store of its own.
func newDatabase(t *testing.T) *storage.Database {
	t.Helper()
	s, err := storage.Open(storage.Options{Dir: filepath.Join(t.TempDir(), "state"), NoSync: true})
	require.NoError(t, err)
	d := s.Database("worker-Class", strings.Repeat("0", 64))
	t.Cleanup(func() {
		require.NoError(t, d.Close())
		require.NoError(t, s.Close())
	})
	return d
}

// rows runs a statement and writes its result as text: columns joined by "|".
func rows(d *storage.Database, query string, args ...storage.Arg) ([]string, error) {
	c, err := d.Exec(query, args)
	if err != nil {
		return nil, err
	}
	var out []string
	for c.Next() {
		cells := make([]string, c.Width())
		for i := range cells {
			cells[i] = show(c.Value(i))
		}
		out = append(out, strings.Join(cells, "|"))
	}
	return out, c.Close()
}

func show(v storage.Value) string {
	switch v.Kind {
	case storage.Null:
		return "NULL"
	case storage.Number:
		return fmt.Sprint(v.Float)
	case storage.Blob:
		return fmt.Sprintf("x'%x'", v.Bytes)
	}
	return string(v.Bytes)
}

func mustRun(t *testing.T, d *storage.Database, queries ...string) {
	t.Helper()
	for _, q := range queries {
		_, err := rows(d, q)
		require.NoError(t, err, q)
	}
}

func TestDatabase_Exec_cache(t *testing.T) {
	t.Run("statements of ours outlive a rollback of the schema", func(t *testing.T) {
		d := newDatabase(t)
		for range 3 { // rolling DDL back has SQLite prepare everything again
			mustRun(t, d, `CREATE TABLE t (x)`, `INSERT INTO t VALUES (1)`)
			require.NoError(t, d.Put("k", []byte("v")))
			require.NoError(t, d.Savepoint())
			mustRun(t, d, `CREATE TABLE u (x)`)
			require.NoError(t, d.Release(true))
			require.NoError(t, d.Rollback())
			_, err := rows(d, `SELECT x FROM t`)
			require.EqualError(t, err, "no such table: t: SQLITE_ERROR")
		}
	})
	t.Run("an object does not get statements of ours by their text", func(t *testing.T) {
		d := newDatabase(t)
		require.NoError(t, d.Put("k", []byte("v")))
		_, _, err := d.Get("k")
		require.NoError(t, err)
		_, err = rows(d, `SELECT value FROM _cf_KV WHERE key = ?`, storage.Arg{Kind: storage.Text, Bytes: []byte("k")})
		require.EqualError(t, err, "access to _cf_KV.value is prohibited: SQLITE_AUTH")
		for _, q := range []string{`BEGIN`, `COMMIT`, `ROLLBACK`} {
			_, err = rows(d, q)
			require.ErrorContains(t, err, "please use the state.storage.transaction()", q)
		}
		require.True(t, d.Writing())
	})
	t.Run("it is bounded, and cursors that are open then end with the database", func(t *testing.T) {
		d := newDatabase(t)
		mustRun(t, d, `CREATE TABLE t (x)`, `INSERT INTO t VALUES (1), (2)`)
		open, err := d.Exec(`SELECT x FROM t`, nil)
		require.NoError(t, err)
		twice, err := d.Exec(`SELECT x FROM t`, nil)
		require.NoError(t, err)
		require.True(t, twice.Next())
		for i := range 300 {
			mustRun(t, d, fmt.Sprintf(`SELECT %d`, i))
		}
		require.True(t, open.Next())
		require.Equal(t, "1", show(open.Value(0)))
		_, err = d.Commit(func(error) {})
		require.NoError(t, err)
		require.NoError(t, d.Close())
		got, err := rows(d, `SELECT count(*) FROM t`) // the file is free again
		require.NoError(t, err)
		require.Equal(t, []string{"2"}, got)
	})
}
