package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
	"github.com/stretchr/testify/require"

	"durago.example/host/storage"
	"durago.example/host/storage/journal"
)

// backup has a database copied and waits.
func (w writer) backup(db *storage.Database, file string) error {
	w.t.Helper()
	ready, err := db.Ready()
	require.NoError(w.t, err)
	require.True(w.t, ready)
	done := make(chan error, 1)
	db.Backup(w.t.Context(), file, func() {}, func(err error) { done <- err })
	return <-done
}

// restore has a database replaced, and waits.
func (w writer) restore(db *storage.Database, file string) error {
	w.t.Helper()
	b, err := storage.CheckBackup(file)
	require.NoError(w.t, err)
	ready, err := db.Ready()
	require.NoError(w.t, err)
	require.True(w.t, ready)
	done := make(chan error, 1)
	db.Restore(b, func(err error) { done <- err })
	err = <-done
	require.NoError(w.t, db.Close())
	return err
}

// sqlite runs a statement in a file, as the command of that name would, and returns the first column.
func sqlite(t testing.TB, file, query string) (rows []string) {
	t.Helper()
	c, err := sqlite3.Open("file:" + file)
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	for query != "" {
		s, tail, err := c.Prepare(query)
		require.NoError(t, err)
		for s.Step() {
			rows = append(rows, s.ColumnText(0))
		}
		require.NoError(t, s.Err())
		require.NoError(t, s.Close())
		query = strings.TrimSpace(tail)
	}
	return rows
}

func TestDatabase_Backup(t *testing.T) {
	for name, o := range map[string]storage.Options{"one journal": {}, "a sync of each log": {SyncLogs: true}, "no sync": {NoSync: true}} {
		t.Run(name, func(t *testing.T) {
			w := newWriter(t, o)
			a := w.database(1)
			require.NoError(t, w.put(a, "before", 100<<10))
			file := filepath.Join(t.TempDir(), "a.sqlite")
			require.NoError(t, w.backup(a, file))
			require.NoError(t, w.put(a, "after", 100))
			require.Equal(t, []string{"before"}, sqlite(t, file, `SELECT key FROM _cf_KV`))
			require.Equal(t, []string{"delete", "ok"}, sqlite(t, file, `PRAGMA journal_mode; PRAGMA integrity_check`))
			entries, err := os.ReadDir(filepath.Dir(file))
			require.NoError(t, err)
			require.Len(t, entries, 1, "one file")

			require.ErrorContains(t, w.backup(a, file), "there is a file of that name")
			require.ErrorContains(t, w.backup(a, filepath.Join(t.TempDir(), "none", "a")), "no such file or directory")
			require.True(t, w.has(a, "after"), "and the database is as it was")
			require.NoError(t, a.Close())
			require.NoError(t, w.s.Close())
		})
	}
}

// TestDatabase_Backup_consistent: the database is written to, closed and retired while it is copied, and the copy is of the
// moment before.
func TestDatabase_Backup_consistent(t *testing.T) {
	w := newWriter(t, storage.Options{LogPages: 1})
	a := w.database(1)
	for i := range 100 {
		require.NoError(t, w.put(a, fmt.Sprint("before", i), 10<<10))
	}
	file := filepath.Join(t.TempDir(), "a.sqlite")
	given, done := make(chan struct{}), make(chan error, 1)
	hold := make(chan struct{})
	a.Backup(t.Context(), file, func() { close(given); <-hold }, func(err error) { done <- err })
	<-given // and nothing has been copied
	for i := range 100 {
		require.NoError(t, w.put(a, fmt.Sprint("before", i), 20<<10))
		require.False(t, a.Due(true), "no checkpoint meanwhile")
	}
	require.NoError(t, a.Retire())
	require.False(t, w.s.Quiet())
	close(hold)
	require.NoError(t, <-done)
	require.Equal(t, []string{"100"}, sqlite(t, file, `SELECT count(*) FROM _cf_KV WHERE length(value) = 10240`))
	require.NoError(t, w.s.Close())
	require.NoFileExists(t, filepath.Join(filepath.Dir(file), "a.sqlite-wal"))
}

// TestDatabase_Restore_whileCopied: a database is restored, and backed up once more, while its earlier state is copied.
func TestDatabase_Restore_whileCopied(t *testing.T) {
	w := newWriter(t, storage.Options{})
	a := w.database(1)
	dir := t.TempDir()
	first, second, third := filepath.Join(dir, "1"), filepath.Join(dir, "2"), filepath.Join(dir, "3")
	require.NoError(t, w.put(a, "first", 100<<10))
	require.NoError(t, w.backup(a, first))
	require.NoError(t, w.put(a, "second", 100<<10))
	given, done := make(chan struct{}), make(chan error, 1)
	hold, again := make(chan struct{}), make(chan struct{})
	require.True(t, a.Still(nil))
	a.Backup(t.Context(), second, func() { close(given); <-hold }, func(err error) { done <- err })
	<-given // and nothing has been copied
	b, err := storage.CheckBackup(first)
	require.NoError(t, err)
	restored := make(chan error, 1)
	a.Restore(b, func(err error) { restored <- err })
	require.NoError(t, <-restored)
	require.False(t, a.Still(func() { close(again) }), "one copy at a time")
	close(hold)
	require.NoError(t, <-done)
	<-again
	require.True(t, a.Still(nil))
	require.Equal(t, []string{"first", "second"}, sqlite(t, second, `SELECT key FROM _cf_KV`))
	require.NoError(t, a.Close())
	require.NoError(t, w.backup(a, third))
	require.Equal(t, []string{"first"}, sqlite(t, third, `SELECT key FROM _cf_KV`))
	require.NoError(t, a.Close())
	require.NoError(t, w.s.Close())
}

// TestDatabase_Backup_cancelled: nothing is left of a copy that nobody wants.
func TestDatabase_Backup_cancelled(t *testing.T) {
	w := newWriter(t, storage.Options{})
	a := w.database(1)
	require.NoError(t, w.put(a, "k", 100))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir, done := t.TempDir(), make(chan error, 1)
	ready, err := a.Ready()
	require.NoError(t, err)
	require.True(t, ready)
	a.Backup(ctx, filepath.Join(dir, "a"), func() {}, func(err error) { done <- err })
	require.ErrorIs(t, <-done, context.Canceled)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
	require.NoError(t, a.Close())
	require.NoError(t, w.s.Close())
}

func TestDatabase_Restore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	w := newWriter(t, storage.Options{Dir: dir, Journal: journal.Options{SegmentSize: 128 << 10, Keep: 1, Most: 4}})
	a, b := w.database(1), w.database(2)
	at := time.UnixMilli(1_800_000_000_123)
	require.NoError(t, a.SetAlarm(&at))
	for i := range 30 {
		require.NoError(t, w.put(a, fmt.Sprint("k", i), 100<<10))
	}
	file := filepath.Join(t.TempDir(), "a.sqlite") // six times as much as the journal holds
	require.NoError(t, w.backup(a, file))

	t.Run("over others", func(t *testing.T) {
		require.NoError(t, w.put(b, "mine", 100))
		c, err := b.Exec(`CREATE TABLE t (x)`, nil)
		require.NoError(t, err)
		require.NoError(t, c.Close())
		_, err = b.Commit(func(error) {})
		require.NoError(t, err)
		require.NoError(t, w.restore(b, file))
		require.False(t, w.has(b, "mine"))
		require.True(t, w.has(b, "k29"))
		c, err = b.Exec(`SELECT count(*) FROM sqlite_master WHERE name = 't'`, nil)
		require.NoError(t, err)
		require.Zero(t, c.Value(0).Float)
		require.NoError(t, c.Close())
		got, ok, err := b.Alarm()
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, at, got)
		require.NoError(t, w.put(b, "more", 100), "it can be written to")
	})
	t.Run("over nothing", func(t *testing.T) {
		d := w.database(3)
		require.NoError(t, w.restore(d, file))
		require.True(t, w.has(d, "k0"))
		require.NoError(t, d.Close())
	})
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
	require.NoError(t, w.s.Close())
	again := newWriter(t, storage.Options{Dir: dir})
	b = again.database(2)
	require.True(t, again.has(b, "k7"))
	require.True(t, again.has(b, "more"))
	require.NoError(t, b.Close())
	require.NoError(t, again.s.Close())
}

// TestDatabase_Restore_killed: whenever the process dies, there is all of the one or all of the other.
func TestDatabase_Restore_killed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	k := &killing{VFSFilename: vfs.Find("").(vfs.VFSFilename), dir: dir, into: t.TempDir()}
	vfs.Register("killing", k)
	defer vfs.Unregister("killing")
	w := newWriter(t, storage.Options{Dir: dir, Disk: killingDisk{k: k}, VFS: "killing"})
	a, b := w.database(1), w.database(2)
	for i := range 100 {
		require.NoError(t, w.put(a, fmt.Sprint("new", i), 4<<10))
		require.NoError(t, w.put(b, fmt.Sprint("old", i), 4<<10))
	}
	file := filepath.Join(t.TempDir(), "a.sqlite")
	require.NoError(t, w.backup(a, file))
	require.NoError(t, a.Close())
	k.begin(10)
	require.NoError(t, w.restore(b, file))
	copies := k.end()
	require.Greater(t, copies, 10)
	require.NoError(t, w.s.Close())
	old := 0
	for i := range copies {
		w := newWriter(t, storage.Options{Dir: k.copy(i)})
		b := w.database(2)
		count := func(prefix string) int {
			c, err := b.Exec(`SELECT count(*) FROM pragma_quick_check WHERE quick_check = 'ok'`, nil)
			if err == nil {
				require.EqualValues(t, 1, c.Value(0).Float)
				require.NoError(t, c.Close())
			}
			n := 0
			for i := range 100 {
				if w.has(b, fmt.Sprint(prefix, i)) {
					n++
				}
			}
			return n
		}
		switch was := count("old"); was {
		case 100:
			old++
			require.Zero(t, count("new"))
		default:
			require.Zero(t, was)
			require.Equal(t, 100, count("new"))
		}
		require.NoError(t, b.Close())
		require.NoError(t, w.s.Close())
	}
	require.Greater(t, old, 0)
	require.Less(t, old, copies)
}

// killing copies the directory after some of the writes, as it would be if the process had been killed there.
type killing struct {
	vfs.VFSFilename
	dir, into string

	mu     sync.Mutex
	every  int // 0 is never
	writes int
	copies int
}

func (k *killing) begin(every int)   { k.mu.Lock(); defer k.mu.Unlock(); k.every = every }
func (k *killing) end() int          { k.mu.Lock(); defer k.mu.Unlock(); k.every = 0; return k.copies }
func (k *killing) copy(i int) string { return filepath.Join(k.into, fmt.Sprint(i)) }

func (k *killing) wrote() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.writes++; k.every == 0 || k.writes%k.every != 0 {
		return nil
	}
	k.copies++
	return os.CopyFS(k.copy(k.copies-1), os.DirFS(k.dir))
}

func (k *killing) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	f, flags, err := k.VFSFilename.OpenFilename(name, flags)
	if err == nil {
		f = killingFile{f, k}
	}
	return f, flags, err
}

type killingDisk struct {
	journal.Machine
	k *killing
}

func (d killingDisk) OpenFile(path string, create bool) (journal.File, error) {
	f, err := d.Machine.OpenFile(path, create)
	return killingDiskFile{f, d.k}, err
}

type killingDiskFile struct {
	journal.File
	k *killing
}

func (f killingDiskFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(p, off)
	return n, errors.Join(err, f.k.wrote())
}

type killingFile struct {
	vfs.File
	k *killing
}

func (f killingFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(p, off)
	if e := f.k.wrote(); err == nil {
		err = e
	}
	return n, err
}

// TestDatabase_Restore_diskFull: a restore that does not fit changes nothing.
func TestDatabase_Restore_diskFull(t *testing.T) {
	d := newFull(t, "full-restore")
	w := newWriter(t, storage.Options{Disk: d, VFS: d.name})
	a, b := w.database(1), w.database(2)
	require.NoError(t, w.put(a, "large", 400<<10))
	require.NoError(t, w.put(b, "mine", 100))
	file := filepath.Join(t.TempDir(), "a.sqlite")
	require.NoError(t, w.backup(a, file))
	d.no = func(path string, end int64) bool { return strings.HasSuffix(path, "2.sqlite-wal") && end > 200<<10 }
	err := w.restore(b, file)
	require.ErrorContains(t, err, "cannot restore "+file)
	require.True(t, w.has(b, "mine"))
	require.False(t, w.has(b, "large"))
	d.no = func(string, int64) bool { return false }
	require.NoError(t, b.Close())
	require.NoError(t, w.restore(b, file))
	require.True(t, w.has(b, "large"))
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
	require.NoError(t, w.s.Close())
}

// TestCheckBackup: what no object could have written is refused, and the reason says what to do.
func TestCheckBackup(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, storage.Options{})
	a := w.database(1)
	for i := range 50 {
		require.NoError(t, w.put(a, fmt.Sprint("k", i), 4<<10))
	}
	good := filepath.Join(dir, "good")
	require.NoError(t, w.backup(a, good))
	require.NoError(t, a.Close())
	require.NoError(t, w.s.Close())
	whole, err := os.ReadFile(good)
	require.NoError(t, err)
	_, err = storage.CheckBackup(good)
	require.NoError(t, err)

	change := func(f func(b []byte) []byte) func(t *testing.T, file string) {
		return func(t *testing.T, file string) {
			require.NoError(t, os.WriteFile(file, f(bytes.Clone(whole)), 0o644))
		}
	}
	statements := func(query string) func(t *testing.T, file string) {
		return func(t *testing.T, file string) { sqlite(t, file, query) }
	}
	for name, row := range map[string]struct {
		write func(t *testing.T, file string)
		want  string
	}{
		"no file":          {func(*testing.T, string) {}, "no such file or directory: name a file that durago backup has written"},
		"a directory":      {func(t *testing.T, file string) { require.NoError(t, os.Mkdir(file, 0o755)) }, "name a file that durago backup has written"},
		"an empty file":    {change(func([]byte) []byte { return nil }), "it is not a SQLite database: name a file"},
		"another file":     {change(func([]byte) []byte { return bytes.Repeat([]byte("text "), 1000) }), "it is not a SQLite database: name a file"},
		"half of a header": {change(func(b []byte) []byte { return b[:50] }), "it is not a SQLite database"},
		"a part":           {change(func(b []byte) []byte { return b[:len(b)/2] }), "it is cut short, to"},
		"damaged pages": {change(func(b []byte) []byte {
			for i := 4096; i < 8192; i++ {
				b[i] ^= 0x5a
			}
			return b
		}), "its pages are damaged: "},
		"UTF-16":             {statements(`PRAGMA encoding='UTF-16'; CREATE TABLE t (x)`), "its text is UTF-16"},
		"pages of 1 KB":      {statements(`PRAGMA page_size=1024; CREATE TABLE t (x)`), "its pages have 1024 bytes, and an object's have 4096: run PRAGMA"},
		"the alarms":         {statements(`CREATE TABLE _cf_ALARM (actor_id TEXT PRIMARY KEY)`), "it has _cf_ALARM, which no object has"},
		"a view of our name": {statements(`CREATE VIEW _cf_KV AS SELECT 1`), "it has _cf_KV, which no object has"},
		"other columns":      {statements(`CREATE TABLE _cf_KV (key, value, more)`), "it has _cf_KV.more, which no object has"},
		"a log beside it": {func(t *testing.T, file string) {
			change(func(b []byte) []byte { return b })(t, file)
			require.NoError(t, os.WriteFile(file+"-wal", []byte("frames"), 0o644))
		}, "a log beside it, a log beside it-wal, that it is not whole without: stop who uses it"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, name)
			row.write(t, file)
			_, err := storage.CheckBackup(file)
			require.ErrorContains(t, err, "cannot restore "+file)
			require.ErrorContains(t, err, row.want)
			require.NotContains(t, err.Error(), "\n")
		})
	}
	for name, query := range map[string]string{
		"nothing":        `CREATE TABLE t (x); DROP TABLE t`,
		"another's data": `CREATE TABLE t (x PRIMARY KEY, y); INSERT INTO t VALUES (1, 2); CREATE INDEX i ON t (y)`,
		"with a log":     `PRAGMA journal_mode=WAL; CREATE TABLE t (x)`,
	} {
		t.Run(name+" is taken", func(t *testing.T) {
			file := filepath.Join(dir, name)
			sqlite(t, file, query)
			_, err := storage.CheckBackup(file)
			require.NoError(t, err)
		})
	}
}
