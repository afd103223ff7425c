package storage_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/storage"
	"durago.example/host/storage/powerloss"
)

// secret is in the platform's own table, where no statement of an object may read or write it.
const secret = "platform-secret-7f3a"

// victim is a database on which hostile statements run.
type victim struct {
	t   testing.TB
	dir string
	s   *storage.Store
	d   *storage.Database
	at  time.Time
}

func newVictim(t testing.TB) *victim {
	v := &victim{t: t, dir: filepath.Join(t.TempDir(), "state"), at: time.UnixMilli(1_800_000_000_000)}
	var err error
	v.s, err = storage.Open(storage.Options{Dir: v.dir, NoSync: true, CPULimit: 25 * time.Millisecond})
	require.NoError(t, err)
	v.open()
	require.NoError(t, v.d.Put("secret", []byte(secret)))
	require.NoError(t, v.d.SetAlarm(&v.at))
	for _, q := range []string{
		`CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT, c UNIQUE)`, `INSERT INTO t VALUES (1, 'one', 1.5), (2, 'two', x'00ff'), (3, NULL, 'three')`,
		`CREATE TABLE u (a REFERENCES t ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, b GENERATED ALWAYS AS (a * 2))`, `CREATE INDEX i ON t (b)`,
		`CREATE VIEW v AS SELECT a, b FROM t`, `CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO u (a) VALUES (new.a); END`,
		`CREATE VIRTUAL TABLE f USING fts5(a, b)`, `INSERT INTO f VALUES ('one two', 'three')`,
		`CREATE VIRTUAL TABLE r USING rtree(id, x0, x1)`, `INSERT INTO r VALUES (1, 0, 1)`,
	} {
		c, err := v.d.Exec(q, nil)
		require.NoError(t, err)
		require.NoError(t, c.Close())
	}
	v.commit()
	return v
}

func (v *victim) open() { v.d = v.s.Database("key", strings.Repeat("a", 64)) }

func (v *victim) commit() {
	if _, err := v.d.Commit(func(error) {}); err != nil { // a constraint that was deferred
		v.reset()
	}
}

// reset is what the engine does with an object whose database is broken.
func (v *victim) reset() {
	_ = v.d.Rollback()
	require.NoError(v.t, v.d.Close())
	v.open()
}

// run runs a statement, looks at what comes back, and ends the turn, or undoes it; it tells whether there was an error.
func (v *victim) run(query string, args []storage.Arg, keep bool) (failed bool) {
	c, err := v.d.Exec(query, args)
	if err == nil {
		for n := 0; n < 100 && c.Next(); n++ {
			for i := range c.Width() {
				_ = c.Column(i)
				require.NotContains(v.t, string(c.Value(i).Bytes), secret, query)
			}
		}
		c.Counts()
		err = c.Close()
	}
	if err != nil {
		require.NotContains(v.t, err.Error(), secret, query)
	}
	if v.d.Broken() != nil {
		v.reset()
	}
	if keep {
		v.commit()
	} else {
		require.NoError(v.t, v.d.Rollback(), query)
	}
	return err != nil
}

// intact holds that what is the platform's is as it was.
func (v *victim) intact(query string) {
	value, ok, err := v.d.Get("secret")
	require.NoError(v.t, err, query)
	require.True(v.t, ok, query)
	require.Equal(v.t, secret, string(value), query)
	at, ok, err := v.d.Alarm()
	require.NoError(v.t, err, query)
	require.True(v.t, ok, query)
	require.Equal(v.t, v.at, at, query)
	c, err := v.d.Exec(`SELECT group_concat(type || name || tbl_name, ' ') FROM (SELECT * FROM sqlite_master WHERE name LIKE '\_cf\_%' ESCAPE '\' OR tbl_name LIKE '\_cf\_%' ESCAPE '\' ORDER BY name)`, nil)
	require.NoError(v.t, err, query)
	require.Equal(v.t, "table_cf_KV_cf_KV table_cf_METADATA_cf_METADATA", string(c.Value(0).Bytes), query)
	require.NoError(v.t, c.Close())
}

// whole closes the database and looks at it from outside.
func (v *victim) whole() {
	v.reset()
	require.NoError(v.t, v.s.Close())
	file := filepath.Join(v.dir, "key", strings.Repeat("a", 64)+".sqlite")
	rows := sqlite(v.t, file, `PRAGMA integrity_check; PRAGMA journal_mode; PRAGMA user_version; PRAGMA application_id; PRAGMA page_size; PRAGMA encoding`)
	require.Equal(v.t, []string{"ok", "wal", "0", "0", "4096", "UTF-8"}, rows)
	entries, err := os.ReadDir(v.dir)
	require.NoError(v.t, err)
	require.Len(v.t, entries, 2, "the marker and the namespace")
	entries, err = os.ReadDir(filepath.Dir(file))
	require.NoError(v.t, err)
	for _, e := range entries {
		require.True(v.t, strings.HasPrefix(e.Name(), strings.Repeat("a", 64)+".sqlite"), e.Name())
	}
}

// TestDatabase_Exec_fuzzed runs statements that were made up, or spoilt, from a seed. DURAGO_STATEMENTS asks for more than
// 10,000, DURAGO_SEED for others.
func TestDatabase_Exec_fuzzed(t *testing.T) {
	statements := powerloss.Number(t, "DURAGO_STATEMENTS", 10_000)
	g := grammar{rand.New(rand.NewPCG(uint64(powerloss.Number(t, "DURAGO_SEED", 1)), 4))}
	failed := 0
	const each = 250 // statements have one database
	for done := 0; done < statements; done += each {
		v := newVictim(t)
		for i := range each {
			query := g.statement()
			if v.run(query, g.args(), g.IntN(10) == 0) {
				failed++
			}
			if i%10 == 0 || strings.Contains(strings.ToLower(query), "_cf_") {
				v.intact(query)
			}
		}
		v.intact("the end")
		v.whole()
	}
	t.Logf("%d statements, %d refused", statements, failed)
	require.Greater(t, failed, statements/4)
	require.Less(t, failed, statements*19/20, "some must get through")
}

// FuzzExec looks for statements that do what they may not, and for a splitter that loses its way in them.
func FuzzExec(f *testing.F) {
	g := grammar{rand.New(rand.NewPCG(1, 2))}
	for range 200 {
		f.Add(g.statement())
	}
	for _, q := range []string{"", ";", ";;", " \v\f", "--", "/*", "SELECT 1;;SELECT 2", "SELECT 1;\x00SELECT 2", "SELECT '\xff'", "EXPLAIN SELECT ?1", "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT ';'; END; SELECT 3"} {
		f.Add(q)
	}
	v := newVictim(f)
	f.Fuzz(func(t *testing.T, query string) {
		v.t = t
		v.run(query, nil, false)
		v.intact(query)
	})
}

// grammar makes statements up.
type grammar struct{ *rand.Rand }

func (g grammar) pick(list ...string) string { return list[g.IntN(len(list))] }

func (g grammar) word(list string) string { return g.pick(strings.Fields(list)...) }

func (g grammar) table() string {
	if g.IntN(4) > 0 {
		return g.word(`t t t v u f`)
	}
	return g.word(`t u v f r t u t _cf_KV _cf_METADATA _CF_kv "_cf_KV" [_cf_KV] main._cf_KV temp.t main.t sqlite_master sqlite_schema sqlite_sequence
		sqlite_stat1 sqlite_dbpage dbstat f_data f_content f_idx r_node pragma_table_info pragma_database_list pragma_function_list json_each
		generate_series x y new old`)
}

func (g grammar) column() string {
	if g.IntN(6) > 0 {
		return g.word(`a b`)
	}
	return g.word(`a b c a b key value rowid oid _rowid_ sql name type * id x0 rank f`)
}

func (g grammar) literal() string {
	if g.IntN(3) > 0 {
		return g.pick(`1`, `2`, `'one'`, `NULL`, `x'00ff'`, `1.5`)
	}
	return g.pick(`1`, `-1`, `0`, `NULL`, `'one'`, `"one"`, `x'00ff'`, `1e308`, `9223372036854775807`, `-9223372036854775808`, `?`, `?1`, `:a`, `''`, `'_cf_KV'`,
		`'secret'`, `'é€'`, `'it''s'`, `1.5`, `TRUE`, `current_timestamp`, `'{"a":[1,2]}'`, `zeroblob(100)`)
}

func (g grammar) function() string {
	if g.IntN(4) > 0 {
		return g.word(`abs length hex quote typeof unicode count sum total lower upper`)
	}
	return g.word(`abs length hex quote substr printf format count sum group_concat max min json_extract json_each json_group_array load_extension
		readfile writefile edit fts5 sqlite_version randomblob zeroblob typeof unicode instr replace row_number total_changes last_insert_rowid
		rtreenode rtreecheck match highlight snippet bm25 likelihood sqlite_rename_table sqlite_drop_column sqlite_rename_quotefix fts3_tokenizer
		sqlite_compileoption_get sqlite_log eval sha3 iif nth_value ntile strftime unixepoch json_set jsonb ceil pow`)
}

func (g grammar) expression(depth int) string {
	if depth <= 0 {
		return g.pick(g.literal(), g.literal(), g.column(), g.column(), g.table()+"."+g.column())
	}
	e := func() string { return g.expression(depth - 1 - g.IntN(2)) }
	switch g.IntN(10) {
	case 0:
		return g.function() + "(" + e() + ")"
	case 1:
		return g.word(`instr nullif ifnull coalesce max min substr printf format trim round likelihood highlight match json_set sqlite_rename_column`) + "(" + e() + ", " + e() + ")"
	case 2:
		return "(" + g.query(depth-1) + ")"
	case 3:
		return e() + " IN (" + g.query(depth-1) + ")"
	case 4:
		return "CASE WHEN " + e() + " THEN " + e() + " ELSE " + e() + " END"
	case 5:
		return "CAST(" + e() + " AS " + g.word(`TEXT INTEGER BLOB REAL NUMERIC`) + ")"
	case 6:
		return g.function() + "(" + e() + ") OVER (ORDER BY " + g.column() + ")"
	default:
		return e() + g.pick(" + ", " || ", " = ", " < ", " LIKE ", " GLOB ", " MATCH ", " IS ", " AND ", " -> ", " ->> ", " % ", " << ", " || ", " - ", " REGEXP ") + e()
	}
}

func (g grammar) query(depth int) string {
	if depth < 0 {
		return "SELECT " + g.column() + " FROM " + g.table()
	}
	q := "SELECT " + g.pick("", "DISTINCT ", "ALL ") + g.pick(g.column(), g.expression(depth), g.expression(depth)+", "+g.expression(depth))
	if g.IntN(5) > 0 {
		q += " FROM " + g.pick(g.table(), g.table()+g.pick(", ", " JOIN ", " LEFT JOIN ", " NATURAL JOIN ")+g.table(), "("+g.query(depth-1)+")",
			g.word(`pragma_table_info pragma_table_list pragma_index_list json_each json_tree generate_series`)+"("+g.literal()+")")
	}
	if g.IntN(3) == 0 {
		q += " WHERE " + g.expression(depth)
	}
	if g.IntN(6) == 0 {
		q += " GROUP BY " + g.expression(0)
	}
	if g.IntN(6) == 0 {
		q += g.pick(" UNION ", " UNION ALL ", " EXCEPT ", " INTERSECT ") + g.query(depth-1)
	}
	if g.IntN(6) == 0 {
		q += " ORDER BY " + g.expression(0)
	}
	if g.IntN(4) == 0 {
		q += " LIMIT " + g.literal()
	}
	if g.IntN(12) == 0 {
		q = "WITH " + g.pick("", "RECURSIVE ") + "x(a, b) AS (" + g.query(depth-1) + ") " + q
	}
	return q
}

// statement is one that may be allowed, refused or wrong, or several.
func (g grammar) statement() string {
	s := g.one()
	for g.IntN(8) == 0 {
		s += g.pick("; ", ";", "\n;\n", ";;", " -- c\n; ", " /* ; */ ; ") + g.one()
	}
	if g.IntN(4) == 0 {
		s = g.spoil(s)
	}
	return s
}

func (g grammar) one() string {
	depth := 1 + g.IntN(3)
	values := func() string { return "(" + g.expression(1) + ", " + g.expression(1) + ")" }
	switch g.IntN(20) {
	case 0, 1, 2, 3:
		return g.query(depth)
	case 4, 5:
		return g.pick("INSERT INTO ", "INSERT OR REPLACE INTO ", "INSERT OR IGNORE INTO ", "REPLACE INTO ") + g.table() + g.pick("", " (a, b)", " (key, value)") +
			g.pick(" VALUES "+values(), " "+g.query(depth), " DEFAULT VALUES", " VALUES "+values()+" ON CONFLICT DO UPDATE SET b = excluded.b RETURNING "+g.expression(1))
	case 6:
		return "UPDATE " + g.pick("", "OR REPLACE ") + g.table() + " SET " + g.column() + " = " + g.expression(2) + g.pick("", " WHERE "+g.expression(2), " FROM "+g.table())
	case 7:
		return "DELETE FROM " + g.table() + g.pick("", " WHERE "+g.expression(2), " RETURNING "+g.expression(1))
	case 8:
		return g.pick("CREATE TABLE ", "CREATE TEMP TABLE ", "CREATE TABLE IF NOT EXISTS ") + g.table() + g.pick(" (a, b)", " AS "+g.query(2), " (a CHECK ("+g.expression(2)+"))",
			" (a, b AS ("+g.expression(2)+"))", " (a DEFAULT ("+g.expression(2)+"))", " (a REFERENCES _cf_KV)", " (a PRIMARY KEY) WITHOUT ROWID, STRICT")
	case 9:
		return g.pick("CREATE VIEW ", "CREATE TEMP VIEW ") + g.table() + " AS " + g.query(2)
	case 10:
		return "CREATE " + g.pick("", "TEMP ") + "TRIGGER " + g.pick("h", "main.h", "_cf_h") + g.pick(" AFTER INSERT ON ", " BEFORE UPDATE ON ", " INSTEAD OF DELETE ON ") + g.table() +
			" BEGIN " + g.pick("DELETE FROM "+g.table(), g.query(2), "INSERT INTO "+g.table()+" VALUES (1, 2)", "SELECT RAISE(ABORT, 'no')") + "; END"
	case 11:
		return "CREATE " + g.pick("", "UNIQUE ") + "INDEX " + g.pick("j", "_cf_j", "temp.j") + " ON " + g.table() + " (" + g.expression(1) + ")"
	case 12:
		return "CREATE VIRTUAL TABLE " + g.table() + " USING " + g.pick("fts5(a)", "fts5(a, content='_cf_KV')", "fts5(key, value, content=_cf_KV, content_rowid=rowid)", "fts5vocab(f, row)",
			"fts5vocab(_cf_KV, 'row')", "fts5vocab('main', 'f', 'col')", "rtree(id, a, b)", "rtree_i32(id, a, b)", "fts4(a)", "dbstat", "sqlite_dbpage", "csv(filename='/etc/passwd')",
			"bytecode", "geopoly(a)", "series", "unionvtab(x)")
	case 13:
		return g.pick("DROP TABLE ", "DROP VIEW ", "DROP TRIGGER ", "DROP INDEX ", "DROP TABLE IF EXISTS ") + g.table()
	case 14:
		return "ALTER TABLE " + g.table() + g.pick(" RENAME TO "+g.table(), " RENAME COLUMN "+g.column()+" TO "+g.column(), " ADD COLUMN "+g.column()+g.pick("", " DEFAULT ("+g.expression(1)+")"), " DROP COLUMN "+g.column())
	case 15:
		return "PRAGMA " + g.pick("", "main.", "temp.") + g.word(`writable_schema journal_mode synchronous locking_mode table_info table_list foreign_keys user_version
			application_id encoding page_size cache_size temp_store trusted_schema integrity_check quick_check optimize wal_checkpoint database_list
			function_list module_list pragma_list mmap_size secure_delete auto_vacuum incremental_vacuum legacy_file_format recursive_triggers
			schema_version data_version temp_store_directory cell_size_check hard_heap_limit case_sensitive_like defer_foreign_keys`) + g.pick("", "="+g.literal(), "=OFF", "=ON", "(_cf_KV)", "(t)", "=MEMORY", "=99")
	case 16:
		return g.pick("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT a", "RELEASE a", "ROLLBACK TO _cf_savepoint_1", "END", "BEGIN IMMEDIATE", "VACUUM", "VACUUM INTO '/tmp/durago-stolen'",
			"ATTACH '/tmp/durago-stolen' AS o", "ATTACH ':memory:' AS o", "DETACH main", "ANALYZE", "ANALYZE "+g.table(), "REINDEX", "REINDEX "+g.table())
	case 17:
		return g.pick("EXPLAIN ", "EXPLAIN QUERY PLAN ") + g.one()
	case 18:
		return "INSERT INTO f(f" + g.pick("", ", rank") + ") VALUES ('" + g.word(`rebuild optimize integrity-check delete-all merge pgsz rank automerge secure-delete usermerge crisismerge`) + "'" + g.pick("", ", "+g.literal()) + ")"
	default:
		return endless + " " + g.pick("SELECT count(*) FROM n LIMIT 10", "SELECT i FROM n LIMIT 10", "INSERT INTO t (b) SELECT i FROM n LIMIT 10")
	}
}

// spoil changes a text a little.
func (g grammar) spoil(s string) string {
	b := []byte(s)
	for range 1 + g.IntN(3) {
		at := g.IntN(len(b) + 1)
		switch g.IntN(5) {
		case 0:
			b = b[:at]
		case 1:
			b = append(b[:at:at], append([]byte(g.pick("\x00", "\xff", "'", `"`, ";", "(", ")", "--", "/*", "*/", "?", "@x", "$y", "\n", "%", "`", "[", "]", "\v")), b[at:]...)...)
		case 2:
			end := min(len(b), at+g.IntN(10))
			b = append(b[:at:at], b[end:]...)
		case 3:
			end := min(len(b), at+g.IntN(20))
			b = append(b[:end:end], b[at:]...)
		case 4:
			if at < len(b) {
				b[at] = byte(g.Uint32())
			}
		}
	}
	return string(b)
}

func (g grammar) args() []storage.Arg {
	if g.IntN(3) > 0 {
		return nil
	}
	args := make([]storage.Arg, g.IntN(3))
	for i := range args {
		args[i] = storage.Arg{Kind: storage.Kind(g.IntN(4)), Float: g.NormFloat64(), Bytes: bytes.Repeat([]byte{byte(g.Uint32())}, g.IntN(20))}
	}
	return args
}
