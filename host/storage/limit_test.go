package storage_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/storage"
)

const endless = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)`

// TestDatabase_Exec_endless: a statement that would not end ends, and its object with it.
func TestDatabase_Exec_endless(t *testing.T) {
	for name, query := range map[string]string{
		"a read": endless + ` SELECT count(*) FROM n`,
		"rows that nobody sees, each of which takes no time": endless + ` SELECT i FROM n; SELECT 1`,
		"a write": `CREATE TABLE t (i); ` + endless + ` INSERT INTO t SELECT i FROM n`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWriter(t, storage.Options{NoSync: true, CPULimit: 300 * time.Millisecond})
			a := w.database(1)
			require.NoError(t, w.put(a, "k", 10))
			_, err := a.Exec(query, nil)
			require.EqualError(t, err, "the statement exceeded its CPU limit of 300ms: SQLITE_INTERRUPT")
			require.Equal(t, err, a.Broken())
			_, err = a.Exec(`SELECT 1`, nil)
			require.Equal(t, a.Broken(), err)
			require.NoError(t, a.Close())
			a = w.database(1)
			require.True(t, w.has(a, "k"))
			_, err = a.Exec(`SELECT * FROM t`, nil)
			require.ErrorContains(t, err, "no such table")
			require.NoError(t, a.Close())
			require.NoError(t, w.s.Close())
		})
	}
	t.Run("rows are one piece of work, until it is renewed", func(t *testing.T) {
		t.Parallel()
		w := newWriter(t, storage.Options{NoSync: true, CPULimit: time.Second})
		a := w.database(1)
		slow := `WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r)
			SELECT (WITH RECURSIVE m(j) AS (SELECT r.i UNION ALL SELECT j + 1 FROM m LIMIT 25000) SELECT count(*) FROM m) FROM r`
		for _, renewed := range []bool{true, false} {
			c, err := a.Exec(slow, nil)
			require.NoError(t, err)
			for began := time.Now(); c.Next(); {
				if renewed {
					c.Renew()
					if time.Since(began) > 1500*time.Millisecond {
						break
					}
				}
			}
			if err := c.Close(); renewed {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, "the statement exceeded its CPU limit of 1s: SQLITE_INTERRUPT")
			}
		}
		require.NoError(t, a.Close())
		require.NoError(t, w.s.Close())
	})
}

// TestDatabase_Exec_ruined: a statement that exhausts SQLite's stack, and whatever else ends in a panic below it, resets its
// object; the next one has the database again, and others have felt nothing.
func TestDatabase_Exec_ruined(t *testing.T) {
	for name, query := range map[string]string{
		"an index on a shadow table":    `CREATE INDEX j ON f_data (block)`,
		"a reference to a shadow table": `CREATE TABLE child (a REFERENCES f_data (id) ON DELETE CASCADE)`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWriter(t, storage.Options{})
			a, b := w.database(1), w.database(2)
			for i, q := range []string{`CREATE VIRTUAL TABLE f USING fts5(x)`, `INSERT INTO f VALUES ('one')`, query} {
				c, err := a.Exec(q, nil)
				require.NoError(t, err)
				require.NoError(t, c.Close())
				require.NoError(t, w.put(a, fmt.Sprint(i), 10))
			}
			require.NoError(t, w.put(b, "k", 10))
			c, err := a.Exec(`INSERT INTO f VALUES ('two')`, nil)
			require.NoError(t, err)
			require.NoError(t, c.Close())
			_, err = a.Exec(`DELETE FROM f`, nil)
			require.ErrorContains(t, err, "SQLite failed: ")
			require.ErrorContains(t, err, ": SQLITE_INTERNAL")
			require.Equal(t, err, a.Broken())
			require.NoError(t, a.Close())
			require.Equal(t, 1, w.s.OpenDatabases())
			a = w.database(1)
			require.True(t, w.has(a, "2"))
			require.NoError(t, w.put(a, "more", 10))
			require.NoError(t, w.put(b, "more", 10))
			require.NoError(t, a.Close())
			require.NoError(t, b.Close())
			require.NoError(t, w.s.Close())
		})
	}
}
