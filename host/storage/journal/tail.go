package journal

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// The journal has all that was written, which makes it durable; so a file may have it later. What it does not have yet is its
// tail, in memory. A log has one as long as it is open: SQLite appends to it in small pieces, and the file gets them together,
// with one write, when the tail becomes large, when the memory of all tails becomes so, when SQLite writes to what the file
// has, and when the journal releases the segment of its oldest record.
//
// A file that is all tail is young: the disk does not have it at all. Most objects are made, written to once or twice, and
// left; by the time their log is copied into the database, which makes that file, the log has never been one. Making files is
// dear, and so is removing them.

// Young tells whether a database, or a log, exists though the disk does not have it.
func (j *Journal) Young(path string) bool {
	f := j.known(path)
	if f == nil {
		return false
	}
	f.own.Lock()
	defer f.own.Unlock()
	return f.young
}

// Spill has the file of a database, or of a log, hold all that was written to it. It makes the file if that is young.
func (j *Journal) Spill(path string) error {
	f := j.known(path)
	if f == nil {
		return nil
	}
	f.own.Lock()
	defer f.own.Unlock()
	return j.spill(f)
}

func (j *Journal) known(path string) *file {
	name, ok := j.relative(path)
	if !ok {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.files[name]
}

// full tells whether all tails together have the memory that they may have. Then files are written to directly, until a release
// has made room.
func (j *Journal) full() bool { return j.held.Load() >= j.o.Tails }

// hold has a file have a tail, or none. The caller holds its own lock.
func (j *Journal) hold(f *file, tail *sparse) {
	held := 0
	if f.tail = tail; tail != nil {
		held = tail.held
	}
	j.held.Add(int64(held - f.held))
	f.held = held
}

// forget drops the tail. The caller holds the file's own lock.
func (j *Journal) forget(f *file) {
	f.young, f.begun = false, false
	j.hold(f, nil)
}

// spill writes the tail of a file to the disk. The head of a log stays back until its record is durable, as that of any log;
// it may be in memory and have no record yet. The caller holds the file's own lock.
func (j *Journal) spill(f *file) (err error) {
	if !f.young && (f.tail == nil || f.tail.size == f.tail.base && !f.begun) {
		return nil
	}
	again, made := f.begun, f.young
	j.mu.Lock()
	if made {
		seq := j.seq
		if f.first != 0 {
			seq = min(seq, f.first)
		}
		j.touchDir(f.path, seq)
	}
	head, at := f.head, f.headAt
	if at > j.durable && !j.o.Faults.HeadAtOnce {
		head = nil
	}
	j.mu.Unlock()
	f.begun = true
	w, err := j.o.Disk.OpenFile(j.absolute(f.path), made)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if again {
		if err := w.Truncate(f.tail.base); err != nil {
			return err
		}
	}
	isLog := strings.HasSuffix(f.path, logSuffix)
	from := f.tail.base
	if isLog {
		from = max(from, walHead)
	}
	if err := f.tail.writeTo(w, from); err != nil {
		return err // and the next attempt begins again
	}
	if head != nil {
		if _, err := w.WriteAt(head, 0); err != nil {
			return err
		}
	}
	j.mu.Lock()
	if head != nil && f.headAt == at {
		f.head, f.headed = nil, true
		f.touch(j.seq) // a release that is under way may have synced the file before
	}
	j.mu.Unlock()
	size := f.tail.size
	j.forget(f)
	if isLog {
		f.tail = &sparse{base: size, size: size}
	}
	return nil
}

// spillAll spills what a release is to sync. What the disk has no room for stays in memory, and its records stay.
func (j *Journal) spillAll(files []*file) error {
	if j.o.Faults.NeverSpilled {
		return nil
	}
	for _, f := range files { // one at a time: who serves objects meanwhile needs the processor
		f.own.Lock()
		err := j.spill(f)
		f.stuck = errors.Is(err, unix.ENOSPC)
		f.own.Unlock()
		if err != nil && !f.stuck {
			return err
		}
	}
	return nil
}
