package journal_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/stretchr/testify/require"

	"durago.example/host/storage/journal"
)

// TestOpen_trims loses power twice in the same place. Of a transaction of two frames the second comes to the disk and the first
// does not. The next one begins with the very same frame, which comes to the disk, and the second does not: the disk has what
// was there before. If that is the second frame of the first transaction, which was lost, it is whole now.
func TestOpen_trims(t *testing.T) {
	for _, test := range []struct {
		name string
		not  bool
		want string
	}{{"as it is", false, "nobody"}, {"without", true, "first"}} {
		t.Run(test.name, func(t *testing.T) {
			root := t.TempDir()
			path := filepath.Join(root, "namespace", "a.sqlite")
			require.NoError(t, os.Mkdir(filepath.Dir(path), 0o755))
			var j *journal.Journal
			var c *sqlite3.Conn
			begin := func() {
				j = recovered(t, journal.Options{Root: root, Tail: -1, Faults: journal.Faults{NotTrimmed: test.not}})
			}
			log := func() []byte {
				b, err := os.ReadFile(path + "-wal")
				require.NoError(t, err)
				return b
			}
			end := func() {
				_, err := c.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true)
				require.NoError(t, err)
				require.NoError(t, c.Close())
			}
			// lose ends the process, and has the log hold what the disk made of it.
			lose := func(made []byte) {
				_, err := c.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true)
				require.NoError(t, err)
				j.Abandon()
				_ = c.Close() // as far as it comes
				require.NoError(t, os.WriteFile(path+"-wal", made, 0o644))
			}
			write := func(who string) {
				c = connect(t, j, path)
				require.NoError(t, c.Exec(`BEGIN; UPDATE a SET x = 'same'; UPDATE b SET x = '`+who+`'; COMMIT`))
			}
			begin()
			require.NoError(t, j.Create(path))
			c = connect(t, j, path)
			require.NoError(t, c.Exec(`CREATE TABLE a (x); CREATE TABLE b (x); INSERT INTO a VALUES (1); INSERT INTO b VALUES ('nobody')`))
			require.NoError(t, j.Flush())
			require.NoError(t, j.Release(0))
			before := len(log())
			end()

			const frame = 24 + 4096
			write("first")
			after := log()
			require.Equal(t, before+2*frame, len(after))
			lose(append(bytes.Clone(after[:before]), append(make([]byte, frame), after[before+frame:]...)...))
			begin()
			durable := log()
			write("second")
			after = log()
			made := bytes.Clone(after[:before+frame])
			if len(durable) > len(made) {
				made = append(made, durable[len(made):]...)
			}
			lose(made)

			begin()
			c = connect(t, j, path)
			var got string
			require.NoError(t, rows(c, `SELECT x FROM b`, func(s *sqlite3.Stmt) error { got = s.ColumnText(0); return nil }))
			require.Equal(t, test.want, got)
			end()
			j.Abandon()
		})
	}
}
