package storage_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3/vfs"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"durago.example/host/storage"
	"durago.example/host/storage/journal"
)

// full is a disk on which some files can not be written to, or grow.
type full struct {
	journal.Machine
	vfs.VFSFilename
	name string
	no   func(path string, end int64) bool
}

func newFull(t *testing.T, name string) *full {
	d := &full{VFSFilename: vfs.Find("").(vfs.VFSFilename), name: name, no: func(string, int64) bool { return false }}
	vfs.Register(d.name, d)
	t.Cleanup(func() { vfs.Unregister(d.name) })
	return d
}

// OpenFile opens a file of the journal.
func (d *full) OpenFile(path string, create bool) (journal.File, error) {
	f, err := d.Machine.OpenFile(path, create)
	if err != nil {
		return nil, err
	}
	return fullFile{f, d, path}, nil
}

type fullFile struct {
	journal.File
	d    *full
	path string
}

func (f fullFile) WriteAt(p []byte, off int64) (int, error) {
	if f.d.no(f.path, off+int64(len(p))) {
		return 0, unix.ENOSPC
	}
	return f.File.WriteAt(p, off)
}

// OpenFilename opens a file of SQLite.
func (d *full) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	f, flags, err := d.VFSFilename.OpenFilename(name, flags)
	if err == nil {
		f = fullSQLite{f, d, name.String()}
	}
	return f, flags, err
}

type fullSQLite struct {
	vfs.File
	d    *full
	path string
}

func (f fullSQLite) WriteAt(p []byte, off int64) (int, error) {
	if f.d.no(f.path, off+int64(len(p))) {
		return 0, unix.ENOSPC
	}
	return f.File.WriteAt(p, off)
}

// writer puts values and waits until they are durable.
type writer struct {
	t   *testing.T
	s   *storage.Store
	dir string
}

func newWriter(t *testing.T, o storage.Options) writer {
	t.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "state")
	}
	s, err := storage.Open(o)
	require.NoError(t, err)
	return writer{t, s, o.Dir}
}

func (w writer) put(db *storage.Database, key string, size int) error {
	if err := db.Put(key, bytes.Repeat([]byte(key[len(key)-1:]), size)); err != nil {
		return err
	}
	durable := make(chan error, 1)
	if _, err := db.Commit(func(err error) { durable <- err }); err != nil {
		return err
	}
	return <-durable
}

func (w writer) database(n int) *storage.Database {
	return w.s.Database("key", fmt.Sprintf("%064d", n))
}

func (w writer) has(db *storage.Database, key string) bool {
	_, ok, err := db.Get(key)
	require.NoError(w.t, err)
	return ok
}

func TestStore_diskFull(t *testing.T) {
	var dir string
	begin := func(t *testing.T, name string) (*full, writer) {
		dir = filepath.Join(t.TempDir(), "state")
		d := newFull(t, "full-"+name)
		s, err := storage.Open(storage.Options{Dir: dir, Disk: d, VFS: d.name,
			Journal: journal.Options{SegmentSize: 128 << 10, Keep: 1, Most: 4}})
		require.NoError(t, err)
		return d, writer{t, s, dir}
	}
	t.Run("a log: its transaction alone fails", func(t *testing.T) {
		d, w := begin(t, "log")
		a, b := w.database(1), w.database(2)
		require.NoError(t, w.put(a, "before", 100))
		require.NoError(t, w.put(b, "before", 100))
		d.no = func(path string, end int64) bool { return strings.HasSuffix(path, "1.sqlite-wal") && end > 20<<10 }
		require.ErrorContains(t, w.put(a, "large", 100<<10), "SQLITE_IOERR")
		require.NoError(t, w.put(b, "during", 40<<10))
		require.NoError(t, a.Close())
		a = w.database(1) // as the engine does it with an object that was reset
		require.True(t, w.has(a, "before"))
		require.False(t, w.has(a, "large"))
		d.no = func(string, int64) bool { return false }
		require.NoError(t, w.put(a, "after", 100<<10))
		require.NoError(t, a.Close())
		require.NoError(t, b.Close())
		require.Empty(t, w.s.Failed())
		require.NoError(t, w.s.Close())
	})
	t.Run("a database: its log stays until there is room", func(t *testing.T) {
		d, w := begin(t, "database")
		a := w.database(1)
		require.NoError(t, w.put(a, "before", 40<<10))
		d.no = func(path string, end int64) bool { return strings.HasSuffix(path, ".sqlite") && end > 4096 }
		copied := make(chan struct{})
		a.Checkpoint(func() { close(copied) })
		<-copied
		require.True(t, w.has(a, "before"))
		require.NoError(t, w.put(a, "during", 40<<10))
		require.NoError(t, a.Retire())
		a = w.database(1)
		require.True(t, w.has(a, "during"))
		d.no = func(string, int64) bool { return false }
		require.NoError(t, w.put(a, "after", 100))
		require.NoError(t, a.Close())
		require.Empty(t, w.s.Failed())
		require.NoError(t, w.s.Close())
	})
	t.Run("files that are young: they stay so, until the journal is full", func(t *testing.T) {
		d, w := begin(t, "young")
		d.no = func(path string, end int64) bool {
			return strings.HasSuffix(path, ".sqlite") && end > 100 || strings.HasSuffix(path, "-wal") && end > 5<<10
		}
		var all []*storage.Database
		for n := range 20 {
			all = append(all, w.database(n))
			require.NoError(t, w.put(all[n], "first", 10<<10))
			require.NoError(t, all[n].Close())
		}
		d.no = func(string, int64) bool { return false }
		for _, db := range all {
			require.True(t, w.has(db, "first"))
			require.NoError(t, w.put(db, "second", 20<<10))
			require.NoError(t, db.Retire())
		}
		require.Empty(t, w.s.Failed())
		require.NoError(t, w.s.Close())
		s, err := storage.Open(storage.Options{Dir: dir, SyncLogs: true})
		require.NoError(t, err)
		for n := range 20 {
			db := s.Database("key", fmt.Sprintf("%064d", n))
			require.True(t, writer{t, s, dir}.has(db, "first"))
			require.True(t, writer{t, s, dir}.has(db, "second"))
			require.NoError(t, db.Close())
		}
		require.NoError(t, s.Close())
	})
	t.Run("the journal: it uses what it has again", func(t *testing.T) {
		d, w := begin(t, "journal")
		a := w.database(1)
		d.no = func(path string, _ int64) bool { return strings.HasSuffix(path, "0003.segment") }
		for i := range 100 {
			require.NoError(t, w.put(a, fmt.Sprint("k", i), 20<<10))
		}
		require.NoError(t, a.Close())
		require.NoError(t, w.s.Close())
	})
	t.Run("the journal, which has no room at all: nothing is acknowledged any more", func(t *testing.T) {
		d, w := begin(t, "end")
		a := w.database(1)
		const acknowledged = 10
		for i := range acknowledged {
			require.NoError(t, w.put(a, fmt.Sprint("k", i), 20<<10))
		}
		d.no = func(path string, _ int64) bool { return strings.HasSuffix(path, ".segment") }
		require.ErrorContains(t, w.put(a, "more", 20<<10), "no space left on device")
		require.ErrorContains(t, <-w.s.Failed(), "no space left on device")
		d.no = func(string, int64) bool { return false }
		require.ErrorContains(t, w.put(w.database(2), "k", 1), "no space left on device", "and it is final")
		require.NoError(t, a.Close())
		require.Error(t, w.s.Close())
		s, err := storage.Open(storage.Options{Dir: dir})
		require.NoError(t, err)
		w.s, a = s, s.Database("key", fmt.Sprintf("%064d", 1))
		for i := range acknowledged {
			require.True(t, w.has(a, fmt.Sprint("k", i)), i)
		}
		require.NoError(t, a.Close())
		require.NoError(t, s.Close())
	})
}
