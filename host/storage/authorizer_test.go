package storage_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	unauthorized = "not authorized: SQLITE_AUTH"
	advice       = "To execute a transaction, please use the state.storage.transaction() or state.storage.transactionSync() APIs instead of the SQL BEGIN TRANSACTION or SAVEPOINT statements. The JavaScript API is safer because it will automatically roll back on exceptions, and because it interacts correctly with Durable Objects' automatic atomic write coalescing."
)

// TestDatabase_Exec_refused is what an object's statements may not do, in the platform's words.
func TestDatabase_Exec_refused(t *testing.T) {
	for _, row := range []struct{ query, text string }{
		{`BEGIN`, advice},
		{`COMMIT`, advice},
		{`END`, advice},
		{`ROLLBACK`, advice},
		{`SAVEPOINT s`, advice},
		{`RELEASE s`, advice},
		{`SELECT 1; BEGIN; SELECT 2`, advice},
		{`ATTACH ':memory:' AS other`, unauthorized},
		{`DETACH main`, unauthorized},
		{`CREATE TEMP TABLE x (a)`, unauthorized},
		{`CREATE TEMP VIEW x AS SELECT 1`, unauthorized},
		{`CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END`, unauthorized},
		{`CREATE TABLE _cf_x (a)`, unauthorized},
		{`CREATE TABLE _CF_x (a)`, unauthorized},
		{`CREATE INDEX _cf_i ON t (a)`, unauthorized},
		{`CREATE VIEW _cf_v AS SELECT 1`, unauthorized},
		{`CREATE TRIGGER _cf_t AFTER INSERT ON t BEGIN SELECT 1; END`, unauthorized},
		{`CREATE INDEX mine ON _cf_KV (value)`, unauthorized},
		{`CREATE TRIGGER mine AFTER INSERT ON _cf_KV BEGIN SELECT 1; END`, unauthorized},
		{`ALTER TABLE t RENAME TO _cf_t`, unauthorized},
		{`ALTER TABLE t RENAME TO _CF_t`, unauthorized},
		{`ALTER TABLE _cf_KV RENAME TO mine`, unauthorized},
		{`PRAGMA table_info(_cf_KV)`, unauthorized},
		{`SELECT * FROM pragma_table_info('_cf_KV')`, unauthorized},
		{`CREATE TABLE temp.x (a)`, unauthorized},
		{`CREATE VIRTUAL TABLE temp.x USING fts5(a)`, unauthorized},
		{`UPDATE temp.sqlite_master SET sql = ''`, "table sqlite_temp_master may not be modified: SQLITE_ERROR"},
		{`SELECT key FROM _cf_KV`, "access to _cf_KV.key is prohibited: SQLITE_AUTH"},
		{`INSERT INTO _cf_KV VALUES (1, 2)`, unauthorized},
		{`UPDATE _cf_KV SET value = 1`, unauthorized},
		{`DELETE FROM _cf_KV`, unauthorized},
		{`DROP TABLE _cf_KV`, unauthorized},
		{`DROP TABLE _cf_METADATA`, unauthorized},
		{`CREATE VIRTUAL TABLE x USING fts4(a)`, unauthorized},
		{`CREATE VIRTUAL TABLE x USING dbstat`, unauthorized},
		{`PRAGMA journal_mode`, unauthorized},
		{`PRAGMA synchronous = OFF`, unauthorized},
		{`PRAGMA user_version`, unauthorized},
		{`PRAGMA page_size = 512`, unauthorized},
		{`PRAGMA writable_schema = ON`, unauthorized},
		{`PRAGMA wal_checkpoint`, unauthorized},
		{`PRAGMA locking_mode`, unauthorized},
		{`PRAGMA integrity_check`, unauthorized},
		{`SELECT sqlite_version()`, "not authorized to use function: sqlite_version at offset 7: SQLITE_ERROR"},
		{`SELECT log10(1)`, "not authorized to use function: log10 at offset 7: SQLITE_ERROR"},
		{`SELECT power(1, 2)`, "not authorized to use function: power at offset 7: SQLITE_ERROR"},
		{`SELECT ceiling(1)`, "not authorized to use function: ceiling at offset 7: SQLITE_ERROR"},
		{`SELECT json_pretty('{}')`, "not authorized to use function: json_pretty at offset 7: SQLITE_ERROR"},
		{`SELECT 1; SELECT power(1, 2)`, "not authorized to use function: power at offset 7: SQLITE_ERROR"},
		{`SELECT base64(x'00')`, "no such function: base64 at offset 7: SQLITE_ERROR"},
		{`SELECT 'a' REGEXP 'b'`, "no such function: REGEXP at offset 11: SQLITE_ERROR"},
		{`SELECT * FROM generate_series(1, 3)`, "no such table: generate_series: SQLITE_ERROR"},
		{`UPDATE sqlite_master SET sql = ''`, "table sqlite_master may not be modified: SQLITE_ERROR"},
		{`VACUUM`, "cannot VACUUM from within a transaction: SQLITE_ERROR"},
	} {
		t.Run(row.query, func(t *testing.T) {
			d := newDatabase(t)
			require.NoError(t, d.Put("k", []byte("v")))
			at := time.UnixMilli(1)
			require.NoError(t, d.SetAlarm(&at))
			mustRun(t, d, `CREATE TABLE t (a)`)
			_, err := rows(d, row.query)
			require.Error(t, err)
			require.Equal(t, row.text, err.Error())
			got, _, err := d.Get("k")
			require.NoError(t, err)
			require.Equal(t, []byte("v"), got, "ours are as before")
			_, err = rows(d, `SELECT a FROM t`)
			require.NoError(t, err, "and so is the object's")
		})
	}
}

// TestDatabase_Exec_allowed is what they may do, although it looks much the same.
func TestDatabase_Exec_allowed(t *testing.T) {
	d := newDatabase(t)
	require.NoError(t, d.Put("k", []byte("v")))
	for _, row := range []struct {
		query string
		want  []string
	}{
		{`CREATE TABLE t (_cf_c INTEGER PRIMARY KEY, b)`, nil},
		{`CREATE TABLE ok_cf_ (a)`, nil},
		{`INSERT INTO t VALUES (1, 'x'), (2, 'y') RETURNING b`, []string{"x", "y"}},
		{`SELECT name FROM sqlite_master WHERE name = '_cf_KV'`, []string{"_cf_KV"}},
		{`SELECT * FROM temp.sqlite_master`, nil},
		{`PRAGMA foreign_keys`, []string{"1"}},
		{`PRAGMA page_size`, []string{"4096"}},
		{`PRAGMA main.table_info(t)`, []string{"0|_cf_c|INTEGER|0|NULL|1", "1|b||0|NULL|0"}},
		{`SELECT name FROM pragma_table_info('t')`, []string{"_cf_c", "b"}},
		{`PRAGMA quick_check`, []string{"ok"}},
		{`PRAGMA defer_foreign_keys = ON`, nil},
		{`SELECT "no such column"`, []string{"no such column"}},
		{`SELECT ceil(0.5), pow(2, 3), log(100), hex('a')`, []string{"1|8|2|61"}},
		{`SELECT changes(), last_insert_rowid()`, []string{"2|2"}},
		{`ANALYZE`, nil},
		{`REINDEX`, nil},
		{`SELECT row_number() OVER (ORDER BY b DESC), b FROM t`, []string{"1|y", "2|x"}},
		{`SELECT '{"a":[1,2]}' ->> '$.a[1]'`, []string{"2"}},
		{`CREATE VIRTUAL TABLE f USING fts5(body)`, nil},
		{`INSERT INTO f VALUES ('the quick fox')`, nil},
		{`SELECT body FROM f WHERE f MATCH 'quick'`, []string{"the quick fox"}},
		{`CREATE VIRTUAL TABLE r USING rtree(id, x0, x1)`, nil},
		{`ALTER TABLE t RENAME TO u`, nil},
		{`ALTER TABLE u RENAME COLUMN b TO _cf_b`, nil},
		{`ALTER TABLE u ADD COLUMN c DEFAULT 3; SELECT * FROM u WHERE c = 3 AND _cf_b = 'x'`, []string{"1|x|3"}},
		{`ALTER TABLE u DROP COLUMN c`, nil},
	} {
		got, err := rows(d, row.query)
		require.NoError(t, err, row.query)
		require.Equal(t, row.want, got, row.query)
	}
	got, err := rows(d, `EXPLAIN SELECT 1`)
	require.NoError(t, err)
	require.NotEmpty(t, got)
}
