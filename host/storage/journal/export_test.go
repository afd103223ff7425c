package journal

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// What the tests drive by hand.

// Recover opens a journal without its goroutines, which syncs one file at a time, or all from four files on.
func Recover(o Options) (*Journal, error) {
	o.width, o.many = 1, 4
	return recoverAll(o)
}

// Flush makes everything durable and reports it.
func (j *Journal) Flush() error {
	err := j.flush()
	j.deliver()
	return err
}

// Release releases all segments but so many.
func (j *Journal) Release(keep uint64) error {
	j.mu.Lock()
	upTo := j.seq - min(keep, j.seq)
	j.mu.Unlock()
	return j.release(upTo, atOnce)
}

// Rest is what a release does after a portion.
func (j *Journal) Rest(worked time.Duration) { j.rest(worked) }

// Hurry calls f while somebody waits for the end of a release.
func (j *Journal) Hurry(f func()) {
	j.hurry.Add(1)
	defer j.hurry.Add(-1)
	f()
}

// Abandon leaves the journal as a process does that dies.
func (j *Journal) Abandon() {
	j.unregister()
	_ = j.closeSegments()
}

// Segments is how many segments there are, and how many of them are needed.
func (j *Journal) Segments() (all, needed int) {
	j.writing.Lock()
	defer j.writing.Unlock()
	return len(j.live) + len(j.free), len(j.live)
}

// Append appends a record.
func (j *Journal) Append(path string, k byte, off int64, p []byte) {
	_, _ = j.append(path, kind(k), off, p)
}

// BeginLog writes the head of a log that is young, and calls between before that has a record.
func (j *Journal) BeginLog(name string, head []byte, between func()) {
	j.mu.Lock()
	f := j.track(name)
	f.handles++
	j.mu.Unlock()
	f.young, f.tail = true, &sparse{}
	f.tail.writeAt(head, 0)
	between()
	_, _ = j.append(name, write, 0, head)
}

// Seal makes the sums of a segment right.
func Seal(b []byte) []byte {
	o := Options{Root: "."}
	if len(b) < block || o.complete() != nil {
		return b
	}
	b = slices.Clone(b)
	le.PutUint32(b, segmentMagic)
	le.PutUint32(b[4:], o.sum(b[8:segmentHead]))
	for rest := b[block:]; len(rest) >= batchHead; {
		n := int64(le.Uint32(rest[40:])) + batchHead
		if n > int64(len(rest)) {
			break
		}
		le.PutUint32(rest[4:], o.sum(rest[8:n]))
		rest = rest[min(blocks(int(n)), int64(len(rest))):]
	}
	return b
}

// Root is the directory of all databases.
func (j *Journal) Root() string { return j.o.Root }

// Held is the memory of all tails in bytes.
func (j *Journal) Held() int64 { return j.held.Load() }

// Sparse is the end of a file, in memory.
type Sparse struct{ s sparse }

// NewSparse is one that begins there.
func NewSparse(base int64) *Sparse { return &Sparse{sparse{base: base, size: base}} }

// WriteAt tells whether it has taken the bytes.
func (s *Sparse) WriteAt(p []byte, off int64) bool { return s.s.writeAt(p, off) }

// ReadAt reads.
func (s *Sparse) ReadAt(p []byte, off int64) (int, error) { return s.s.readAt(p, off) }

// Truncate tells whether it has cut the file.
func (s *Sparse) Truncate(size int64) bool { return s.s.truncate(size) }

// WriteTo writes what comes at an offset and after it.
func (s *Sparse) WriteTo(w io.WriterAt, off int64) error { return s.s.writeTo(w, off) }

// WriteRuns writes p as a record has it.
func WriteRuns(w io.WriterAt, p []byte) error {
	r := runs(appendRuns(nil, p))
	if n, ok := r.size(); !ok || n != int64(len(p)) {
		return fmt.Errorf("%d bytes of %d", n, len(p))
	}
	return r.writeTo(w, 0)
}

// RunsSize is how many bytes a record of p has, without its head.
func RunsSize(p []byte) int { return len(appendRuns(nil, p)) }
