package journal

import (
	"errors"
	"path/filepath"

	"github.com/ncruces/go-sqlite3/vfs"
)

// database is an open database. Its writes are checkpoints, which SQLite syncs.
type database struct {
	handle
	j       *Journal
	name    string
	persist bool // the log stays when the database is closed
}

func (l *layer) openDatabase(full *vfs.Filename, name string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	l.j.mu.Lock()
	f := l.j.track(name)
	f.handles++
	l.j.mu.Unlock()
	d := &database{handle: handle{layer: l, file: f, full: full, flags: flags}, j: l.j, name: name}
	f.own.Lock()
	err := d.open()
	f.own.Unlock()
	if err != nil {
		return nil, flags, errors.Join(err, d.Close())
	}
	return d, flags, nil
}

// Close closes the file.
func (d *database) Close() error {
	d.j.mu.Lock()
	d.file.handles--
	d.j.mu.Unlock()
	return d.handle.Close()
}

// WriteAt writes, which ends youth.
func (d *database) WriteAt(p []byte, off int64) (int, error) {
	if err := d.made(); err != nil {
		return 0, err
	}
	return d.File.WriteAt(p, off)
}

// Truncate cuts the file.
func (d *database) Truncate(size int64) error {
	if err := d.made(); err != nil {
		return err
	}
	return d.File.Truncate(size)
}

// Lock takes a lock of the file, or the one that it will have.
func (d *database) Lock(level vfs.LockLevel) error {
	done, err := d.whileYoung(func(*sparse) error {
		d.lock = max(d.lock, level)
		return nil
	})
	if done || err != nil {
		return err
	}
	return d.File.Lock(level)
}

// Unlock gives it back.
func (d *database) Unlock(level vfs.LockLevel) error {
	done, err := d.whileYoung(func(*sparse) error {
		d.lock = min(d.lock, level)
		return nil
	})
	if done || err != nil {
		return err
	}
	return d.File.Unlock(level)
}

// CheckReservedLock tells whether somebody has the lock to write.
func (d *database) CheckReservedLock() (has bool, err error) {
	done, err := d.whileYoung(func(*sparse) error {
		has = d.lock >= vfs.LOCK_RESERVED
		return nil
	})
	if done || err != nil {
		return has, err
	}
	return d.File.CheckReservedLock()
}

// Sync is a real one, and marks a database that was made. Rules 3 and 4.
func (d *database) Sync(flags vfs.SyncFlag) error {
	if d.File == nil { // nothing was written
		return nil
	}
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

// The file controls that the machine's files have. An embedded interface does not hand them on.

var (
	_ vfs.FileLockState          = (*database)(nil)
	_ vfs.FilePersistWAL         = (*database)(nil)
	_ vfs.FilePowersafeOverwrite = (*database)(nil)
	_ vfs.FileSizeHint           = (*database)(nil)
	_ vfs.FileHasMoved           = (*database)(nil)
)

// LockState is what the file's lock is.
func (d *database) LockState() vfs.LockLevel {
	if d.File == nil {
		return d.lock
	}
	if f, ok := d.File.(vfs.FileLockState); ok {
		return f.LockState()
	}
	return vfs.LOCK_EXCLUSIVE + 1 // not known: SQLite is told that there is no answer
}

// PersistWAL tells whether the log stays when the database is closed.
func (d *database) PersistWAL() bool { return d.persist }

// SetPersistWAL says whether the log stays when the database is closed.
func (d *database) SetPersistWAL(on bool) { d.persist = on }

// PowersafeOverwrite tells whether a write harms no bytes beside it.
func (d *database) PowersafeOverwrite() bool {
	if d.File == nil {
		return true
	}
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
