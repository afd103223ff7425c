package abi

import (
	"encoding/binary"
	"errors"
	"math"
)

// Frames are little-endian. str is a uint32 length and that many bytes.
//
//	Headers   count u16, then name str and value str of each
//	Body      kind u8; BodyInline: the rest of the frame; BodyStream, BodyPass: handle u32
//	Request   method str, url str, flags u8, Headers, Body
//	Response  status u16, socket u32 (0: none), Headers, Body
//	Error     flags u8, name str, message str, object id str, stack str, value of own properties (may be empty)
//	Rows      cursor u32 (0: that was all), columns u16, u8 named, name str…, rows u32, SQL values
//	SQL value tag u8; SQLNumber: f64; SQLText, SQLBlob: str
//	entries   count u32, then key str and value (as str) of each
//	Namespace  binding str; after a zero byte the jurisdiction, if it is one's
//	ListOptions  flags u8, limit f64, prefix, start, startAfter, end str

// Kinds of a Body.
const (
	BodyNone   = 0
	BodyInline = 1
	BodyStream = 2 // whoever sent the frame produces it
	BodyPass   = 3 // a stream that the receiver itself gave earlier, unread
)

// RequestUpgrade is a flag of a Request of OpFetch or OpStubFetch: the Response to it may have the handle of a socket.
const RequestUpgrade = 1

// Tags of an SQL value.
const (
	SQLNull   = 0
	SQLNumber = 1
	SQLText   = 2
	SQLBlob   = 3
)

// Flags of an Error.
const (
	ErrorRemote     = 1
	ErrorRetryable  = 2
	ErrorOverloaded = 4
	ErrorReset      = 8
)

// Flags of ListOptions: which fields are set.
const (
	ListLimit      = 1
	ListPrefix     = 2
	ListStart      = 4
	ListStartAfter = 8
	ListEnd        = 16
	ListReverse    = 32
)

// AppendU16 appends v.
func AppendU16(b []byte, v uint16) []byte { return binary.LittleEndian.AppendUint16(b, v) }

// AppendU32 appends v.
func AppendU32(b []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(b, v) }

// AppendF64 appends v.
func AppendF64(b []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
}

// AppendStr appends s with its length.
func AppendStr[S ~string | ~[]byte](b []byte, s S) []byte {
	return append(AppendU32(b, uint32(len(s))), s...)
}

// AppendBool appends 1 or 0.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// ErrFrame says that a frame ended too early or holds a length beyond its end.
var ErrFrame = errors.New("abi: malformed frame")

// Reader takes a frame apart. After the first malformed field every read returns zero and Err is ErrFrame.
type Reader struct {
	b   []byte
	bad bool
}

// NewReader reads b, which must not change until the last read.
func NewReader(b []byte) Reader { return Reader{b: b} }

// Err is ErrFrame after a malformed field.
func (r *Reader) Err() error {
	if r.bad {
		return ErrFrame
	}
	return nil
}

func (r *Reader) next(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	p := r.b[:n:n]
	r.b = r.b[n:]
	return p
}

// U8 reads a byte.
func (r *Reader) U8() byte {
	if p := r.next(1); p != nil {
		return p[0]
	}
	return 0
}

// U16 reads a uint16.
func (r *Reader) U16() uint16 {
	if p := r.next(2); p != nil {
		return binary.LittleEndian.Uint16(p)
	}
	return 0
}

// U32 reads a uint32.
func (r *Reader) U32() uint32 {
	if p := r.next(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

// F64 reads a float64.
func (r *Reader) F64() float64 {
	if p := r.next(8); p != nil {
		return math.Float64frombits(binary.LittleEndian.Uint64(p))
	}
	return 0
}

// Bytes reads a str without copying it.
func (r *Reader) Bytes() []byte { return r.next(int(r.U32())) }

// Str reads a str.
func (r *Reader) Str() string { return string(r.Bytes()) }

// Rest takes what is left, without copying it.
func (r *Reader) Rest() []byte { return r.next(len(r.b)) }

// Len is how many bytes are left.
func (r *Reader) Len() int { return len(r.b) }

// Count reads a uint32 that counts elements of at least size bytes each; more than the frame can hold is malformed.
func (r *Reader) Count(size int) int {
	n := int(r.U32())
	if n < 0 || n > len(r.b)/max(size, 1) {
		r.bad, r.b = true, nil
		return 0
	}
	return n
}
