package journal

import (
	"github.com/ncruces/go-sqlite3/vfs"
)

// log is an open write-ahead log.
type log struct {
	vfs.File
	j    *Journal
	name string
	file *file
	head bool // the last write was the log's head
}

func (l *layer) openLog(full *vfs.Filename, name string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	existed, err := l.base.Access(full.String(), vfs.ACCESS_EXISTS)
	if err != nil {
		return nil, flags, err
	}
	f, flags, err := l.base.OpenFilename(full, flags)
	if err != nil {
		return f, flags, err
	}
	w := &log{File: f, j: l.j, name: name}
	l.j.heads.Lock() // a head that was kept back may be on its way to the file
	defer l.j.heads.Unlock()
	have, _ := readHead(f)
	headed := hasCommit(f)
	l.j.mu.Lock()
	defer l.j.mu.Unlock()
	w.file = l.j.track(name)
	w.file.handles++
	if l.j.o.Faults.ByHandle {
		w.file.last = 0
	}
	if w.file.head == nil {
		w.file.headed = headed
	}
	if w.file.salts == (salts{}) {
		w.file.salts = have
	}
	if !existed {
		l.j.touchDir(name, l.j.seq)
	}
	return w, flags, nil
}

// WriteAt writes through, and then appends. Rule 1. The head is the exception: it is kept back until its record is
// durable. A file without a head is no log, whatever else of it has come to the disk; and a head on the disk is one that
// the journal knows (rule 9).
func (l *log) WriteAt(p []byte, off int64) (int, error) {
	if l.head = off == 0 && len(p) == walHead; l.head && !l.j.o.Faults.HeadAtOnce {
		if _, err := l.j.append(l.name, write, 0, p); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	n, err := l.File.WriteAt(p, off)
	if err != nil { // rule 6: the disk is full, and only this transaction fails
		return n, err
	}
	if _, err := l.j.append(l.name, write, off, p); err != nil {
		return 0, err
	}
	return n, nil
}

// kept is the head that the file does not have yet.
func (l *log) kept() []byte {
	l.j.mu.Lock()
	defer l.j.mu.Unlock()
	return l.file.head
}

// ReadAt reads the log as it will be.
func (l *log) ReadAt(p []byte, off int64) (int, error) {
	n, err := l.File.ReadAt(p, off)
	if off < walHead {
		if head := l.kept(); head != nil {
			n = max(n, copy(p, head[off:]))
			if n == len(p) {
				err = nil
			}
		}
	}
	return n, err
}

// Size is the size of the log as it will be.
func (l *log) Size() (int64, error) {
	size, err := l.File.Size()
	if err == nil && size < walHead && l.kept() != nil {
		size = walHead
	}
	return size, err
}

// Truncate cuts the log. What was cut off must not come back under a new log.
func (l *log) Truncate(size int64) error {
	if err := l.cut(size); err != nil {
		return err
	}
	if _, err := l.j.append(l.name, truncate, size, nil); err != nil || size > 0 {
		return err
	}
	if err := l.j.o.Disk.SyncFile(l.j.absolute(l.name)); err != nil {
		return l.j.Fail(err)
	}
	l.j.mu.Lock()
	defer l.j.mu.Unlock()
	l.file.headed = false
	return nil
}

func (l *log) cut(size int64) error {
	l.j.heads.Lock()
	defer l.j.heads.Unlock()
	if err := l.File.Truncate(size); err != nil {
		return err
	}
	if size == 0 {
		l.j.mu.Lock()
		l.file.head = nil
		l.j.mu.Unlock()
	}
	return nil
}

// Sync waits until the journal has all of the log. Rule 3. SQLite also syncs a head before the frames that follow it: else,
// with the head before it, a part of the log before may be whole that others have been written over. There is nothing to
// wait for if the file has no head, or one without a transaction, as a recovery may leave it.
func (l *log) Sync(vfs.SyncFlag) error {
	l.j.mu.Lock()
	headed := l.file.headed
	l.j.mu.Unlock()
	if l.head && !headed {
		return nil
	}
	if err := l.j.wait(l.name); err != nil {
		return err
	}
	return l.j.settle(l.file)
}

// Close closes the file.
func (l *log) Close() error {
	l.j.mu.Lock()
	l.file.handles--
	l.j.mu.Unlock()
	return l.File.Close()
}
