package journal

import (
	"encoding/binary"
	"io"
)

// What the journal knows of SQLite's logs. https://sqlite.org/fileformat2.html#walformat

// salts are those of a log's head; they change whenever SQLite begins the log anew. Zero is no log.
type salts [8]byte

// walHead is the size of a log's head, with the size of a page at 8 and the salts at 16, and frameHead that of a frame's,
// with the size of the database at 4 if a transaction ends there.
const (
	walHead   = 32
	frameHead = 24
)

// readHead reads the salts of a log. ok is false if it has no head that is whole.
func readHead(f io.ReaderAt) (s salts, ok bool) {
	var head [walHead]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return s, false
	}
	_, ok = checkHead(head[:])
	return salts(head[16:24]), ok
}

// sum is SQLite's checksum of a log, which goes on from frame to frame.
// https://sqlite.org/fileformat2.html#checksum_algorithm
type sum struct {
	order binary.ByteOrder
	a, b  uint32
}

func (s *sum) add(p []byte) {
	for i := 0; i < len(p); i += 8 {
		s.a += s.order.Uint32(p[i:]) + s.b
		s.b += s.order.Uint32(p[i+4:]) + s.a
	}
}

// is tells whether the sum is the one that stands at p.
func (s *sum) is(p []byte) bool {
	return s.a == binary.BigEndian.Uint32(p) && s.b == binary.BigEndian.Uint32(p[4:])
}

func checkHead(head []byte) (s sum, ok bool) {
	switch binary.BigEndian.Uint32(head) {
	case 0x377f0682:
		s.order = le
	case 0x377f0683:
		s.order = binary.BigEndian
	default:
		return s, false
	}
	s.add(head[:24])
	return s, s.is(head[24:])
}

// committed is where the last transaction of a log ends that is whole; 0 if there is none.
func committed(f io.ReaderAt) (end int64) {
	scan(f, func(after int64) bool {
		end = after
		return true
	})
	return end
}

// hasCommit tells whether a log has a transaction that is whole.
func hasCommit(f io.ReaderAt) (has bool) {
	scan(f, func(int64) bool {
		has = true
		return false
	})
	return has
}

// scan calls more with the end of each transaction, in order, until it is false.
func scan(f io.ReaderAt, more func(end int64) bool) {
	var head [walHead]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return
	}
	s, ok := checkHead(head[:])
	page := int64(binary.BigEndian.Uint32(head[8:]))
	if !ok || page < 512 || page > 65536 || page%8 != 0 {
		return
	}
	frame := make([]byte, frameHead+page)
	for off := int64(walHead); ; off += int64(len(frame)) {
		if _, err := f.ReadAt(frame, off); err != nil || salts(frame[8:16]) != salts(head[16:24]) {
			return
		}
		s.add(frame[:8])
		s.add(frame[frameHead:])
		if !s.is(frame[16:]) || binary.BigEndian.Uint32(frame[4:]) != 0 && !more(off+int64(len(frame))) {
			return
		}
	}
}
