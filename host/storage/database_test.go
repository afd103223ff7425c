package storage_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/stretchr/testify/require"

	"durago.example/host/storage"
	"durago.example/host/storage/journal"
	"durago.example/host/storage/powerloss"
)

func TestDatabase_transactions(t *testing.T) {
	d := newDatabase(t)
	mustRun(t, d, `CREATE TABLE t (x)`)
	_, err := d.Commit(func(error) {})
	require.NoError(t, err)
	content := func() string {
		got, err := rows(d, `SELECT group_concat(x, '') FROM (SELECT x FROM t ORDER BY x)`)
		require.NoError(t, err)
		return got[0]
	}
	insert := func(x string) { mustRun(t, d, `INSERT INTO t VALUES ('`+x+`')`) }

	insert("a")
	require.NoError(t, d.Savepoint())
	insert("b")
	require.NoError(t, d.Savepoint())
	insert("c")
	committed, err := d.Commit(func(error) {})
	require.NoError(t, err)
	require.False(t, committed, "not while a transaction is open")
	require.Equal(t, 2, d.Savepoints())
	require.NoError(t, d.Release(true))
	require.Equal(t, "ab", content())
	insert("d")
	require.NoError(t, d.Release(false))
	require.Equal(t, "abd", content())
	require.True(t, d.Writing())
	committed, err = d.Commit(func(error) {})
	require.NoError(t, err)
	require.True(t, committed)
	insert("e")
	require.NoError(t, d.Rollback())
	require.False(t, d.Writing())
	require.Equal(t, "abd", content())
	committed, err = d.Commit(func(error) { t.Error("there is nothing to report") })
	require.NoError(t, err)
	require.False(t, committed)
	insert("f")
	require.NoError(t, d.Close())
	require.Equal(t, "abd", content(), "closing undoes what was not committed")
}

func TestDatabase_DeleteAll(t *testing.T) {
	d := newDatabase(t)
	mustRun(t, d, `CREATE TABLE p (id INTEGER PRIMARY KEY AUTOINCREMENT)`, `CREATE TABLE c (p REFERENCES p)`, `INSERT INTO p VALUES (1)`, `INSERT INTO c VALUES (1)`,
		`CREATE VIEW v AS SELECT * FROM p`, `CREATE VIRTUAL TABLE f USING fts5(x)`, `CREATE TABLE "odd ""name" (x)`, `CREATE INDEX i ON c (p)`)
	require.NoError(t, d.Put("k", []byte("v")))
	at := time.UnixMilli(1_800_000_000_123)
	require.NoError(t, d.SetAlarm(&at))
	require.NoError(t, d.Savepoint())
	require.EqualError(t, d.DeleteAll(), "Cannot call deleteAll() within a transaction")
	require.NoError(t, d.Release(false))
	require.NoError(t, d.DeleteAll())
	got, err := rows(d, `SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'`)
	require.NoError(t, err)
	require.Empty(t, got)
	_, ok, err := d.Get("k")
	require.NoError(t, err)
	require.False(t, ok)
	_, ok, err = d.Alarm()
	require.NoError(t, err)
	require.False(t, ok)
	_, err = d.Commit(func(error) {})
	require.NoError(t, err)
	require.NoError(t, d.Put("k", []byte("again")))
	mustRun(t, d, `CREATE TABLE p (x)`)
}

func TestDatabase_Alarm(t *testing.T) {
	d := newDatabase(t)
	_, ok, err := d.Alarm()
	require.NoError(t, err)
	require.False(t, ok)
	require.False(t, d.Exists(), "asking makes no file")
	at := time.UnixMilli(1_800_000_000_123)
	precise := at.Add(999 * time.Microsecond)
	require.NoError(t, d.SetAlarm(&precise))
	got, ok, err := d.Alarm()
	require.NoError(t, err)
	require.True(t, ok)
	require.True(t, at.Equal(got), "%v", got)
	require.NoError(t, d.SetAlarm(nil))
	_, ok, err = d.Alarm()
	require.NoError(t, err)
	require.False(t, ok)
}

// TestDatabase_Bookmark: each is greater than those before, over reopening too.
func TestDatabase_Bookmark(t *testing.T) {
	d := newDatabase(t)
	at := time.UnixMilli(1_800_000_000_123)
	require.NoError(t, d.SetAlarm(&at))
	for _, want := range []string{"00000000", "00000001", "00000002"} {
		got, err := d.Bookmark()
		require.NoError(t, err)
		require.Equal(t, "00000000-"+want+"-00000000-00000000000000000000000000000000", got)
		_, err = d.Commit(func(error) {})
		require.NoError(t, err)
		require.NoError(t, d.Close())
	}
	got, ok, err := d.Alarm()
	require.NoError(t, err)
	require.True(t, ok && at.Equal(got), "the alarm beside it is left alone")
}

func TestAlarms(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	open := func() (*storage.Store, *storage.Alarms) {
		s, err := storage.Open(storage.Options{Dir: dir, NoSync: true})
		require.NoError(t, err)
		return s, s.Alarms("worker-Class")
	}
	s, a := open()
	loaded, err := a.Load()
	require.NoError(t, err)
	require.Empty(t, loaded)
	reported := 0
	report := func(err error) { require.NoError(t, err); reported++ }
	one, two := time.UnixMilli(1_800_000_000_001), time.UnixMilli(1_800_000_000_002)
	require.NoError(t, a.Put(storage.AlarmRow{ID: "a", At: one, Name: "", Named: true}, report))
	require.NoError(t, a.Put(storage.AlarmRow{ID: "b", At: one}, report))
	require.NoError(t, a.Put(storage.AlarmRow{ID: "c", At: one, Name: "n", Named: true}, report))
	require.NoError(t, a.Put(storage.AlarmRow{ID: "b", At: two}, report))
	require.NoError(t, a.Delete("c", report))
	require.NoError(t, a.Delete("nobody", report))
	require.Equal(t, 6, reported)
	require.NoError(t, a.Close())
	require.NoError(t, s.Close())
	s, a = open()
	loaded, err = a.Load()
	require.NoError(t, err)
	require.Equal(t, []storage.AlarmRow{{ID: "a", At: one, Named: true}, {ID: "b", At: two}}, loaded)
	require.NoError(t, a.Close())
	require.NoError(t, s.Close())
}

func TestOpen(t *testing.T) {
	t.Run("a directory of somebody else is refused", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o644))
		_, err := storage.Open(storage.Options{Dir: dir})
		require.EqualError(t, err, dir+" holds files that are not durago's: choose an empty directory with --persist-to")
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 1, "and not touched")
	})
	t.Run("one that is open is refused, and free after", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "a", "b")
		s, err := storage.Open(storage.Options{Dir: dir})
		require.NoError(t, err)
		_, err = storage.Open(storage.Options{Dir: dir})
		require.ErrorIs(t, err, storage.ErrInUse)
		require.NoError(t, s.Close())
		s, err = storage.Open(storage.Options{Dir: dir})
		require.NoError(t, err)
		require.NoError(t, s.Close())
	})
	t.Run("one that workerd has made is taken", func(t *testing.T) {
		dir := workerdDir(t, nil)
		s, err := storage.Open(storage.Options{Dir: dir})
		require.NoError(t, err)
		v, ok, err := s.Database("key", strings.Repeat("1", 64)).Get("k")
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, "v", string(v))
		require.NoError(t, s.Close())
		s, err = storage.Open(storage.Options{Dir: dir})
		require.NoError(t, err, "and is ours from then on")
		require.NoError(t, s.Close())
	})
	for name, path := range map[string]string{
		"a file beside the namespaces":   "thesis.txt",
		"a file in a namespace":          "key/thesis.txt",
		"a database of another name":     "key/app.sqlite",
		"a folder in a namespace":        "key/sub/" + strings.Repeat("1", 64) + ".sqlite",
		"a database that is none":        "key/" + strings.Repeat("2", 64) + ".sqlite",
		"a folder without any databases": "-",
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			dir := workerdDir(t, map[string]string{path: "mine"})
			if path == "-" {
				dir = t.TempDir()
				require.NoError(t, os.Mkdir(filepath.Join(dir, "key"), 0o755))
			}
			_, err := storage.Open(storage.Options{Dir: dir})
			require.ErrorContains(t, err, "holds files that are not durago's")
			require.NoFileExists(t, filepath.Join(dir, "durago.store"))
		})
	}
	t.Run("one with facets is refused", func(t *testing.T) {
		id := strings.Repeat("1", 64)
		dir := workerdDir(t, map[string]string{"key/" + id + ".facets": "index"})
		_, err := storage.Open(storage.Options{Dir: dir})
		require.EqualError(t, err, "cannot use the data directory: it holds facets of an object (key/"+id+".facets), which durago does not run yet, and would leave behind: choose another with --persist-to")
		require.NoFileExists(t, filepath.Join(dir, "durago.store"))
	})
	t.Run("one that workerd has open is refused, and stays workerd's", func(t *testing.T) {
		dir := workerdDir(t, nil)
		conn, err := sqlite3.Open("file:" + filepath.Join(dir, "key", "metadata.sqlite"))
		require.NoError(t, err)
		require.NoError(t, conn.Exec(`PRAGMA journal_mode=WAL; SELECT * FROM sqlite_master`))
		_, err = storage.Open(storage.Options{Dir: dir})
		require.ErrorIs(t, err, storage.ErrInUse)
		require.NoFileExists(t, filepath.Join(dir, "durago.store"))
		require.NoError(t, conn.Close())
		s, err := storage.Open(storage.Options{Dir: dir})
		require.NoError(t, err)
		require.NoError(t, s.Close())
	})
	t.Run("any name will do", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "50% of a#b ?mode=memory&x")
		s, err := storage.Open(storage.Options{Dir: dir, NoSync: true})
		require.NoError(t, err)
		d := s.Database("worker-Class", strings.Repeat("1", 64))
		require.NoError(t, d.Put("k", []byte("v")))
		_, err = d.Commit(func(error) {})
		require.NoError(t, err)
		require.FileExists(t, filepath.Join(dir, "worker-Class", strings.Repeat("1", 64)+".sqlite-wal"))
		require.NoError(t, d.Close())
		require.NoError(t, s.Close())
	})
}

// workerdDir is a directory as workerd leaves it, with an object, its alarm table and other files.
func workerdDir(t *testing.T, files map[string]string) string {
	dir := t.TempDir()
	s, err := storage.Open(storage.Options{Dir: dir, NoSync: true})
	require.NoError(t, err)
	d := s.Database("key", strings.Repeat("1", 64))
	require.NoError(t, d.Put("k", []byte("v")))
	_, err = d.Commit(func(error) {})
	require.NoError(t, err)
	require.NoError(t, d.Close())
	a := s.Alarms("key")
	require.NoError(t, a.Put(storage.AlarmRow{ID: strings.Repeat("1", 64), At: time.UnixMilli(1)}, func(error) {}))
	require.NoError(t, a.Close())
	require.NoError(t, s.Close())
	require.NoError(t, os.Remove(filepath.Join(dir, "durago.store")))
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if name != "-" {
			require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		}
	}
	return dir
}

// failing is a disk whose n-th sync of a file fails, and no other.
type failing struct {
	journal.Machine
	n int
}

func (f *failing) OpenFile(path string, create bool) (journal.File, error) {
	return powerloss.Synced(f, path, create)
}

func (*failing) SyncDir(string) error { return nil }
func (*failing) SyncAll(string) error { return nil }
func (f *failing) SyncFile(string) error {
	if f.n--; f.n == 0 {
		return errors.New("input/output error")
	}
	return nil
}

func TestStore_failedSync(t *testing.T) {
	for name, o := range map[string]storage.Options{"one journal": {}, "a sync of each log": {SyncLogs: true}} {
		t.Run(name, func(t *testing.T) {
			disk := &failing{}
			o.Dir, o.Disk = filepath.Join(t.TempDir(), "state"), disk
			s, err := storage.Open(o)
			require.NoError(t, err)
			commit := func(id string) error {
				d := s.Database("worker-Class", strings.Repeat(id, 64))
				if err := d.Put("k", []byte("v")); err != nil {
					return errors.Join(err, d.Close())
				}
				durable := make(chan error, 1)
				if _, err := d.Commit(func(err error) { durable <- err }); err != nil {
					return errors.Join(err, d.Close())
				}
				return errors.Join(<-durable, d.Close())
			}
			require.NoError(t, commit("1"))
			disk.n = 1
			require.ErrorContains(t, commit("2"), "the disk failed to make a write durable: input/output error")
			require.Error(t, commit("3"), "the next would succeed, but nobody knows what the failed one lost")
			require.ErrorContains(t, <-s.Failed(), "input/output error")
			require.ErrorContains(t, s.Close(), "input/output error")
			require.LessOrEqual(t, disk.n, 0)
		})
	}
}
