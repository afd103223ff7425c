package sqldb

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"
)

// Params are the parameters of a text's last statement: their names with signs, or empty.
func Params(text string) []string { return parse(text).params }

// Remembered is how many texts a database keeps.
func Remembered(t *testing.T, db *sql.DB) (n int) {
	c, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.Raw(func(c any) error { n = len(c.(*conn).db.statements); return nil }))
	return n
}
