package powerloss

import (
	"io"
	"os"

	"durago.example/host/storage/journal"
)

// The journal writes its own files, and in a recovery those of SQLite, through these.

var _ journal.Disk = (*Disk)(nil)

// OpenFile opens a file, and makes it if create is set and it is not there.
func (d *Disk) OpenFile(path string, create bool) (journal.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off {
		return nil, ErrPower
	}
	name := d.relative(path)
	flags := os.O_RDWR
	made := d.adopt(name) == nil && create
	if made {
		if _, err := d.step(); err != nil {
			return nil, err
		}
		flags |= os.O_CREATE
	}
	f, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return nil, err
	}
	if made {
		d.link(name, &file{})
	}
	return &opened{File: f, tracked: tracked{d, d.files[name]}}, nil
}

// Remove removes a file or an empty directory.
func (d *Disk) Remove(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := d.relative(path)
	if !d.off && d.adopt(name) == nil {
		return nil
	}
	effect, err := d.step()
	if effect {
		if e := os.Remove(path); e != nil {
			return e
		}
		d.link(name, nil)
	}
	return err
}

// SyncAll makes everything durable.
func (d *Disk) SyncAll(string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.step(); err != nil {
		return err
	}
	d.adoptTree()
	for _, f := range d.files {
		f.sync()
	}
	for _, c := range d.changes {
		d.keep(c)
	}
	d.changes = nil
	return nil
}

// tracked remembers what is written to a file.
type tracked struct {
	disk  *Disk
	inode *file
}

func (t tracked) writeAt(f io.WriterAt, p []byte, off int64) (int, error) {
	d := t.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	effect, err := d.step()
	if effect {
		t.inode.writes = append(t.inode.writes, write{off, append([]byte{}, p...)})
		if n, e := f.WriteAt(p, off); e != nil {
			return n, e
		}
	}
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

func (t tracked) truncate(f interface{ Truncate(int64) error }, size int64) error {
	d := t.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	effect, err := d.step()
	if effect {
		t.inode.writes = append(t.inode.writes, write{at: size})
		if e := f.Truncate(size); e != nil {
			return e
		}
	}
	return err
}

// opened is a file that was opened without SQLite.
type opened struct {
	*os.File
	tracked
}

// ReadAt reads what the process sees.
func (o *opened) ReadAt(p []byte, off int64) (int, error) {
	if o.disk.Off() {
		return 0, ErrPower
	}
	return o.File.ReadAt(p, off)
}

// WriteAt writes, to the cache.
func (o *opened) WriteAt(p []byte, off int64) (int, error) { return o.writeAt(o.File, p, off) }

// WriteSync writes, and makes durable what it has written and nothing else.
func (o *opened) WriteSync(p []byte, off int64) error {
	if _, err := o.WriteAt(p, off); err != nil {
		return err
	}
	o.disk.mu.Lock()
	defer o.disk.mu.Unlock()
	if _, err := o.disk.step(); err != nil {
		return err
	}
	o.inode.syncRange(off, off+int64(len(p)))
	return nil
}

// Truncate changes the size.
func (o *opened) Truncate(size int64) error { return o.truncate(o.File, size) }

// Size is the size that the process sees.
func (o *opened) Size() (int64, error) {
	info, err := o.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
