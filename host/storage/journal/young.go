package journal

import (
	"errors"
	"io"
	"sort"
	"strings"

	"github.com/ncruces/go-sqlite3/vfs"
	"golang.org/x/sys/unix"
)

// A file is young as long as the disk does not have it: all of it is in memory, and in the journal as every file's is.
// Most objects are made, written to once or twice, and left; by the time their log is copied into the database, which makes
// that file, the log has never been one. Making files is dear, and so is removing them.
//
// A young file is born, which makes it on disk with what it holds, when it becomes large, when the memory of all becomes
// so, when SQLite writes to it what a young one does not take, and when the journal releases the segment of its oldest record.

// sparse is the content of a young file. It takes what appends, and what repeats an earlier write at the same place: that
// is how SQLite writes a log.
type sparse struct {
	pieces []piece // by offset, without gaps
	size   int64
	held   int // bytes of memory
}

// piece is one write, without its zeros: they come after cut bytes.
type piece struct {
	off    int64
	n, cut int
	b      []byte
}

// pieceSize is about what a piece costs beside its bytes.
const pieceSize = 64

func newPiece(p []byte, off int64) piece {
	from, to := zeros(p)
	b := make([]byte, from+len(p)-to)
	copy(b, p[:from])
	copy(b[from:], p[to:])
	return piece{off: off, n: len(p), cut: from, b: b}
}

// readAt reads from the piece's own offset on.
func (c *piece) readAt(p []byte, off int) int {
	n := min(len(p), c.n-off)
	p = p[:n]
	after := c.cut + c.n - len(c.b) // where the zeros end
	for i := 0; i < n; {
		switch at := off + i; {
		case at < c.cut:
			i += copy(p[i:], c.b[at:c.cut])
		case at < after:
			zero := p[i:min(n, i+after-at)]
			clear(zero)
			i += len(zero)
		default:
			i += copy(p[i:], c.b[at-after+c.cut:])
		}
	}
	return n
}

// find is the piece that holds an offset.
func (s *sparse) find(off int64) int {
	return sort.Search(len(s.pieces), func(i int) bool { return s.pieces[i].off+int64(s.pieces[i].n) > off })
}

// writeAt tells whether it has taken the bytes.
func (s *sparse) writeAt(p []byte, off int64) bool {
	if off == s.size {
		c := newPiece(p, off)
		s.pieces = append(s.pieces, c)
		s.size += int64(len(p))
		s.held += len(c.b) + pieceSize
		return true
	}
	i := s.find(off)
	if i == len(s.pieces) || s.pieces[i].off != off || s.pieces[i].n != len(p) {
		return false
	}
	c := newPiece(p, off)
	s.held += len(c.b) - len(s.pieces[i].b)
	s.pieces[i] = c
	return true
}

func (s *sparse) readAt(p []byte, off int64) (n int, err error) {
	for i := s.find(off); i < len(s.pieces) && n < len(p); i++ {
		n += s.pieces[i].readAt(p[n:], int(off+int64(n)-s.pieces[i].off))
	}
	if n < len(p) {
		err = io.EOF
	}
	return n, err
}

// truncate tells whether it has cut the file.
func (s *sparse) truncate(size int64) bool {
	if size >= s.size {
		return size == s.size
	}
	i := s.find(size)
	if s.pieces[i].off != size {
		return false
	}
	for _, c := range s.pieces[i:] {
		s.held -= len(c.b) + pieceSize
	}
	clear(s.pieces[i:])
	s.pieces, s.size = s.pieces[:i], size
	return true
}

// writeTo writes what comes at an offset and after it.
func (s *sparse) writeTo(w io.WriterAt, off int64) error {
	b := make([]byte, 0, min(s.size, longest))
	for off < s.size {
		b = b[:min(s.size-off, longest)]
		n, _ := s.readAt(b, off)
		if _, err := w.WriteAt(b[:n], off); err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}

// Young tells whether a database, or a log, exists though the disk does not have it.
func (j *Journal) Young(path string) bool {
	name, ok := j.relative(path)
	if !ok {
		return false
	}
	j.mu.Lock()
	f := j.files[name]
	j.mu.Unlock()
	if f == nil {
		return false
	}
	f.own.Lock()
	defer f.own.Unlock()
	return f.young != nil
}

// Born makes a young database, or log, a file.
func (j *Journal) Born(path string) error {
	name, ok := j.relative(path)
	if !ok {
		return nil
	}
	j.mu.Lock()
	f := j.files[name]
	j.mu.Unlock()
	if f == nil {
		return nil
	}
	f.own.Lock()
	defer f.own.Unlock()
	return j.bear(f)
}

// age is what the young files hold, in bytes of memory, more or less than before.
func (j *Journal) age(f *file, held int) {
	j.young.Add(int64(held - f.held))
	f.held = held
}

// grow drops what a young file was. The caller holds its own lock.
func (j *Journal) grow(f *file) {
	f.young, f.begun = nil, false
	j.age(f, 0)
}

// bear makes a young file on disk. The head of a log stays back until its record is durable, as that of any log; it may be
// in memory and have no record yet. The caller holds the file's own lock.
func (j *Journal) bear(f *file) (err error) {
	if f.young == nil {
		return nil
	}
	again := f.begun
	j.mu.Lock()
	seq := j.seq
	if f.first != 0 {
		seq = min(seq, f.first)
	}
	j.touchDir(f.path, seq)
	head, at := f.head, f.headAt
	if at > j.durable && !j.o.Faults.HeadAtOnce {
		head = nil
	}
	j.mu.Unlock()
	f.begun = true
	w, err := j.o.Disk.OpenFile(j.absolute(f.path), true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if again {
		if err := w.Truncate(0); err != nil {
			return err
		}
	}
	from := int64(0)
	if strings.HasSuffix(f.path, logSuffix) {
		from = walHead
	}
	if err := f.young.writeTo(w, from); err != nil {
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
	}
	j.mu.Unlock()
	j.grow(f)
	return nil
}

// bearAll bears what a release is to sync. What the disk has no room for stays young, and its records stay.
func (j *Journal) bearAll(files []*file) error {
	if j.o.Faults.NeverBorn {
		return nil
	}
	return each(j.o.width, files, func(f *file) error {
		f.own.Lock()
		defer f.own.Unlock()
		err := j.bear(f)
		if errors.Is(err, unix.ENOSPC) {
			return nil
		}
		return err
	})
}

// handle is an open file that may be young.
type handle struct {
	vfs.File // nil while it is young
	layer    *layer
	file     *file
	full     *vfs.Filename
	flags    vfs.OpenFlag
	lock     vfs.LockLevel // of the database, while it is young
}

// open opens the file on disk, if it is there. The caller holds the file's own lock.
func (h *handle) open() error {
	if h.File != nil || h.file.young != nil {
		return nil
	}
	f, _, err := h.layer.base.OpenFilename(h.full, h.flags)
	if err != nil {
		return err
	}
	for _, level := range []vfs.LockLevel{vfs.LOCK_SHARED, vfs.LOCK_RESERVED, vfs.LOCK_EXCLUSIVE} {
		if level <= h.lock {
			if err := f.Lock(level); err != nil {
				return errors.Join(err, f.Close())
			}
		}
	}
	h.File = f
	return nil
}

// whileYoung does something with a file that is young. done is false if it is not, any more.
func (h *handle) whileYoung(do func(s *sparse) error) (done bool, err error) {
	if h.File != nil {
		return false, nil
	}
	h.file.own.Lock()
	defer h.file.own.Unlock()
	if err := h.open(); err != nil || h.File != nil {
		return false, err
	}
	return true, do(h.file.young)
}

// born makes the file on disk and opens it.
func (h *handle) born() error {
	if h.File != nil {
		return nil
	}
	h.file.own.Lock()
	defer h.file.own.Unlock()
	if err := h.layer.j.bear(h.file); err != nil {
		return err
	}
	return h.open()
}

// ReadAt reads.
func (h *handle) ReadAt(p []byte, off int64) (n int, err error) {
	done, err := h.whileYoung(func(s *sparse) error {
		n, err = s.readAt(p, off)
		return err
	})
	if done || err != nil {
		return n, err
	}
	return h.File.ReadAt(p, off)
}

// Size is the size in bytes.
func (h *handle) Size() (size int64, err error) {
	done, err := h.whileYoung(func(s *sparse) error {
		size = s.size
		return nil
	})
	if done || err != nil {
		return size, err
	}
	return h.File.Size()
}

// Close closes the file on disk, if it is open.
func (h *handle) Close() error {
	if h.File == nil {
		return nil
	}
	return h.File.Close()
}

// SectorSize is the machine's.
func (h *handle) SectorSize() int {
	if h.File == nil {
		return block
	}
	return h.File.SectorSize()
}

// DeviceCharacteristics are the machine's.
func (h *handle) DeviceCharacteristics() vfs.DeviceCharacteristic {
	if h.File == nil {
		return vfs.IOCAP_POWERSAFE_OVERWRITE | vfs.IOCAP_SUBPAGE_READ
	}
	return h.File.DeviceCharacteristics()
}
