package storage_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/ncruces/go-sqlite3/vfs"
	"github.com/stretchr/testify/require"

	"durago.example/host/storage"
	"durago.example/host/storage/journal"
	"durago.example/host/storage/powerloss"
)

// slow is the machine's disk, also SQLite's, whose syncs take until they are let go.
type slow struct {
	journal.Machine
	vfs.VFSFilename
	name string

	mu   sync.Mutex
	gate chan struct{} // nil lets everything go
	held int
}

var slows atomic.Int64

func newSlow(t *testing.T) *slow {
	d := &slow{VFSFilename: vfs.Find("").(vfs.VFSFilename), name: fmt.Sprintf("slow-%d", slows.Add(1))}
	vfs.Register(d.name, d)
	t.Cleanup(func() { vfs.Unregister(d.name) })
	return d
}

func (d *slow) hold() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gate = make(chan struct{})
}

func (d *slow) letGo() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.gate)
	d.gate = nil
}

func (d *slow) wait() {
	d.mu.Lock()
	gate := d.gate
	if gate != nil {
		d.held++
	}
	d.mu.Unlock()
	if gate != nil {
		<-gate
	}
}

func (d *slow) OpenFile(path string, create bool) (journal.File, error) {
	return powerloss.Synced(d, path, create)
}

func (d *slow) SyncFile(path string) error { d.wait(); return d.Machine.SyncFile(path) }
func (d *slow) SyncDir(path string) error  { d.wait(); return d.Machine.SyncDir(path) }
func (d *slow) SyncAll(path string) error  { d.wait(); return nil }

// OpenFilename opens a file of SQLite.
func (d *slow) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	f, flags, err := d.VFSFilename.OpenFilename(name, flags)
	if err == nil {
		f = slowFile{f, d}
	}
	return f, flags, err
}

// Delete waits for a directory, if SQLite asks for that.
func (d *slow) Delete(name string, syncDir bool) error {
	if syncDir {
		d.wait()
	}
	return d.VFSFilename.Delete(name, syncDir)
}

type slowFile struct {
	vfs.File
	d *slow
}

func (f slowFile) Sync(flags vfs.SyncFlag) error { f.d.wait(); return f.File.Sync(flags) }

// TestStore_waitsForNoDisk does all that a loop does while no sync ends: in a bubble, a wait is a deadlock.
func TestStore_waitsForNoDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newSlow(t)
		dir := filepath.Join(powerloss.Scratch(t), "state")
		s, err := storage.Open(storage.Options{Dir: dir, Disk: d, VFS: d.name})
		require.NoError(t, err)
		require.NoError(t, s.MakeNamespace("key"))
		reported := atomic.Int64{}
		commit := func(db *storage.Database, key string) {
			t.Helper()
			require.NoError(t, db.Put(key, []byte("v")))
			_, err := db.Commit(func(err error) {
				if err == nil {
					reported.Add(1)
				}
			})
			require.NoError(t, err)
		}
		old := s.Database("key", strings.Repeat("e", 64))
		commit(old, "k")
		synctest.Wait()
		copied := make(chan struct{})
		old.Checkpoint(func() { close(copied) })
		<-copied
		require.EqualValues(t, 1, reported.Load())

		d.hold()
		commit(old, "after a checkpoint") // begins the log anew
		for i := range 20 {
			db := s.Database("key", fmt.Sprintf("%064x", i))
			commit(db, "a")
			require.NoError(t, db.Close())
			commit(db, "b") // opened again, with its writes under way
			switch i % 3 {
			case 0:
				require.NoError(t, db.Retire())
			case 1:
				db.Checkpoint(func() {})
				require.NoError(t, db.Close())
			case 2:
				require.NoError(t, db.DeleteAll())
				_, err := db.Commit(func(error) {})
				require.NoError(t, err)
				require.NoError(t, db.Close())
			}
		}
		require.NoError(t, old.Close())
		synctest.Wait()
		require.NotZero(t, d.held)
		require.EqualValues(t, 1, reported.Load())
		require.False(t, s.Database("key", strings.Repeat("0", 64)).Free(func() {}), "its checkpoint waits for the disk")
		d.letGo()
		require.NoError(t, s.Close())
		require.EqualValues(t, 1+1+40, reported.Load())
		entries, err := os.ReadDir(filepath.Join(dir, "key"))
		require.NoError(t, err)
		require.Len(t, entries, 1+14, "six databases hold nothing")
		for _, e := range entries {
			require.Equal(t, ".sqlite", filepath.Ext(e.Name()))
		}
	})
}

// TestStore_full holds the bound on what waits for the journal: who writes more waits too.
func TestStore_full(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newSlow(t)
		s, err := storage.Open(storage.Options{Dir: filepath.Join(powerloss.Scratch(t), "state"), Disk: d, VFS: d.name, Journal: journal.Options{SegmentSize: 128 << 10, Keep: 1, Most: 3}})
		require.NoError(t, err)
		require.NoError(t, s.MakeNamespace("key"))
		d.hold()
		var written atomic.Int64
		done := make(chan error, 1)
		go func() {
			db := s.Database("key", strings.Repeat("1", 64))
			for i := range 100 {
				err := db.Put("k", bytes.Repeat([]byte{byte(i)}, 16<<10))
				if err == nil {
					_, err = db.Commit(func(error) {})
				}
				if err != nil {
					done <- err
					return
				}
				written.Add(16 << 10)
			}
			done <- db.Close()
		}()
		synctest.Wait()
		require.Greater(t, written.Load(), int64(128<<10))
		stood := written.Load()
		d.letGo()
		require.NoError(t, <-done)
		require.NoError(t, s.Close())
		const part = 128<<10/8 + 8<<10 // an eighth of a segment, and what a batch may have more than that: two pages
		require.Less(t, stood, int64(128<<10+2*17*part), "a segment, 17 parts that are being written, and as many that wait")
	})
}

// TestDatabase_Close_asked: a database that is closed while its checkpoint waits for those of others is closed: the next one of
// its id opens it.
func TestDatabase_Close_asked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newSlow(t)
		s, err := storage.Open(storage.Options{Dir: t.TempDir(), Disk: d, VFS: d.name})
		require.NoError(t, err)
		require.NoError(t, s.MakeNamespace("key"))
		put := func(db *storage.Database) {
			t.Helper()
			require.NoError(t, db.Put("k", []byte("v")))
			_, err := db.Commit(func(error) {})
			require.NoError(t, err)
		}
		var all []*storage.Database
		for i := range 20 { // more than are copied at a time
			db := s.Database("key", fmt.Sprintf("%064x", i))
			put(db)
			all = append(all, db)
		}
		synctest.Wait()
		d.hold()
		var told atomic.Int64
		for _, db := range all {
			db.Checkpoint(func() { told.Add(1) })
		}
		synctest.Wait()
		last := all[len(all)-1]
		require.True(t, last.Free(func() {}), "it has not begun")
		last.Checkpoint(func() { told.Add(1) })
		require.NoError(t, last.Close())
		again := s.Database("key", fmt.Sprintf("%064x", len(all)-1))
		put(again)
		d.letGo()
		synctest.Wait()
		for _, db := range append(all, again) {
			require.NoError(t, db.Close())
		}
		require.NoError(t, s.Close())
		require.EqualValues(t, len(all)+1, told.Load(), "each asker is told")
		require.Zero(t, s.OpenDatabases())
	})
}
