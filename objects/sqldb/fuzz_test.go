package sqldb_test

import (
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/stretchr/testify/require"

	"durago.example/objects/sqldb"
)

// FuzzParams compares the parameters of each text that SQLite takes with those that SQLite finds.
func FuzzParams(f *testing.F) {
	for _, text := range []string{
		`SELECT ?, ?3, :a, @a, $a, :a, ?`,
		`SELECT ':a', "x:a", [:a], x'00' -- :b` + "\n" + `, :c /* :d */, 'it''s :e'`,
		`SELECT $a::b(c), :é, #x`,
		`WITH w AS (SELECT ?1) SELECT * FROM w, (VALUES (?))`,
		`SELECT 1 /* ? `, `SELECT '?`, "SELECT ` ? `", `SELECT 1e5, 0x10, .5, 1_000, ?`, `SELECT :a->>'$.b'`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		params := sqldb.Params(text)
		db, err := sqlite3.Open(":memory:")
		require.NoError(t, err)
		defer db.Close()
		stmt, tail, err := db.Prepare(text)
		if err != nil || stmt == nil || tail != "" || strings.ContainsRune(text, 0) {
			return
		}
		defer stmt.Close()
		want := make([]string, stmt.BindCount())
		for i := range want {
			if want[i] = stmt.BindName(i + 1); strings.HasPrefix(want[i], "?") {
				want[i] = "" // it is a number
			}
		}
		require.ElementsMatch(t, want, params, text)
		require.Equal(t, want, append([]string{}, params...), text)
	})
}
