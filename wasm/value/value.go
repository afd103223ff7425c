// Package value is the tagged binary codec for what JavaScript's structured clone holds: RPC arguments and results,
// stored values, socket attachments. It knows neither wasm nor JavaScript; guest, host and shim share it.
//
// A value is one tag byte and its payload. uv is a uvarint, zz a zigzag varint, str a uv length and UTF-8.
//
//	_ undefined        0 null          T true, F false
//	I integer: zz, within ±2^53        N number: float64, little-endian
//	S string: str      s string with lone surrogates: uv byte length, UTF-16LE
//	B ArrayBuffer: uv length, bytes    V view: kind u8, uv byte length, bytes
//	D Date: float64 ms, NaN if invalid R RegExp: str source, str flags
//	A array: uv count, values          a sparse array: uv length, uv count, then uv index and value of each
//	O object: uv count, then str key and value of each, in order
//	M Map: uv count, key and value     Z Set: uv count, values
//	G BigInt: sign u8, uv length, magnitude little-endian
//	E Error: str name, str message, str stack, u8 1 and the cause or 0, O own properties
//	X boxed primitive: the value       ^ back-reference: uv index of the object begun that many objects ago from the start
//	H handle: kind u8, u32; a stream, stub, target or callback, whose meaning is the runtime's
//
// A value that holds handles begins with L: uv count, and the place of each as a u32, counted from the end of that list.
// Who passes such a value on gives its handles other numbers without reading it.
//
// A Date, RegExp, boxed primitive, buffer, view, array, object, Map, Set, Error and handle are objects and take the
// next index when they begin. Nesting is bounded by abi.MaxDepth in every encoder and decoder.
//
// # What a Go value is in JavaScript and in storage
//
// The columns are the type in Go, in the declarations that the build writes, the tags above, and the tags of V8's
// format, which storage holds (package host/storage/v8). A test compares each row.
//
//	bool                   boolean                 T F  T F
//	int … uint64           number                  I    I N
//	float32, float64       number                  I N  I N
//	string                 string                  S    " c
//	[]byte                 ArrayBuffer             B    B
//	time.Time              Date                    D    D
//	big.Int, *big.Int      bigint                  G    Z
//	[]T, [n]T              T[]                     A    A
//	map[string]T           Record<string, T>       O    o
//	map[K]T                Map<K, T>               M    ;
//	struct                 { field: T; }           O    o
//	*T                     T | null                0    0
//	any                    any                     0    0
//	Map                    Map<any, any>           M    ;
//	Set                    Set<any>                Z    '
//	RegExp                 RegExp                  R    R
//	Sparse                 any[]                   a    a
//	*Error                 Error                   E    \
//	Undefined              undefined               _    _
//
// Of these:
//
//   - An integer beyond ±2^53 is an error, both ways, as a JavaScript number would lose digits: use *big.Int, or a
//     string. An integer takes a BigInt that fits it. A number with a fraction, or that does not fit, is an error.
//   - A Time is whole milliseconds; the zero Time is the invalid Date, and so is what JavaScript has no Date for.
//   - A nil slice or map is an empty one: only a nil pointer and a nil any are null. A pointer that is not nil is what it
//     points to. null goes into a pointer, slice, map or any, and is an error elsewhere; undefined leaves anything zero.
//   - []byte takes an ArrayBuffer or any view; an array of bytes that is no slice is numbers.
//   - A field's property has the name in its tag `js`, else in its tag `json`, else its own with its first word in small
//     letters: Name is name, ID is id, URLPath is urlPath. "-" leaves it out; omitempty leaves it out while it is zero or an empty slice or map, omitzero while it is zero: it
//     is absent then, not null. The fields of an embedded struct are those of the outer one, which hide them; an embedded pointer is a property.
//   - Properties that the struct has no field for are ignored; fields that the object has no property for stay as they
//     were.
//   - A map's keys are in order. In storage, keys that are array indexes come first, as JavaScript has them.
//   - An io.Reader is a ReadableStream, and a Linked what it says; they are handles, and cross in calls only.
//   - Into any go nil, bool, float64, string, []byte, []any, map[string]any, time.Time, *big.Int and the types of this
//     package. Views come as their bytes, boxed primitives as what is in them.
package value

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"durago.example/wasm/abi"
)

// Tags.
const (
	TagUndefined = '_'
	TagNull      = '0'
	TagTrue      = 'T'
	TagFalse     = 'F'
	TagInt       = 'I'
	TagFloat     = 'N'
	TagString    = 'S'
	TagString16  = 's'
	TagBytes     = 'B'
	TagView      = 'V'
	TagDate      = 'D'
	TagRegExp    = 'R'
	TagArray     = 'A'
	TagSparse    = 'a'
	TagObject    = 'O'
	TagMap       = 'M'
	TagSet       = 'Z'
	TagBigInt    = 'G'
	TagError     = 'E'
	TagBoxed     = 'X'
	TagRef       = '^'
	TagHandle    = 'H'
	TagLinks     = 'L'
)

// Kinds of a view, in the order of the platform's constructors.
const (
	ViewInt8 = iota
	ViewUint8
	ViewUint8Clamped
	ViewInt16
	ViewUint16
	ViewInt32
	ViewUint32
	ViewFloat32
	ViewFloat64
	ViewBigInt64
	ViewBigUint64
	ViewDataView
	ViewFloat16
)

// Errors of every decoder.
var (
	ErrMalformed = errors.New("value: malformed")
	ErrDepth     = fmt.Errorf("value: nested deeper than %d", abi.MaxDepth)
	ErrCost      = errors.New("value: back-references expand to too much")
	// ErrLink says that a value holds what is no data, where nothing but data may be: see AppendLinked.
	ErrLink = errors.New("value: a stream, stub, target or callback cannot be kept: it is for calls")
)

// maxSafe is the greatest integer that a JavaScript number holds exactly.
const maxSafe = 1 << 53

// AppendUndefined appends undefined.
func AppendUndefined(b []byte) []byte { return append(b, TagUndefined) }

// AppendNull appends null.
func AppendNull(b []byte) []byte { return append(b, TagNull) }

// AppendBool appends a boolean.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, TagTrue)
	}
	return append(b, TagFalse)
}

// AppendInt appends an integer; beyond 2^53 it is an error that says what to do instead.
func AppendInt(b []byte, n int64) ([]byte, error) {
	if n > maxSafe || n < -maxSafe {
		return b, fmt.Errorf("value: %d is beyond 2^53, where JavaScript numbers lose digits: use *big.Int or a string", n)
	}
	return binary.AppendVarint(append(b, TagInt), n), nil
}

// AppendFloat appends a number; a whole one takes the short form.
func AppendFloat(b []byte, f float64) []byte {
	if f == math.Trunc(f) && math.Abs(f) <= maxSafe && (f != 0 || !math.Signbit(f)) {
		return binary.AppendVarint(append(b, TagInt), int64(f))
	}
	return binary.LittleEndian.AppendUint64(append(b, TagFloat), math.Float64bits(f))
}

// AppendString appends a string.
func AppendString(b []byte, s string) []byte { return appendStr(append(b, TagString), s) }

func appendStr(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// AppendBytes appends an ArrayBuffer.
func AppendBytes(b, p []byte) []byte {
	return append(binary.AppendUvarint(append(b, TagBytes), uint64(len(p))), p...)
}

// AppendDate appends a Date.
func AppendDate(b []byte, ms float64) []byte {
	return binary.LittleEndian.AppendUint64(append(b, TagDate), math.Float64bits(ms))
}

// AppendArray begins an array of n values, which follow.
func AppendArray(b []byte, n int) []byte { return binary.AppendUvarint(append(b, TagArray), uint64(n)) }

// AppendObject begins an object of n pairs of AppendKey and a value.
func AppendObject(b []byte, n int) []byte {
	return binary.AppendUvarint(append(b, TagObject), uint64(n))
}

// AppendKey appends the key of an object's pair.
func AppendKey(b []byte, key string) []byte { return appendStr(b, key) }

// ReadArray takes an array's head off b: the number of values, which follow in rest.
func ReadArray(b []byte) (n int, rest []byte, err error) {
	d := decoder{b: b}
	if d.byte() != TagArray {
		return 0, nil, fmt.Errorf("%w: want an array", ErrMalformed)
	}
	n = d.count(1)
	return n, d.b[d.at:], d.err
}

// ReadInto decodes the first value of b into what p points to, and returns the rest.
func ReadInto(b []byte, p any) (rest []byte, err error) {
	d := decoder{b: b, budget: 16*len(b) + 1024}
	if err := d.into(p); err != nil {
		return nil, err
	}
	return d.b[d.at:], nil
}

// Unmarshal decodes b, which holds one value, into what p points to.
func Unmarshal(b []byte, p any) error {
	rest, err := ReadInto(b, p)
	if err == nil && len(rest) > 0 {
		return fmt.Errorf("%w: %d bytes after the value", ErrMalformed, len(rest))
	}
	return err
}
