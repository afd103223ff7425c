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
	t.Run("a statement has the columns of the schema as it is now", func(t *testing.T) {
		d := newDatabase(t)
		mustRun(t, d, `CREATE TABLE t (a)`, `INSERT INTO t VALUES (1)`, `SELECT * FROM t`, `ALTER TABLE t ADD COLUMN b DEFAULT 2`)
		got, err := rows(d, `SELECT * FROM t`)
		require.NoError(t, err)
		require.Equal(t, []string{"1|2"}, got)
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

func number(f float64) storage.Arg { return storage.Arg{Kind: storage.Number, Float: f} }
func text(s string) storage.Arg    { return storage.Arg{Kind: storage.Text, Bytes: []byte(s)} }
func blob(s string) storage.Arg    { return storage.Arg{Kind: storage.Blob, Bytes: []byte(s)} }

// TestDatabase_Exec_errors: the platform's texts, and limits.
func TestDatabase_Exec_errors(t *testing.T) {
	var columns string
	for i := range 100 {
		columns += fmt.Sprintf("a%d, ", i)
	}
	for _, row := range []struct {
		query string
		args  []storage.Arg
		text  string
	}{
		{``, nil, "SQL code did not contain a statement."},
		{`-- nothing`, nil, "SQL code did not contain a statement."},
		{`SELECT 1;;`, nil, "SQL code did not contain a statement."},
		{`SELECT 1; -- end`, nil, "SQL code did not contain a statement."},
		{`SELEC 1`, nil, `near "SELEC": syntax error at offset 0: SQLITE_ERROR`},
		{`SELECT * FROM t here there`, nil, `near "there": syntax error at offset 21: SQLITE_ERROR`},
		{`SELECT 1; SELECT nope`, nil, "no such column: nope at offset 7: SQLITE_ERROR"},
		{`SELECT ?`, nil, "Wrong number of parameter bindings for SQL query."},
		{`SELECT 1`, []storage.Arg{number(1)}, "Wrong number of parameter bindings for SQL query."},
		{`SELECT ?; SELECT ?`, []storage.Arg{number(1)}, "When executing multiple SQL statements in a single call, only the last statement can have parameters."},
		{`SELECT * FROM missing`, nil, "no such table: missing: SQLITE_ERROR"},
		{`INSERT INTO t VALUES (1, 'a')`, nil, "UNIQUE constraint failed: t.id: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_PRIMARYKEY)"},
		{`INSERT INTO t VALUES (2, NULL)`, nil, "NOT NULL constraint failed: t.v: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_NOTNULL)"},
		{`INSERT INTO t VALUES (2, 'bad')`, nil, "CHECK constraint failed: v <> 'bad': SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_CHECK)"},
		{`INSERT INTO c VALUES (7)`, nil, "FOREIGN KEY constraint failed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)"},
		{`CREATE TABLE w (` + columns + `b)`, nil, "too many columns on w: SQLITE_ERROR"},
		{`SELECT 1` + strings.Repeat(", 1", 100), nil, "too many columns in result set: SQLITE_ERROR"},
		{`SELECT 'a' LIKE ?`, []storage.Arg{text(strings.Repeat("a", 51))}, "LIKE or GLOB pattern too complex: SQLITE_ERROR"},
		{`SELECT 1` + strings.Repeat("+1", 101), nil, "Expression tree is too large (maximum depth 100)"},
		{`SELECT 1` + strings.Repeat(" UNION SELECT 1", 5), nil, "too many terms in compound SELECT: SQLITE_ERROR"},
		{`SELECT zeroblob(8388643)`, nil, "string or blob too big: SQLITE_TOOBIG"},
		{`SELECT ` + strings.Repeat(" ", 100_000) + `1`, nil, "statement too long: SQLITE_TOOBIG"},
	} {
		name := row.query
		if len(name) > 60 {
			name = name[:60]
		}
		t.Run(name, func(t *testing.T) {
			d := newDatabase(t)
			mustRun(t, d, `CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT NOT NULL CHECK (v <> 'bad')); INSERT INTO t VALUES (1, 'a'); CREATE TABLE c (t REFERENCES t)`)
			_, err := rows(d, row.query, row.args...)
			require.Error(t, err)
			require.Contains(t, err.Error(), row.text)
			got, err := rows(d, `SELECT * FROM t`)
			require.NoError(t, err)
			require.Equal(t, []string{"1|a"}, got)
		})
	}
	t.Run("earlier statements of one that fails stay", func(t *testing.T) {
		d := newDatabase(t)
		_, err := rows(d, `CREATE TABLE a (x); INSERT INTO a VALUES (1); SELECT nonsense FROM a`)
		require.Error(t, err)
		got, err := rows(d, `SELECT x FROM a`)
		require.NoError(t, err)
		require.Equal(t, []string{"1"}, got)
	})
	t.Run("VALUES has no limit of terms", func(t *testing.T) {
		got, err := rows(newDatabase(t), `SELECT count(*) FROM (VALUES (1)`+strings.Repeat(", (1)", 599)+`)`)
		require.NoError(t, err)
		require.Equal(t, []string{"600"}, got)
	})
}

// TestDatabase_Exec_values: numbers bind as REAL and come back as numbers.
func TestDatabase_Exec_values(t *testing.T) {
	d := newDatabase(t)
	for _, row := range []struct {
		query string
		args  []storage.Arg
		want  string
	}{
		{`SELECT ? || ''`, []storage.Arg{number(1)}, "1.0"},
		{`SELECT typeof(?), typeof(?), typeof(?), typeof(?)`, []storage.Arg{{}, number(1), text(""), blob("")}, "null|real|text|blob"},
		{`SELECT ?, ?, ?`, []storage.Arg{text("a\x00b"), blob("\x00\xff"), {}}, "a\x00b|x'00ff'|NULL"},
		{`SELECT CAST(x'ff41' AS TEXT), CAST(x'e282' AS TEXT), CAST(x'e0808041' AS TEXT), CAST(x'f09f98' AS TEXT)`, nil, "\ufffdA|\ufffd|\ufffd\ufffd\ufffdA|\ufffd"},
		{`SELECT CAST(x'eda080' AS TEXT), CAST(x'f4908080' AS TEXT), CAST(x'c3' AS TEXT), CAST(x'f0908041' AS TEXT)`, nil, "\ufffd\ufffd\ufffd|\ufffd\ufffd\ufffd\ufffd|\ufffd|\ufffdA"},
		{`SELECT 9007199254740993`, nil, "9.007199254740992e+15"},
		{`SELECT 9e999`, nil, "+Inf"},
		{`SELECT ?2, ?1`, []storage.Arg{number(1), number(2)}, "2|1"},
	} {
		got, err := rows(d, row.query, row.args...)
		require.NoError(t, err, row.query)
		require.Equal(t, []string{row.want}, got, row.query)
	}
	c, err := d.Exec(`SELECT 1 AS a, 2 AS a, 3`, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "a", "3"}, []string{c.Column(0), c.Column(1), c.Column(2)})
	require.NoError(t, c.Close())
}

func TestCursor(t *testing.T) {
	t.Run("stays over other statements, DDL and a rollback", func(t *testing.T) {
		d := newDatabase(t)
		mustRun(t, d, `CREATE TABLE t (x)`, `INSERT INTO t VALUES (1), (2), (3), (4)`)
		_, err := d.Commit(func(error) {})
		require.NoError(t, err)
		c, err := d.Exec(`SELECT x FROM t`, nil)
		require.NoError(t, err)
		next := func(want string) {
			require.True(t, c.Next())
			require.Equal(t, want, show(c.Value(0)))
		}
		next("1")
		mustRun(t, d, `CREATE TABLE other (y)`)
		next("2")
		_, err = d.Commit(func(error) {})
		require.NoError(t, err)
		require.NoError(t, d.Savepoint())
		mustRun(t, d, `INSERT INTO other VALUES (1)`)
		require.NoError(t, d.Release(true))
		next("3")
		again, err := rows(d, `SELECT x FROM t`)
		require.NoError(t, err)
		require.Equal(t, []string{"1", "2", "3", "4"}, again, "the same text again is a cursor of its own")
		next("4")
		require.False(t, c.Next())
		require.NoError(t, c.Close())
	})
	t.Run("locks its table against being dropped", func(t *testing.T) {
		d := newDatabase(t)
		mustRun(t, d, `CREATE TABLE t (x)`, `INSERT INTO t VALUES (1), (2)`)
		c, err := d.Exec(`SELECT x FROM t`, nil)
		require.NoError(t, err)
		_, err = rows(d, `DROP TABLE t`)
		require.EqualError(t, err, "database table is locked: SQLITE_LOCKED")
		require.NoError(t, c.Close())
		mustRun(t, d, `DROP TABLE t`)
	})
	t.Run("counts steps and changes", func(t *testing.T) {
		d := newDatabase(t)
		mustRun(t, d, `CREATE TABLE t (id INTEGER PRIMARY KEY, v, w)`, `CREATE INDEX i ON t (w)`, `CREATE TABLE e (x)`,
			`INSERT INTO t SELECT value, value, value > 3 FROM json_each('[1,2,3,4,5]')`)
		for _, row := range []struct {
			query         string
			read, written int64
		}{
			{`SELECT 1`, 0, 0},
			{`SELECT * FROM t`, 5, 0},
			{`SELECT * FROM t WHERE v = 1`, 5, 0},
			{`SELECT * FROM t WHERE id = 1`, 1, 0},
			{`SELECT * FROM t WHERE id = 9`, 1, 0},
			{`SELECT v FROM t WHERE w = 1`, 2, 0},
			{`SELECT * FROM t ORDER BY v`, 10, 0},
			{`SELECT * FROM e`, 1, 0},
			{`INSERT INTO e VALUES (1), (2)`, 0, 2},
			{`UPDATE t SET v = 0 WHERE v = 1`, 5, 1},
			{`DELETE FROM t WHERE id = 2`, 1, 1},
			{`DELETE FROM e`, 0, 2},
			{`SELECT * FROM t`, 4, 0},
		} {
			for range 2 { // anew, and from the cache
				require.NoError(t, d.Savepoint())
				c, err := d.Exec(row.query, nil)
				require.NoError(t, err)
				for c.Next() {
				}
				read, written := c.Counts()
				require.Equal(t, [2]int64{row.read, row.written}, [2]int64{read, written}, row.query)
				require.NoError(t, c.Close())
				require.NoError(t, d.Release(row.written == 0))
				if row.written > 0 {
					break
				}
			}
		}
		c, err := d.Exec(`SELECT * FROM t`, nil)
		require.NoError(t, err)
		read, _ := c.Counts()
		require.EqualValues(t, 1, read, "the first row is read ahead")
		require.NoError(t, c.Close())
	})
}
