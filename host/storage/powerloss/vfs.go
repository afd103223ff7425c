package powerloss

import (
	"path/filepath"

	"github.com/ncruces/go-sqlite3/vfs"
)

// The VFS is the machine's, without its syncs. It syncs the directory where the machine's does: with the first sync of a
// log or journal, and with a removal if SQLite asks for it.

var _ vfs.VFSFilename = (*Disk)(nil)

// Open is not called for a VFSFilename except for files without a name.
func (d *Disk) Open(name string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	return d.base.Open(name, flags)
}

// OpenFilename opens a file.
func (d *Disk) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	if name == nil {
		return d.base.OpenFilename(nil, flags)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off {
		return nil, flags, ErrPower
	}
	path := d.relative(name.String())
	created := d.adopt(path) == nil && flags&vfs.OPEN_CREATE != 0
	if created {
		if _, err := d.step(); err != nil {
			return nil, flags, err
		}
	}
	f, flags, err := d.base.OpenFilename(name, flags)
	if err != nil {
		return nil, flags, err
	}
	if created {
		d.link(path, &file{})
	}
	journal := flags&(vfs.OPEN_WAL|vfs.OPEN_MAIN_JOURNAL|vfs.OPEN_SUPER_JOURNAL) != 0
	return &handle{File: f, tracked: tracked{d, d.files[path]}, path: path, syncDir: journal && flags&vfs.OPEN_CREATE != 0}, flags, nil
}

// Delete removes a file.
func (d *Disk) Delete(name string, syncDir bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	path := d.relative(name)
	if !d.off && d.adopt(path) == nil {
		return d.base.Delete(name, false) // for its error
	}
	effect, err := d.step()
	if effect {
		if e := d.base.Delete(name, false); e != nil {
			return e
		}
		d.link(path, nil)
		if syncDir && err == nil {
			d.syncNames(filepath.Dir(path))
		}
	}
	return err
}

// Access tells whether a file exists.
func (d *Disk) Access(name string, flags vfs.AccessFlag) (bool, error) {
	return d.base.Access(name, flags)
}

// FullPathname is the path in its usual form.
func (d *Disk) FullPathname(name string) (string, error) { return d.base.FullPathname(name) }

// handle is an open file. Locks and sizes are the machine's; there is no shared memory, as in exclusive mode.
type handle struct {
	vfs.File
	tracked
	path    string
	syncDir bool
}

func (h *handle) ReadAt(p []byte, off int64) (int, error) {
	if h.disk.Off() {
		return 0, ErrPower
	}
	return h.File.ReadAt(p, off)
}

func (h *handle) WriteAt(p []byte, off int64) (int, error) {
	h.disk.mu.Lock()
	err := h.disk.full
	h.disk.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return h.writeAt(h.File, p, off)
}

func (h *handle) Truncate(size int64) error { return h.truncate(h.File, size) }

func (h *handle) Sync(vfs.SyncFlag) error {
	d := h.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.step(); err != nil {
		return err
	}
	h.inode.sync()
	if h.syncDir && !d.LazyNames {
		h.syncDir = false
		d.syncNames(filepath.Dir(h.path))
	}
	return nil
}
