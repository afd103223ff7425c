package sqldb_test

import (
	"database/sql"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, 11, 17, 12, 0, 0, 250e6, time.UTC)

// typed has a column of each declaration.
const typed = `CREATE TABLE typed (
	id INTEGER PRIMARY KEY, i INT, big BIGINT, r REAL, f FLOAT(5), t TEXT, v VARCHAR(20), b BLOB, ok BOOLEAN,
	d DATE, dt datetime, ts TimeStamp, bare, "two words" INTEGER, gen INTEGER AS (i + 1))`

// TestDB_arguments: what the database makes of each type.
func TestDB_arguments(t *testing.T) {
	_, db := openDB(t, typed)
	type named string
	one := 1
	for _, row := range []struct {
		name   string
		arg    any
		stored string
	}{
		{"nil", nil, "null"},
		{"nil pointer", (*int)(nil), "null"},
		{"pointer", &one, "real 1.0"},
		{"int", 7, "real 7.0"},
		{"int64", int64(1 << 53), "real 9007199254740992.0"},
		{"uint8", uint8(255), "real 255.0"},
		{"float64", 1.5, "real 1.5"},
		{"bool", true, "real 1.0"},
		{"string", "a", "text a"},
		{"named string", named("a"), "text a"},
		{"bytes", []byte("a"), "blob a"},
		{"no bytes", []byte{}, "blob "},
		{"nil bytes", []byte(nil), "null"},
		{"time", noon, "real 1794916800250.0"},
		{"null string", sql.NullString{}, "null"},
		{"null time", sql.NullTime{Time: noon, Valid: true}, "real 1794916800250.0"},
		{"generic null", sql.Null[int64]{V: 3, Valid: true}, "real 3.0"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got string
			require.NoError(t, db.QueryRow(`SELECT trim(typeof(?1) || ' ' || coalesce(?1, '')) || CASE WHEN octet_length(?1) = 0 THEN ' ' ELSE '' END`, row.arg).Scan(&got))
			require.Equal(t, row.stored, got)
		})
	}
	_, err := db.Exec(`INSERT INTO typed (i, bare, t) VALUES (?1, ?1, ?1)`, 3)
	require.NoError(t, err)
	var types string
	require.NoError(t, db.QueryRow(`SELECT typeof(i) || ' ' || typeof(bare) || ' ' || t FROM typed`).Scan(&types))
	require.Equal(t, "integer real 3.0", types, "numbers bind as REAL, as on the platform")
}

// TestRows_Scan: what an untyped destination gets of a column, which is what typed ones convert.
func TestRows_Scan(t *testing.T) {
	_, db := openDB(t, typed)
	for _, row := range []struct {
		name, column, value string
		want                any
	}{
		{"integer", "i", "42", int64(42)},
		{"greatest integer", "big", "9007199254740992", int64(1 << 53)},
		{"least integer", "big", "-9007199254740992", int64(-1 << 53)},
		{"real", "r", "1.5", 1.5},
		{"whole real", "r", "2", 2.0},
		{"whole float", "f", "2", 2.0},
		{"real in an integer", "i", "1.5", 1.5},
		{"text", "t", "'a'", "a"},
		{"text that is a date", "t", "'2026-11-17'", "2026-11-17"},
		{"varchar", "v", "'é'", "é"},
		{"number in text", "t", "5", "5"},
		{"blob", "b", "x'00ff'", []byte{0, 255}},
		{"empty blob", "b", "x''", []byte{}},
		{"empty text", "t", "''", ""},
		{"bool", "ok", "TRUE", int64(1)},
		{"null", "i", "NULL", nil},
		{"null time", "dt", "NULL", nil},
		{"date of text", "d", "'2026-11-17'", time.Date(2026, 11, 17, 0, 0, 0, 0, time.UTC)},
		{"datetime of milliseconds", "dt", "1794916800250", noon},
		{"datetime before 1970", "dt", "-1", time.Date(1969, 12, 31, 23, 59, 59, 999e6, time.UTC)},
		{"datetime of text", "dt", "'2026-11-17 12:00:00.25'", noon},
		{"datetime with a zone", "dt", "'2026-11-17T13:00:00.25+01:00'", noon},
		{"datetime in minutes", "dt", "'2026-11-17T12:00Z'", noon.Truncate(time.Minute)},
		{"timestamp of text", "ts", "'2026-11-17T12:00:00.25'", noon},
		{"datetime that is none", "dt", "'noon'", "noon"},
		{"bare integer", "bare", "1", int64(1)},
		{"bare whole real", "bare", "1.0", int64(1)},
		{"bare real", "bare", "1e300", 1e300},
		{"infinity", "r", "9e999", math.Inf(1)},
		{"bare infinity", "bare", "-9e999", math.Inf(-1)},
		{"quoted name", `"two words"`, "3", int64(3)},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := db.Exec(`DELETE FROM typed; INSERT INTO typed (` + row.column + `) VALUES (` + row.value + `)`)
			require.NoError(t, err)
			var got any
			require.NoError(t, db.QueryRow(`SELECT `+row.column+` FROM typed`).Scan(&got))
			require.Equal(t, row.want, got)
		})
	}
}

// TestRows_Scan_types: into the types that programs have.
func TestRows_Scan_types(t *testing.T) {
	_, db := openDB(t, typed)
	_, err := db.Exec(`INSERT INTO typed (i, r, t, b, ok, dt) VALUES (?, ?, ?, ?, ?, ?)`, 300, 2, "a", []byte("b"), true, noon)
	require.NoError(t, err)
	var (
		i       int
		i16     int16
		f       float64
		fi      float64
		s, si   string
		b       []byte
		ok      bool
		at      time.Time
		null    sql.NullInt64
		some    sql.NullInt64
		text    sql.NullString
		when    sql.NullTime
		generic sql.Null[time.Time]
		p       *int64
		q       *int64
	)
	require.NoError(t, db.QueryRow(`SELECT i, i, r, i, t, i, b, ok, dt, big, i, v, ts, dt, big, i FROM typed`).
		Scan(&i, &i16, &f, &fi, &s, &si, &b, &ok, &at, &null, &some, &text, &when, &generic, &p, &q))
	require.Equal(t, []any{300, int16(300), 2.0, 300.0, "a", "300", []byte("b"), true, noon}, []any{i, i16, f, fi, s, si, b, ok, at})
	require.Equal(t, []any{sql.NullInt64{}, sql.NullInt64{Int64: 300, Valid: true}, sql.NullString{}, sql.NullTime{}, sql.Null[time.Time]{V: noon, Valid: true}},
		[]any{null, some, text, when, generic})
	require.Nil(t, p)
	require.Equal(t, int64(300), *q)
	require.ErrorContains(t, db.QueryRow(`SELECT i FROM typed`).Scan(new(int8)), "value out of range")
	require.ErrorContains(t, db.QueryRow(`SELECT big FROM typed`).Scan(&i), "converting NULL to int is unsupported")
}

// TestRows_Scan_copies: bytes are the caller's, and raw ones stay until the next row.
func TestRows_Scan_copies(t *testing.T) {
	_, db := openDB(t, `CREATE TABLE t (b BLOB); INSERT INTO t VALUES (x'01'), (x'02')`)
	rows, err := db.Query(`SELECT b FROM t ORDER BY b`)
	require.NoError(t, err)
	defer rows.Close()
	var kept [][]byte
	for rows.Next() {
		var b []byte
		var raw sql.RawBytes
		require.NoError(t, rows.Scan(&b))
		require.NoError(t, rows.Scan(&raw))
		require.Equal(t, b, []byte(raw))
		kept = append(kept, b)
	}
	require.NoError(t, rows.Err())
	require.Equal(t, [][]byte{{1}, {2}}, kept)
}

// TestRows_ColumnTypes: names as the database gives them, and the declared types by the rule of the package comment.
func TestRows_ColumnTypes(t *testing.T) {
	_, db := openDB(t, typed+`;
		CREATE TABLE other (id TEXT, i INT, "odd ""name" DATE);
		CREATE TABLE "odd ""table" (x DOUBLE PRECISION);
		CREATE VIEW seen AS SELECT dt AS at, count(*) AS n FROM typed`)
	for _, row := range []struct{ query, want string }{
		{`SELECT * FROM typed`, "id INTEGER, i INT, big BIGINT, r REAL, f FLOAT, t TEXT, v VARCHAR, b BLOB, ok BOOLEAN, d DATE, dt DATETIME, ts TIMESTAMP, bare , two words INTEGER, gen INTEGER"},
		{`SELECT I, TYPED.dT FROM Typed`, "i INT, dt DATETIME"},
		{`SELECT i AS x, i + 1, count(*) FROM typed`, "x , i + 1 , count(*) "},
		{`SELECT max(dt) AS dt FROM typed`, "dt DATETIME"},
		{`SELECT typed.id, typed.i FROM typed, other`, "id , i INT"},
		{`SELECT i, i FROM "typed"`, "i INT, i INT"},
		{"SELECT i FROM [typed] JOIN `other` USING (i)", "i INT"},
		{`SELECT "odd ""name" FROM other`, `odd "name DATE`},
		{`SELECT x FROM "odd ""table"`, "x DOUBLE PRECISION"},
		{`WITH w AS (SELECT dt FROM typed) SELECT dt FROM w`, "dt DATETIME"},
		{`SELECT at, n FROM seen`, "at DATETIME, n "},
		{`SELECT 'typed' AS dt`, "dt "},
		{`SELECT /* typed */ 1 AS dt -- typed`, "dt "},
		{`SELECT dt FROM typed; SELECT 1 AS dt`, "dt "},
		{`INSERT INTO typed (i) VALUES (1) RETURNING dt, i`, "dt DATETIME, i INT"},
		{`DELETE FROM typed`, ""},
	} {
		t.Run(row.query, func(t *testing.T) {
			rows, err := db.Query(row.query)
			require.NoError(t, err)
			defer rows.Close()
			types, err := rows.ColumnTypes()
			require.NoError(t, err)
			got := ""
			for i, c := range types {
				if i > 0 {
					got += ", "
				}
				got += c.Name() + " " + c.DatabaseTypeName()
			}
			require.Equal(t, row.want, got)
		})
	}
}

// TestRows_ColumnTypes_changed: the declared types follow the schema, and are asked for once.
func TestRows_ColumnTypes_changed(t *testing.T) {
	s, db := openDB(t, `CREATE TABLE t (a INT)`)
	typeOf := func(query string) string {
		rows, err := db.Query(query)
		require.NoError(t, err)
		defer rows.Close()
		types, err := rows.ColumnTypes()
		require.NoError(t, err)
		return types[0].DatabaseTypeName()
	}
	const query = `SELECT a FROM t`
	require.Equal(t, "INT", typeOf(query))
	var texts []string
	s.DB.Ran = func(text string, _ bool) { texts = append(texts, text) }
	require.Equal(t, "INT", typeOf(query))
	require.Equal(t, []string{query}, texts, "a text that is known costs nothing")
	require.Equal(t, "INT", typeOf(query+` `))
	require.Len(t, texts, 2, "nor does another of the same tables")

	_, err := db.Exec(`DROP TABLE t; CREATE TABLE t (a TEXT)`)
	require.NoError(t, err)
	require.Equal(t, "TEXT", typeOf(query))

	_, err = db.Exec(`DROP TABLE t; CREATE TABLE t (a BLOB); SELECT 1`)
	require.NoError(t, err)
	require.Equal(t, "BLOB", typeOf(query))

	tx, err := db.Begin()
	require.NoError(t, err)
	_, err = tx.Exec(`DROP TABLE t; CREATE TABLE t (a DATE)`)
	require.NoError(t, err)
	require.Equal(t, "DATE", typeOf(query))
	require.NoError(t, tx.Rollback())
	require.Equal(t, "BLOB", typeOf(query))

	require.NoError(t, s.DB.Script(`CREATE TABLE u (b REAL)`))
	require.Equal(t, "REAL", typeOf(`SELECT b FROM u`), "made by other means")
}
