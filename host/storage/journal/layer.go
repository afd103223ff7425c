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
		return l.openDatabase(full, name, flags)
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
	l.j.mu.Lock()
	f := l.j.track(name)
	l.j.mu.Unlock()
	f.own.Lock()
	defer f.own.Unlock()
	var err error
	if !f.young {
		err = l.base.Delete(path, false)
	} else if f.begun {
		err = l.j.o.Disk.Remove(path)
	}
	if err != nil {
		return err
	}
	l.j.forget(f)
	l.j.mu.Lock()
	defer l.j.mu.Unlock()
	f.head = nil
	return nil
}

// Access tells whether a file exists.
func (l *layer) Access(path string, flags vfs.AccessFlag) (bool, error) {
	if l.j.Young(path) {
		return true, nil
	}
	return l.base.Access(path, flags)
}

// FullPathname is the path in its usual form, which paths below the root have.
func (l *layer) FullPathname(path string) (string, error) {
	if _, ok := l.j.relative(path); ok && filepath.Clean(path) == path {
		return path, nil
	}
	return l.base.FullPathname(path)
}

// Create makes a database from the template. Rule 4: neither the file nor its name is synced, the record is enough.
func (j *Journal) Create(path string) error {
	name, ok := j.relative(path)
	if !ok || !strings.HasSuffix(name, databaseSuffix) {
		return fmt.Errorf("journal: make %s: not a database below %s", path, j.o.Root)
	}
	j.mu.Lock()
	f := j.track(name)
	f.handles++ // until its record is there nothing else keeps it from being forgotten
	j.mu.Unlock()
	defer func() {
		j.mu.Lock()
		f.handles--
		j.mu.Unlock()
	}()
	if err := j.make(f); err != nil {
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

func (j *Journal) make(f *file) error {
	f.own.Lock()
	defer f.own.Unlock()
	f.young, f.tail = true, j.template
	if j.o.Tail > 0 {
		return nil
	}
	return j.spill(f)
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
	for _, name := range []string{name + "-wal", name} {
		if err := j.erase(name); err != nil {
			return fmt.Errorf("journal: remove %s: %w", name, err)
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.unmarked, name)
	j.touchDir(name, seq) // and, rule 2, until that is durable
	return nil
}

// erase removes a file, and what is known of it.
func (j *Journal) erase(name string) error {
	j.mu.Lock()
	f := j.track(name)
	j.mu.Unlock()
	f.own.Lock()
	defer f.own.Unlock()
	j.forget(f)
	if err := j.o.Disk.Remove(j.absolute(name)); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	f.first, f.again, f.head = 0, 0, nil
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
