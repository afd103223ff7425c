package journal

import (
	"io"
	"sort"
)

// sparse is the end of a file, in memory. It takes what appends, and what repeats an earlier write at the same place: that is
// how SQLite writes a log.
type sparse struct {
	base   int64   // where it begins; the file has what is before
	pieces []piece // by offset, without gaps
	size   int64   // where it ends
	held   int     // bytes of memory
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
	if size < s.base {
		return false
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
