package journal

import (
	"github.com/ncruces/go-sqlite3/vfs"
)

// log is an open write-ahead log.
type log struct {
	handle
	j    *Journal
	name string
	head bool // the last write was the log's head
}

func (l *layer) openLog(full *vfs.Filename, name string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	l.j.mu.Lock()
	f := l.j.track(name)
	f.handles++
	if l.j.o.Faults.ByHandle {
		f.last = 0
	}
	l.j.mu.Unlock()
	w := &log{handle: handle{layer: l, file: f, full: full, flags: flags}, j: l.j, name: name}
	err := w.begin()
	if err != nil {
		l.j.mu.Lock()
		f.handles--
		l.j.mu.Unlock()
		return nil, flags, err
	}
	return w, flags, nil
}

// begin opens the log, or has it be young if there is none.
func (l *log) begin() error {
	f := l.file
	f.own.Lock() // a head that was kept back may be on its way to the file
	defer f.own.Unlock()
	if f.young != nil {
		return nil
	}
	path := l.full.String()
	existed, err := l.layer.base.Access(path, vfs.ACCESS_EXISTS)
	if err != nil {
		return err
	}
	if !existed && l.flags&vfs.OPEN_CREATE != 0 && l.j.o.Young > 0 && l.j.young.Load() < l.j.o.AllYoung {
		f.young = &sparse{}
		l.j.mu.Lock()
		f.headed = false
		l.j.mu.Unlock()
		return nil
	}
	if err := l.open(); err != nil {
		return err
	}
	have, _ := readHead(l.File)
	headed := hasCommit(l.File)
	l.j.mu.Lock()
	defer l.j.mu.Unlock()
	if f.head == nil {
		f.headed = headed
	}
	if f.salts == (salts{}) {
		f.salts = have
	}
	if !existed {
		l.j.touchDir(l.name, l.j.seq)
	}
	return nil
}

// WriteAt writes through, and then appends. Rule 1. The head is the exception: it is kept back until its record is
// durable. A file without a head is no log, whatever else of it has come to the disk; and a head on the disk is one that
// the journal knows (rule 9).
func (l *log) WriteAt(p []byte, off int64) (int, error) {
	young, err := l.writeYoung(p, off)
	if err != nil {
		return 0, err
	}
	l.head = off == 0 && len(p) == walHead
	if !young && (!l.head || l.j.o.Faults.HeadAtOnce) {
		if n, err := l.File.WriteAt(p, off); err != nil { // rule 6: the disk is full, and only this transaction fails
			return n, err
		}
	}
	if _, err := l.j.append(l.name, write, off, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// writeYoung tells whether a log that is young has taken the bytes.
func (l *log) writeYoung(p []byte, off int64) (taken bool, err error) {
	_, err = l.whileYoung(func(s *sparse) error {
		if s.held < l.j.o.Young && l.j.young.Load() < l.j.o.AllYoung && s.writeAt(p, off) {
			taken = true
			l.j.age(l.file, s.held)
		}
		return nil
	})
	if err == nil && !taken {
		err = l.born()
	}
	return taken, err
}

// kept is the head that the file does not have yet.
func (l *log) kept() []byte {
	l.j.mu.Lock()
	defer l.j.mu.Unlock()
	return l.file.head
}

// ReadAt reads the log as it will be.
func (l *log) ReadAt(p []byte, off int64) (int, error) {
	n, err := l.handle.ReadAt(p, off)
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
	size, err := l.handle.Size()
	if err == nil && size < walHead && l.kept() != nil {
		size = walHead
	}
	return size, err
}

// Truncate cuts the log. What was cut off must not come back under a new log.
func (l *log) Truncate(size int64) error {
	young := false
	_, err := l.whileYoung(func(s *sparse) error {
		if young = s.truncate(size); young {
			l.j.age(l.file, s.held)
		}
		return nil
	})
	if err == nil && !young {
		err = l.born()
	}
	if err == nil {
		err = l.cut(size, young)
	}
	if err != nil {
		return err
	}
	if _, err := l.j.append(l.name, truncate, size, nil); err != nil || size > 0 || young {
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

func (l *log) cut(size int64, young bool) error {
	l.file.own.Lock()
	defer l.file.own.Unlock()
	if !young {
		if err := l.File.Truncate(size); err != nil {
			return err
		}
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
	_, err := l.j.settle(l.file)
	return err
}

// Close closes the file.
func (l *log) Close() error {
	l.j.mu.Lock()
	l.file.handles--
	l.j.mu.Unlock()
	return l.handle.Close()
}

// Nobody locks a log.

// Lock does nothing.
func (*log) Lock(vfs.LockLevel) error { return nil }

// Unlock does nothing.
func (*log) Unlock(vfs.LockLevel) error { return nil }

// CheckReservedLock tells that nobody has the lock.
func (*log) CheckReservedLock() (bool, error) { return false, nil }
