package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/objects"
	"durago.example/objects/driver"
	"durago.example/objects/internal/fakeobject"
	"durago.example/objects/sqldb"
)

// TestDB_named: arguments by name, which the platform does not know.
func TestDB_named(t *testing.T) {
	_, db := openDB(t, "")
	a, b := sql.Named("a", "A"), sql.Named("b", "B")
	for _, row := range []struct {
		query string
		args  []any
		want  string // or the error
	}{
		{`SELECT :a || :b`, []any{a, b}, "AB"},
		{`SELECT :a || :b`, []any{b, a}, "AB"},
		{`SELECT :b || @a || $b || :b`, []any{a, b}, "BABB"},
		{`SELECT ':b' || /* :b */ :a -- :b`, []any{a}, ":bA"},
		{`SELECT 1; SELECT :a AS ":b"`, []any{a}, "A"},
		{`SELECT x || :b FROM (SELECT :a AS x, 1 AS ";")`, []any{a, b}, "AB"},
		{`SELECT :a || ?`, []any{"x", "y"}, "xy"},
		{`SELECT ?2 || ?1 || ?`, []any{"x", "y", "z"}, "yxz"},
		{`SELECT :a`, []any{a, b}, "sqldb: the statement has no parameter for the argument b"},
		{`SELECT :a || :c`, []any{a, b}, "sqldb: there is no argument for the parameter :c"},
		{`SELECT :a || ?`, []any{a, b}, "sqldb: parameter 2 has no name, but the arguments have: name all or none"},
		{`SELECT :a || ?`, []any{a, "x"}, "sqldb: 1 of 2 arguments have names: name all or none"},
		{`SELECT ?`, nil, "Wrong number of parameter bindings for SQL query."},
		{`SELECT ?`, []any{1, 2}, "Wrong number of parameter bindings for SQL query."},
	} {
		t.Run(fmt.Sprint(row.query, row.args), func(t *testing.T) {
			for range 2 { // the second time from what is remembered
				var got string
				if err := db.QueryRow(row.query, row.args...).Scan(&got); err != nil {
					got = err.Error()
				}
				require.Equal(t, row.want, got)
			}
		})
	}
}

// TestDB_Exec: what a result says.
func TestDB_Exec(t *testing.T) {
	_, db := openDB(t, `CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT UNIQUE)`)
	for _, row := range []struct {
		query        string
		args         []any
		affected, id int64
	}{
		{`INSERT INTO t (v) VALUES (?), (?)`, []any{"a", "b"}, 2, 2},
		{`insert or ignore into t (v) values ('a')`, nil, 0, 2},
		{`REPLACE INTO t (id, v) VALUES (10, 'c')`, nil, 1, 10},
		{`INSERT INTO t (v) SELECT v || '2' FROM t`, nil, 3, 13},
		{`UPDATE t SET v = v || 'x' WHERE id > ?`, []any{10}, 3, 13},
		{`UPDATE t SET v = 'y' WHERE id < 0`, nil, 0, 13},
		{`WITH w(n) AS (SELECT 1) INSERT INTO t (id) SELECT n + 20 FROM w RETURNING id`, nil, 1, 21},
		{`WITH RECURSIVE w AS MATERIALIZED (SELECT 1 AS n) SELECT n FROM w`, nil, 0, 0},
		{`/* UPDATE */ SELECT replace(v, 'a', 'b') FROM t`, nil, 0, 0},
		{`EXPLAIN DELETE FROM t`, nil, 0, 0},
		{`CREATE TABLE u (a)`, nil, 0, 0},
		{`INSERT INTO u VALUES (1); DELETE FROM t WHERE id = ?`, []any{21}, 1, 1},
		{`DELETE FROM t; DROP TABLE u`, nil, 0, 0},
		{`CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO t (id) VALUES (new.id + 1); DELETE FROM t WHERE id = new.id + 1; END`, nil, 0, 0},
		{`INSERT INTO t (id) VALUES (1)`, nil, 1, 1},
	} {
		t.Run(row.query, func(t *testing.T) {
			result, err := db.Exec(row.query, row.args...)
			require.NoError(t, err)
			affected, err := result.RowsAffected()
			require.NoError(t, err)
			id, err := result.LastInsertId()
			require.NoError(t, err)
			require.Equal(t, []int64{row.affected, row.id}, []int64{affected, id})
		})
	}
	t.Run("an id beyond 2^53", func(t *testing.T) {
		result, err := db.Exec(`DROP TRIGGER g; INSERT INTO t (id) VALUES (9007199254740994)`)
		require.NoError(t, err)
		affected, err := result.RowsAffected()
		require.NoError(t, err)
		require.Equal(t, int64(1), affected)
		_, err = result.LastInsertId()
		require.EqualError(t, err, "integer 9007199254740994 is beyond 2^53 and may have lost digits: store it as TEXT")
	})
}

// TestDB_errors: they come through as they are.
func TestDB_errors(t *testing.T) {
	s, db := openDB(t, `CREATE TABLE t (id INTEGER PRIMARY KEY, n BIGINT, r REAL); INSERT INTO t VALUES (1, 9007199254740994, 9007199254740994)`)
	ended, end := context.WithCancel(t.Context())
	end()
	for _, row := range []struct {
		name string
		f    func() error
		want string
	}{
		{"syntax", func() error { _, err := db.Exec(`SELEC`); return err }, `near "SELEC": syntax error`},
		{"no table", func() error { return db.QueryRow(`SELECT * FROM nope`).Scan() }, "no such table: nope"},
		{"constraint", func() error { _, err := db.Exec(`INSERT INTO t (id) VALUES (1)`); return err }, "UNIQUE constraint failed: t.id"},
		{"nothing", func() error { _, err := db.Exec(` -- nothing`); return err }, "SQL code did not contain a statement."},
		{"parameters too early", func() error { _, err := db.Exec(`SELECT ?; SELECT 1`, 1); return err },
			"When executing multiple SQL statements in a single call, only the last statement can have parameters."},
		{"an argument too great", func() error { _, err := db.Exec(`SELECT ?`, int64(1<<53+1)); return err },
			"objects: argument 1: 9007199254740993 is beyond 2^53 and would lose digits: bind it as a string"},
		{"a column too great", func() error { return db.QueryRow(`SELECT n FROM t`).Scan(new(int64)) },
			`sqldb: column "n": integer 9007199254740994 is beyond 2^53 and may have lost digits: store it as TEXT`},
		{"an expression too great", func() error { return db.QueryRow(`SELECT n + 0 FROM t`).Scan(new(int64)) },
			`sql: Scan error on column index 0, name "n + 0": converting driver.Value type float64 ("9.007199254740994e+15") to a int64: invalid syntax`},
		{"a real may be", func() error { return db.QueryRow(`SELECT r FROM t`).Scan(new(float64)) }, ""},
		{"no row", func() error { return db.QueryRow(`SELECT id FROM t WHERE id = 7`).Scan(new(int64)) }, sql.ErrNoRows.Error()},
		{"out", func() error { _, err := db.Exec(`SELECT ?`, sql.Out{Dest: new(int)}); return err },
			"sql: converting argument $1 type: unsupported type sql.Out, a struct"},
		{"an unsigned integer too great", func() error { _, err := db.Exec(`SELECT ?`, uint64(1<<63)); return err },
			"sql: converting argument $1 type: uint64 values with high bit set are not supported"},
		{"the context has ended", func() error {
			c, err := db.Conn(t.Context())
			require.NoError(t, err)
			defer c.Close()
			_, err = c.ExecContext(ended, `DELETE FROM t`)
			return err
		}, "context canceled"},
		{"by name", func() error { _, err := db.Driver().Open("name"); return err },
			"sqldb: an object's database has no name: use sqldb.Open in its constructor"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := row.f(); row.want == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, row.want)
			}
		})
	}
	t.Run("is the platform's", func(t *testing.T) {
		_, err := db.Exec(`SELECT * FROM nope`)
		var e *objects.Error
		require.ErrorAs(t, err, &e)
		require.ErrorIs(t, db.QueryRow(`SELECT 1 WHERE 0`).Scan(new(int)), sql.ErrNoRows)
	})
	t.Run("the object is gone", func(t *testing.T) {
		s.DB.Fail = map[string]error{"": objects.ErrGone}
		defer func() { s.DB.Fail = nil }()
		require.ErrorIs(t, db.Ping(), objects.ErrGone)
		_, err := db.Exec(`SELECT 1`)
		require.ErrorIs(t, err, objects.ErrGone)
		_, err = db.Query(`SELECT 1`)
		require.ErrorIs(t, err, objects.ErrGone)
	})
}

// TestDB_Query_fails: what the driver asks for besides fails the query, and leaves no cursor open.
func TestDB_Query_fails(t *testing.T) {
	s, db := openDB(t, `CREATE TABLE t (n INT)`)
	for _, text := range []string{"sqlite_master", "table_xinfo"} {
		s.DB.Fail = map[string]error{text: objects.ErrGone}
		_, err := db.Query(`SELECT n FROM t`)
		require.ErrorIs(t, err, objects.ErrGone, text)
	}
	s.DB.Fail = map[string]error{"changes()": objects.ErrGone}
	_, err := db.Exec(`DELETE FROM t`)
	require.ErrorIs(t, err, objects.ErrGone)
	s.DB.Fail = nil
	require.NoError(t, db.QueryRow(`SELECT count(*) FROM t`).Scan(new(int)))
}

// TestDB_remembers: of texts without end it keeps a thousand.
func TestDB_remembers(t *testing.T) {
	_, db := openDB(t, "")
	for n := range 3000 {
		_, err := db.Exec(fmt.Sprintf(`SELECT %d`, n))
		require.NoError(t, err)
	}
	require.LessOrEqual(t, sqldb.Remembered(t, db), 1024)
}

// TestDB_rows: rows stay open across other statements, on other connections and on their own.
func TestDB_rows(t *testing.T) {
	_, db := openDB(t, `CREATE TABLE t (n INT); INSERT INTO t VALUES (1), (2), (3)`)
	rows, err := db.Query(`SELECT n FROM t ORDER BY n`)
	require.NoError(t, err)
	defer rows.Close()
	sum := 0
	for rows.Next() {
		var n int
		require.NoError(t, rows.Scan(&n))
		sum += n
		_, err := db.Exec(`UPDATE t SET n = n + 10 WHERE n = ?`, n)
		require.NoError(t, err)
		var count int
		require.NoError(t, db.QueryRow(`SELECT count(*) FROM t`).Scan(&count))
		require.Equal(t, 3, count)
	}
	require.NoError(t, rows.Err())
	require.Equal(t, 6, sum)

	c, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer c.Close()
	one, err := c.QueryContext(t.Context(), `SELECT n FROM t ORDER BY n`)
	require.NoError(t, err)
	defer one.Close()
	other, err := c.QueryContext(t.Context(), `SELECT n FROM t ORDER BY n DESC`)
	require.NoError(t, err)
	defer other.Close()
	var up, down int
	require.True(t, one.Next() && other.Next())
	require.NoError(t, errors.Join(one.Scan(&up), other.Scan(&down)))
	require.Equal(t, []int{11, 13}, []int{up, down})
}

// TestStmt is prepared once and runs on any connection.
func TestStmt(t *testing.T) {
	_, db := openDB(t, `CREATE TABLE t (n INT)`)
	insert, err := db.Prepare(`INSERT INTO t VALUES (?)`)
	require.NoError(t, err)
	defer insert.Close()
	for n := range 3 {
		_, err := insert.Exec(n)
		require.NoError(t, err)
	}
	tx, err := db.Begin()
	require.NoError(t, err)
	_, err = tx.Stmt(insert).Exec(3)
	require.NoError(t, err)
	require.NoError(t, tx.Rollback())
	sum, err := db.Prepare(`SELECT sum(n) FROM t WHERE n < :below`)
	require.NoError(t, err)
	defer sum.Close()
	var n int
	require.NoError(t, sum.QueryRow(sql.Named("below", 9)).Scan(&n))
	require.Equal(t, 3, n)
	wrong, err := db.Prepare(`SELEC`)
	require.NoError(t, err, "the platform prepares nothing")
	defer wrong.Close()
	_, err = wrong.Exec()
	require.EqualError(t, err, `near "SELEC": syntax error`)
}

// TestOpen: the database is closed with the object.
func TestOpen(t *testing.T) {
	s, db := openDB(t, "")
	s.gone()
	require.Eventually(t, func() bool { return db.Ping() != nil }, eventually, tick)
	require.EqualError(t, db.Ping(), "sql: database is closed")

	other, err := fakeobject.Create(contextOnly{}, func(state *objects.State) (*sql.DB, error) { return sqldb.Open(state), nil })
	require.NoError(t, err)
	defer other.Close()
	require.EqualError(t, other.Ping(), "sqldb: the state belongs to no object")
}

// contextOnly is a scope whose context does not carry it.
type contextOnly struct{ driver.Scope }

func (contextOnly) Context() context.Context { return context.Background() }
