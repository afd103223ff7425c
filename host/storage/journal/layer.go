package journal

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/ncruces/go-sqlite3/vfs"
)

// layer is the file layer that SQLite sees: that of the machine, with the journal under the logs. SQLite must lock
// exclusively: there is no shared memory.
type layer struct {
	j    *Journal
	base vfs.VFSFilename
}

var _ vfs.VFSFilename = (*layer)(nil)

var layers atomic.Int64 // names are global in SQLite

func (j *Journal) register() error {
	base, ok := vfs.Find(j.o.VFS).(vfs.VFSFilename)
	if !ok {
		return fmt.Errorf("journal: no file layer %q that takes names", j.o.VFS)
	}
	j.vfs = fmt.Sprintf("journal-%d", layers.Add(1))
	vfs.Register(j.vfs, &layer{j, base})
	return nil
}

func (j *Journal) unregister() { vfs.Unregister(j.vfs) }

// VFS is the name of the file layer through which databases must be opened.
func (j *Journal) VFS() string { return j.vfs }

// Open is called for files without a name only.
func (l *layer) Open(name string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	return l.base.Open(name, flags)
}

// OpenFilename opens a file. Logs and databases below the root are followed.
func (l *layer) OpenFilename(full *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	name, ok := l.j.relative(full.String())
	switch {
	case ok && flags&vfs.OPEN_WAL != 0 && strings.HasSuffix(name, logSuffix):
		return l.openLog(full, name, flags)
	case ok && flags&vfs.OPEN_MAIN_DB != 0 && strings.HasSuffix(name, databaseSuffix):
		f, flags, err := l.base.OpenFilename(full, flags)
		if err != nil {
			return f, flags, err
		}
		return &database{File: f, j: l.j, name: name}, flags, nil
	}
	return l.base.OpenFilename(full, flags)
}

// Delete removes a file; the removal of a log is a record.
func (l *layer) Delete(path string, syncDir bool) error {
	name, ok := l.j.relative(path)
	if !ok || !strings.HasSuffix(name, logSuffix) {
		return l.base.Delete(path, syncDir)
	}
	if err := l.unlink(path, name); err != nil {
		return err
	}
	_, err := l.j.append(name, unlink, 0, nil)
	return err
}

// unlink also drops a head that is kept back, which would else be written to the log that follows.
func (l *layer) unlink(path, name string) error {
	l.j.heads.Lock()
	defer l.j.heads.Unlock()
	if err := l.base.Delete(path, false); err != nil {
		return err
	}
	l.j.mu.Lock()
	defer l.j.mu.Unlock()
	if f := l.j.files[name]; f != nil {
		f.head = nil
	}
	return nil
}

// Access tells whether a file exists.
func (l *layer) Access(name string, flags vfs.AccessFlag) (bool, error) {
	return l.base.Access(name, flags)
}

// FullPathname is the path in its usual form.
func (l *layer) FullPathname(name string) (string, error) { return l.base.FullPathname(name) }

// Create makes a database from the template. Rule 4: neither the file nor its name is synced, the record is enough.
func (j *Journal) Create(path string) error {
	name, ok := j.relative(path)
	if !ok || !strings.HasSuffix(name, databaseSuffix) {
		return fmt.Errorf("journal: make %s: not a database below %s", path, j.o.Root)
	}
	f, err := j.o.Disk.OpenFile(path, true)
	if err != nil {
		return fmt.Errorf("journal: make a database: %w", err)
	}
	_, err = f.WriteAt(j.o.Template, 0)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("journal: make %s: %w", name, err)
	}
	if _, err := j.append(name, create, 0, j.o.Template); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.unmarked[name] = !j.o.Faults.NoMarkers
	return nil
}

// Remove removes a database that is closed, and its log. It waits for the disk.
func (j *Journal) Remove(path string) error {
	name, ok := j.relative(path)
	if !ok || !strings.HasSuffix(name, databaseSuffix) {
		return fmt.Errorf("journal: remove %s: not a database below %s", path, j.o.Root)
	}
	seq, unpin := j.pin() // the tombstone stays until the files are gone
	defer unpin()
	position, err := j.append(name, remove, 0, nil)
	if err == nil && !j.o.Faults.LateTombstone {
		err = j.waitFor(position) // rule 4
	}
	if err != nil {
		return err
	}
	for _, p := range []string{path + "-wal", path} {
		if err := j.o.Disk.Remove(p); err != nil {
			return fmt.Errorf("journal: remove %s: %w", name, err)
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.unmarked, name)
	if f := j.files[name+"-wal"]; f != nil {
		f.first, f.again, f.head = 0, 0, nil
	}
	j.touchDir(name, seq) // and, rule 2, until that is durable
	return nil
}

// pin keeps the current segment, and those after it, until the returned function is called.
func (j *Journal) pin() (seq uint64, unpin func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	seq = j.seq
	j.pins[seq]++
	return seq, func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		if j.pins[seq]--; j.pins[seq] == 0 {
			delete(j.pins, seq)
		}
	}
}

// database is an open database. Its writes are checkpoints, which SQLite syncs.
type database struct {
	vfs.File
	j    *Journal
	name string
}

// Sync is a real one, and marks a database that was made. Rules 3 and 4.
func (d *database) Sync(flags vfs.SyncFlag) error {
	if err := d.File.Sync(flags); err != nil {
		return d.j.Fail(err)
	}
	d.j.mu.Lock()
	made := d.j.unmarked[d.name]
	d.j.mu.Unlock()
	if !made {
		return nil
	}
	if err := d.j.o.Disk.SyncDir(filepath.Dir(d.j.absolute(d.name))); err != nil {
		return d.j.Fail(err)
	}
	if _, err := d.j.append(d.name, synced, 0, nil); err != nil {
		return err
	}
	d.j.mu.Lock()
	defer d.j.mu.Unlock()
	delete(d.j.unmarked, d.name)
	return nil
}

// Unwrap gives SQLite's wrappers the file below.
func (d *database) Unwrap() vfs.File { return d.File }

// The file controls that the machine's files have. An embedded interface does not hand them on.

var (
	_ vfs.FileUnwrap             = (*database)(nil)
	_ vfs.FileLockState          = (*database)(nil)
	_ vfs.FilePersistWAL         = (*database)(nil)
	_ vfs.FilePowersafeOverwrite = (*database)(nil)
	_ vfs.FileSizeHint           = (*database)(nil)
	_ vfs.FileHasMoved           = (*database)(nil)
)

// LockState is what the file's lock is.
func (d *database) LockState() vfs.LockLevel {
	if f, ok := d.File.(vfs.FileLockState); ok {
		return f.LockState()
	}
	return vfs.LOCK_EXCLUSIVE + 1 // not known: SQLite is told that there is no answer
}

// PersistWAL tells whether the log stays when the database is closed.
func (d *database) PersistWAL() bool {
	f, ok := d.File.(vfs.FilePersistWAL)
	return ok && f.PersistWAL()
}

// SetPersistWAL says whether the log stays when the database is closed.
func (d *database) SetPersistWAL(on bool) {
	if f, ok := d.File.(vfs.FilePersistWAL); ok {
		f.SetPersistWAL(on)
	}
}

// PowersafeOverwrite tells whether a write harms no bytes beside it.
func (d *database) PowersafeOverwrite() bool {
	f, ok := d.File.(vfs.FilePowersafeOverwrite)
	return ok && f.PowersafeOverwrite()
}

// SetPowersafeOverwrite says whether a write harms no bytes beside it.
func (d *database) SetPowersafeOverwrite(on bool) {
	if f, ok := d.File.(vfs.FilePowersafeOverwrite); ok {
		f.SetPowersafeOverwrite(on)
	}
}

// SizeHint says how large the file will be.
func (d *database) SizeHint(size int64) error {
	if f, ok := d.File.(vfs.FileSizeHint); ok {
		return f.SizeHint(size)
	}
	return nil
}

// HasMoved tells whether the name is another file's now.
func (d *database) HasMoved() (bool, error) {
	if f, ok := d.File.(vfs.FileHasMoved); ok {
		return f.HasMoved()
	}
	return false, nil
}
