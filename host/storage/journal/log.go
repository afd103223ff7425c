package journal

import (
	"io"

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
	if err := w.begin(); err != nil {
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
	if f.tail != nil {
		return nil
	}
	path := l.full.String()
	existed, err := l.layer.base.Access(path, vfs.ACCESS_EXISTS)
	if err != nil {
		return err
	}
	if !existed && l.flags&vfs.OPEN_CREATE != 0 && l.room() {
		f.young, f.tail = true, &sparse{}
		l.j.mu.Lock()
		f.headed = false
		l.j.mu.Unlock()
		return nil
	}
	if _, err := l.opened(); err != nil {
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

// opened is the tail of the log, whose file is open unless it is young. The caller holds the file's own lock.
func (l *log) opened() (*sparse, error) {
	if err := l.open(); err != nil {
		return nil, err
	}
	if l.file.tail == nil {
		size, err := l.File.Size()
		if err != nil {
			return nil, err
		}
		if size < walHead && l.kept() != nil {
			size = walHead
		}
		l.file.tail = &sparse{base: size, size: size}
	}
	return l.file.tail, nil
}

// spill writes the tail to the file, which is open then. The caller holds the file's own lock.
func (l *log) spill() error {
	if err := l.j.spill(l.file); err != nil {
		return err
	}
	return l.open()
}

// room tells whether the tail may become larger.
func (l *log) room() bool {
	return l.file.held < l.j.o.Tail && !l.j.full()
}

// WriteAt writes, to the tail or to the file, and then appends. Rule 1. The head is the exception: the file gets it when its
// record is durable. A file without a head is no log, whatever else of it has come to the disk; and a head on the disk is one
// that the journal knows (rule 9).
func (l *log) WriteAt(p []byte, off int64) (int, error) {
	l.head = off == 0 && len(p) == walHead
	if err := l.write(p, off); err != nil { // rule 6: the disk is full, and only this transaction fails
		return 0, err
	}
	if _, err := l.j.append(l.name, write, off, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (l *log) write(p []byte, off int64) error {
	l.file.own.Lock()
	defer l.file.own.Unlock()
	t, err := l.opened()
	if err != nil || l.keeps(t, p, off) {
		return err
	}
	full := l.j.full()
	if err := l.spill(); err != nil {
		return err
	}
	if t = l.file.tail; !full && l.keeps(t, p, off) {
		return nil
	}
	if !l.head || l.j.o.Faults.HeadAtOnce {
		if _, err := l.File.WriteAt(p, off); err != nil {
			return err
		}
	}
	if end := off + int64(len(p)); end > t.size {
		t.base, t.size = end, end
	}
	return nil
}

// keeps tells whether the tail has taken the bytes.
func (l *log) keeps(t *sparse, p []byte, off int64) bool {
	if !l.room() || !t.writeAt(p, off) {
		return false
	}
	l.j.hold(l.file, t)
	return true
}

// ReadAt reads the log as it will be.
func (l *log) ReadAt(p []byte, off int64) (n int, err error) {
	l.file.own.Lock()
	defer l.file.own.Unlock()
	t, err := l.opened()
	if err != nil {
		return 0, err
	}
	if off < t.base {
		n = int(min(t.base-off, int64(len(p))))
		switch have, err := l.File.ReadAt(p[:n], off); {
		case err != nil && err != io.EOF:
			return have, err
		case have < n: // no more than the head, which may be kept back
			clear(p[have:n])
		}
	}
	if n < len(p) {
		var more int
		more, err = t.readAt(p[n:], off+int64(n))
		n += more
	}
	if off < walHead {
		if head := l.kept(); head != nil {
			copy(p, head[off:])
		}
	}
	return n, err
}

// kept is the head that the file does not have yet.
func (l *log) kept() []byte {
	l.j.mu.Lock()
	defer l.j.mu.Unlock()
	return l.file.head
}

// Size is the size of the log as it will be.
func (l *log) Size() (int64, error) {
	l.file.own.Lock()
	defer l.file.own.Unlock()
	t, err := l.opened()
	if err != nil {
		return 0, err
	}
	return t.size, nil
}

// Truncate cuts the log. What was cut off must not come back under a new log.
func (l *log) Truncate(size int64) error {
	young, err := l.cut(size)
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

func (l *log) cut(size int64) (young bool, err error) {
	f := l.file
	f.own.Lock()
	defer f.own.Unlock()
	t, err := l.opened()
	if err != nil {
		return false, err
	}
	if cut := t.truncate(size); cut && (f.young || !f.begun) {
		l.j.hold(f, t)
	} else {
		if err := l.spill(); err != nil {
			return false, err
		}
		if err := l.File.Truncate(size); err != nil {
			return false, err
		}
		f.tail = &sparse{base: size, size: size}
	}
	if size == 0 {
		l.j.mu.Lock()
		f.head = nil
		l.j.mu.Unlock()
	}
	return f.young, nil
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

// Close closes the file. A tail that the file does not have stays.
func (l *log) Close() error {
	f := l.file
	f.own.Lock()
	defer f.own.Unlock()
	l.j.mu.Lock()
	f.handles--
	last := f.handles == 0
	l.j.mu.Unlock()
	if t := f.tail; last && t != nil && !f.young && !f.begun && t.size == t.base {
		f.tail = nil
	}
	return l.handle.Close()
}

// Nobody locks a log.

// Lock does nothing.
func (*log) Lock(vfs.LockLevel) error { return nil }

// Unlock does nothing.
func (*log) Unlock(vfs.LockLevel) error { return nil }

// CheckReservedLock tells that nobody has the lock.
func (*log) CheckReservedLock() (bool, error) { return false, nil }
