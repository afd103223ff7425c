package v8

import (
	"encoding/binary"
	"math"
	"slices"
	"sort"

	"durago.example/wasm/abi"
)

// source reads the bytes of either codec. The first error stays, and every later read is zero.
type source struct {
	b       []byte
	at      int
	err     error
	depth   int
	objects []object
	last    uint32 // objects of the result so far
	careful bool
}

// object is one of the source's objects, which are sorted by where they begin.
type object struct {
	at   int    // of the tag
	from int    // of what must be read to have it: for a view its buffer, else at
	end  int    // 0 until it is known
	id   uint32 // one more than its number in the result; 0 if it is not there yet
	open bool   // an Error that is under way: workerd reads none that refers to itself
}

func (s *source) fail(err error) {
	if s.err == nil {
		s.err = err
	}
	s.at = len(s.b)
}

func (s *source) byte() byte {
	if s.at >= len(s.b) {
		s.fail(ErrMalformed)
		return 0
	}
	c := s.b[s.at]
	s.at++
	return c
}

func (s *source) varint() uint64 {
	if s.at < len(s.b) && s.b[s.at] < 128 {
		s.at++
		return uint64(s.b[s.at-1])
	}
	v, n := binary.Uvarint(s.b[s.at:])
	if n <= 0 {
		s.fail(ErrMalformed)
		return 0
	}
	s.at += n
	return v
}

// count reads a number of elements of at least size bytes each: no more than there can be.
func (s *source) count(size int) int {
	v := s.varint()
	if v > uint64(len(s.b)-s.at)/uint64(size) {
		s.fail(ErrMalformed)
		return 0
	}
	return int(v)
}

func (s *source) take(n int) []byte {
	if n < 0 || n > len(s.b)-s.at {
		s.fail(ErrMalformed)
		return nil
	}
	s.at += n
	return s.b[s.at-n : s.at]
}

func (s *source) bytes() []byte { return s.take(s.count(1)) }

func (s *source) double() float64 {
	p := s.take(8)
	if p == nil {
		return 0
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(p))
}

// enter counts the depth of a value; leave undoes it.
func (s *source) enter() {
	if s.depth++; s.depth > abi.MaxDepth {
		s.fail(ErrDepth)
	}
}

func (s *source) leave() { s.depth-- }

// object is the number in the source of the object that begins at a position. Objects are first met in order.
func (s *source) object(at, from int) int {
	n := len(s.objects)
	if n == 0 || s.objects[n-1].at < at {
		if s.objects == nil {
			s.objects = make([]object, 0, 4)
		}
		s.objects = append(s.objects, object{at: at, from: from})
		return n
	}
	return sort.Search(n, func(i int) bool { return s.objects[i].at >= at })
}

// give has an object be the next one of the result.
func (s *source) give(i int) {
	s.last++
	s.objects[i].id = s.last
}

// over steps over an object whose end is known.
func (s *source) over(i int) bool {
	if end := s.objects[i].end; end > 0 {
		s.at = end
		return true
	}
	return false
}

// end notes where an object ends.
func (s *source) end(i int) {
	if s.err == nil {
		s.objects[i].end = s.at
	}
}

// detour runs f at another position.
func (s *source) detour(at int, f func()) {
	back := s.at
	s.at = at
	f()
	if s.err == nil {
		s.at = back
	}
}

// appendDouble appends a number of either codec; there is one NaN.
func appendDouble(b []byte, f float64) []byte {
	if f != f {
		return append(b, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f)
	}
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
}

// insertCount puts a varint in the place of the byte at a position.
func insertCount(b []byte, at, n int) []byte {
	if n < 128 {
		b[at] = byte(n)
		return b
	}
	var space [binary.MaxVarintLen64]byte
	return slices.Replace(b, at, at+1, binary.AppendUvarint(space[:0], uint64(n))...)
}
