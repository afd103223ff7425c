package journal_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/stretchr/testify/require"

	"durago.example/host/storage/journal"
	"durago.example/host/storage/powerloss"
)

func open(t *testing.T, root string, disk journal.Disk) *journal.Journal {
	t.Helper()
	j, err := journal.Open(journal.Options{Root: root, Disk: disk, Template: template(t)})
	require.NoError(t, err)
	return j
}

// recovered is a journal that does nothing by itself.
func recovered(t testing.TB, o journal.Options) *journal.Journal {
	t.Helper()
	o.Template = template(t)
	j, err := journal.Recover(o)
	require.NoError(t, err)
	return j
}

// template is what a new database begins with.
func template(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("../template.sqlite")
	require.NoError(t, err)
	return b
}

func connect(t *testing.T, j *journal.Journal, path string) *sqlite3.Conn {
	t.Helper()
	c, err := sqlite3.OpenFlags("file:"+path+"?vfs="+j.VFS()+"&_pragma=locking_mode(exclusive)", sqlite3.OPEN_READWRITE|sqlite3.OPEN_URI)
	require.NoError(t, err)
	require.NoError(t, c.Exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL`))
	return c
}

func committed(j *journal.Journal) error {
	done := make(chan error)
	go j.Committed(func(err error) { done <- err })
	return <-done
}

func TestJournal_Close(t *testing.T) {
	root := t.TempDir()
	j := open(t, root, nil)
	path := filepath.Join(root, "a.sqlite")
	require.NoError(t, j.Create(path))
	c := connect(t, j, path)
	require.NoError(t, c.Exec(`CREATE TABLE t (x); INSERT INTO t VALUES (1)`))
	require.NoError(t, committed(j))
	require.DirExists(t, filepath.Join(root, journal.Directory))
	require.NoError(t, c.Close())
	require.NoError(t, j.Close())
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	require.Len(t, entries, 1, "the database is all that there is")
	require.ErrorIs(t, j.Close(), journal.ErrClosed)
	require.ErrorIs(t, committed(j), journal.ErrClosed)

	c, err = sqlite3.Open("file:" + path)
	require.NoError(t, err)
	require.NoError(t, c.Exec(`INSERT INTO t VALUES (2)`), "any program may use it")
	require.NoError(t, c.Close())
}

// stuck is a disk whose syncs fail from the moment that err is set.
type stuck struct {
	journal.Machine
	err error
}

func (s *stuck) OpenFile(path string, create bool) (journal.File, error) {
	return powerloss.Synced(s, path, create)
}

func (s *stuck) SyncFile(path string) error {
	if s.err != nil {
		return s.err
	}
	return s.Machine.SyncFile(path)
}

func TestJournal_Fail(t *testing.T) {
	root, disk := t.TempDir(), &stuck{}
	j := open(t, root, disk)
	path := filepath.Join(root, "a.sqlite")
	require.NoError(t, j.Create(path))
	c := connect(t, j, path)
	disk.err = errors.New("input/output error")
	require.NoError(t, c.Exec(`CREATE TABLE t (x)`))
	require.EqualError(t, committed(j), "journal: the disk failed to make a write durable: input/output error")
	disk.err = nil
	require.ErrorContains(t, committed(j), "input/output error", "a second sync would succeed and tell nothing")
	require.Error(t, c.Exec(`INSERT INTO t VALUES (1)`))
	_ = c.Close()
	require.ErrorContains(t, j.Close(), "input/output error")
	require.DirExists(t, filepath.Join(root, journal.Directory), "the journal stays for the next start")
}

func TestOpen_foreign(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, "a.sqlite")
	o := journal.Options{Root: root, Template: template(t)}
	j, err := journal.Recover(o)
	require.NoError(t, err)
	require.NoError(t, j.Create(path))
	c := connect(t, j, path)
	require.NoError(t, c.Exec(`CREATE TABLE t (x); INSERT INTO t VALUES (1)`))
	require.NoError(t, j.Flush())
	require.NoError(t, j.Release(0), "the log has its head now, and the journal forgets that record")
	require.NoError(t, c.Exec(`INSERT INTO t VALUES (2)`))
	require.NoError(t, j.Flush())
	_, err = c.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	j.Abandon()

	// Another program copies the log into the database, begins its own, and dies.
	c, err = sqlite3.Open("file:" + path + "?_pragma=locking_mode(exclusive)")
	require.NoError(t, err)
	require.NoError(t, c.Exec(`PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO t VALUES (3)`))
	_, err = c.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	before, err := os.ReadFile(path + "-wal")
	require.NoError(t, err)

	_, err = journal.Recover(o)
	require.ErrorIs(t, err, journal.ErrForeign)
	require.ErrorContains(t, err, "(a.sqlite-wal)")
	after, err := os.ReadFile(path + "-wal")
	require.NoError(t, err)
	require.Equal(t, before, after, "and not touched")
}
