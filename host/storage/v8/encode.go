package v8

import (
	"encoding/binary"
	"math"
	"slices"

	"durago.example/wasm/value"
)

// Encode appends to dst what V8 writes for a value of the guest's codec. dst is returned as it was with an error:
// ErrMalformed, ErrDepth, or a *CloneError for what cannot be stored. The result shares no memory with b.
//
// Where V8 itself has a choice (an array with the history of a sparse one, a string that was cut out of another) it is
// the most usual. Of an object's keys that are equal the last one counts, as in JavaScript.
func Encode(dst, b []byte) ([]byte, error) {
	out, err := encode(dst, b, false)
	if err == errIrregular {
		out, err = encode(dst, b, true)
	}
	if err != nil {
		return dst, err
	}
	return out, nil
}

func encode(dst, b []byte, careful bool) ([]byte, error) {
	e := encoder{source: source{b: b, careful: careful}, start: len(dst), dst: append(dst, versionTag, version)}
	e.value()
	if e.err == nil && e.at < len(b) {
		return dst, ErrMalformed
	}
	return e.dst, e.err
}

type encoder struct {
	source
	dst   []byte
	start int      // of the blob in dst: strings are aligned to it
	keys  [][]byte // of the objects that are under way
}

func (e *encoder) tag(t byte) { e.dst = append(e.dst, t) }

func (e *encoder) uint(v uint64) { e.dst = binary.AppendUvarint(e.dst, v) }

// value writes the next value.
func (e *encoder) value() {
	e.enter()
	defer e.leave()
	at := e.at
	tag := e.byte()
	if e.err != nil {
		return
	}
	switch tag {
	case value.TagUndefined, value.TagNull, value.TagTrue, value.TagFalse:
		e.tag(tag) // the codecs agree
	case value.TagInt:
		e.int(e.int64())
	case value.TagFloat:
		e.float(e.double())
	case value.TagString:
		e.text(e.bytes())
	case value.TagString16:
		e.text16(e.bytes())
	case value.TagBigInt:
		e.bigInt(tagBigInt)
	case value.TagRef:
		e.reference()
	default:
		i := e.object(at, at)
		if e.objects[i].id != 0 { // it was needed earlier
			e.back(i)
			e.skipFrom(i)
			return
		}
		e.give(i)
		e.structure(tag, i)
		e.objects[i].end = e.at
	}
}

// int64 reads a whole number of the guest's.
func (e *encoder) int64() int64 {
	v := e.varint()
	n := int64(v>>1) ^ -int64(v&1)
	if n > 1<<53 || n < -1<<53 {
		e.fail(ErrMalformed)
		return 0
	}
	return n
}

func (e *encoder) int(n int64) {
	if n < minSmi || n > maxSmi {
		e.number(float64(n))
		return
	}
	e.dst = binary.AppendVarint(append(e.dst, tagInt32), n)
}

// float writes a number that may be whole.
func (e *encoder) float(f float64) {
	if isSmi(f) {
		e.int(int64(f))
		return
	}
	e.number(f)
}

func isSmi(f float64) bool {
	return f >= minSmi && f <= maxSmi && f == math.Trunc(f) && (f != 0 || !math.Signbit(f))
}

func (e *encoder) number(f float64) { e.dst = appendDouble(append(e.dst, tagDouble), f) }

// text writes a string that is UTF-8.
func (e *encoder) text(p []byte) {
	if isASCII(p) {
		e.dst = append(binary.AppendUvarint(append(e.dst, tagOneByte), uint64(len(p))), p...)
		return
	}
	units, latin := measure(p)
	if latin {
		e.tag(tagOneByte)
		e.uint(uint64(units))
		e.dst = appendLatin(e.dst, p)
		return
	}
	e.twoByte(units)
	e.dst = appendUTF16(e.dst, p)
}

// text16 writes a string that is UTF-16.
func (e *encoder) text16(p []byte) {
	if len(p)%2 != 0 {
		e.fail(ErrMalformed)
		return
	}
	if isLatin(p) {
		e.tag(tagOneByte)
		e.uint(uint64(len(p) / 2))
		for i := range len(p) / 2 {
			e.dst = append(e.dst, byte(unit(p, i)))
		}
		return
	}
	e.twoByte(len(p) / 2)
	e.dst = append(e.dst, p...)
}

// twoByte begins a string of UTF-16 units, which have an even offset in the blob.
func (e *encoder) twoByte(units int) {
	var space [binary.MaxVarintLen64]byte
	head := binary.AppendUvarint(append(space[:0], tagTwoByte), uint64(2*units))
	if (len(e.dst)-e.start+len(head))%2 != 0 {
		e.tag(tagPadding)
	}
	e.dst = append(e.dst, head...)
}

// bigInt writes a BigInt behind a tag: its magnitude in whole words of 8 bytes.
func (e *encoder) bigInt(tag byte) {
	sign := e.byte()
	p := e.bytes()
	for len(p) > 0 && p[len(p)-1] == 0 {
		p = p[:len(p)-1]
	}
	if sign > 1 {
		e.fail(ErrMalformed)
		return
	}
	if len(p) == 0 {
		sign = 0
	}
	size := (len(p) + 7) / 8 * 8
	e.tag(tag)
	e.uint(uint64(sign) | uint64(size)<<1)
	e.dst = append(append(e.dst, p...), make([]byte, size-len(p))...)
}

// reference writes what a back-reference of the guest's refers to.
func (e *encoder) reference() {
	i := e.varint()
	if e.err != nil || i >= uint64(len(e.objects)) {
		e.fail(ErrMalformed)
		return
	}
	if e.objects[i].id != 0 {
		e.back(int(i))
		return
	}
	e.detour(e.objects[i].at, e.value)
}

func (e *encoder) back(i int) {
	if e.objects[i].open {
		e.fail(&CloneError{"an Error that refers to itself could be stored and never read: leave its cause out"})
		return
	}
	e.tag(tagReference)
	e.uint(uint64(e.objects[i].id - 1))
}

// structure writes the object that has just begun.
func (e *encoder) structure(tag byte, i int) {
	switch tag {
	case value.TagBytes:
		e.buffer(e.bytes())
	case value.TagView:
		e.view(i)
	case value.TagDate:
		e.dst = appendDouble(append(e.dst, tagDate), clip(e.double()))
	case value.TagRegExp:
		e.regExp()
	case value.TagBoxed:
		e.boxed()
	case value.TagArray:
		e.array()
	case value.TagSparse:
		e.sparse()
	case value.TagObject:
		e.tag(tagObject)
		n := e.properties(e.count(2))
		e.tag(tagObjectEnd)
		e.uint(uint64(n))
	case value.TagMap:
		n := e.count(2)
		e.tag(tagMap)
		e.values(2 * n)
		e.tag(tagMapEnd)
		e.uint(uint64(2 * n))
	case value.TagSet:
		n := e.count(1)
		e.tag(tagSet)
		e.values(n)
		e.tag(tagSetEnd)
		e.uint(uint64(n))
	case value.TagError:
		e.objects[i].open = true
		e.error()
		e.objects[i].open = false
	case value.TagHandle:
		e.fail(&CloneError{"ServiceStub cannot be serialized in this context."})
	default:
		e.fail(ErrMalformed)
	}
}

func (e *encoder) values(n int) {
	for ; n > 0 && e.err == nil; n-- {
		e.value()
	}
}

func (e *encoder) buffer(p []byte) {
	e.dst = append(binary.AppendUvarint(append(e.dst, tagBuffer), uint64(len(p))), p...)
}

// view writes a buffer and a view of all of it; the buffer has the number before the view's.
func (e *encoder) view(i int) {
	kind := e.byte()
	p := e.bytes()
	if int(kind) >= len(views) || len(p)%views[kind].size != 0 {
		e.fail(ErrMalformed)
		return
	}
	e.give(i)
	e.buffer(p)
	e.dst = append(e.dst, tagView, views[kind].tag, 0)
	e.uint(uint64(len(p)))
	e.uint(0)
}

// clip is JavaScript's TimeClip.
func clip(ms float64) float64 {
	if !(math.Abs(ms) <= maxDate) {
		return math.NaN()
	}
	return math.Trunc(ms) + 0
}

func (e *encoder) regExp() {
	source := e.bytes()
	flags := e.bytes()
	bits := uint64(0)
	for _, c := range flags {
		i := slices.IndexFunc(regExpFlags[:], func(f regExpFlag) bool { return f.letter == c })
		if i < 0 || bits&regExpFlags[i].bit != 0 {
			e.fail(&CloneError{"Invalid flags supplied to RegExp constructor '" + string(flags) + "'"})
			return
		}
		bits |= regExpFlags[i].bit
	}
	e.tag(tagRegExp)
	e.text(escaped(source))
	e.uint(bits)
}

func (e *encoder) boxed() {
	e.enter()
	defer e.leave()
	switch tag := e.byte(); tag {
	case value.TagTrue:
		e.tag(tagTrueObject)
	case value.TagFalse:
		e.tag(tagFalseObject)
	case value.TagInt:
		e.dst = appendDouble(append(e.dst, tagNumberObject), float64(e.int64()))
	case value.TagFloat:
		e.dst = appendDouble(append(e.dst, tagNumberObject), e.double())
	case value.TagString:
		e.tag(tagStringObject)
		e.text(e.bytes())
	case value.TagString16:
		e.tag(tagStringObject)
		e.text16(e.bytes())
	case value.TagBigInt:
		e.bigInt(tagBigIntObject)
	default:
		e.fail(ErrMalformed)
	}
}

func (e *encoder) array() {
	n := e.count(1)
	e.tag(tagDense)
	e.uint(uint64(n))
	if e.doubles(n) {
		for range n {
			if e.byte() == value.TagInt {
				e.number(float64(e.int64()))
			} else {
				e.number(e.double())
			}
		}
	} else {
		e.values(n)
	}
	e.dst = append(e.dst, tagDenseEnd, 0)
	e.uint(uint64(n))
}

// doubles tells whether the next n values are numbers, and not all of them small whole ones: V8 keeps such an array as
// doubles.
func (e *encoder) doubles(n int) bool {
	at := e.at
	some := false
	for ; n > 0 && e.err == nil; n-- {
		switch e.byte() {
		case value.TagInt:
			i := e.int64()
			some = some || i < minSmi || i > maxSmi
		case value.TagFloat:
			some = !isSmi(e.double()) || some
		default:
			e.at = at
			return false
		}
	}
	if e.err == nil {
		e.at = at
	}
	return some
}

func (e *encoder) sparse() {
	length := e.varint()
	n := e.count(2)
	if length > maxIndex+1 {
		e.fail(ErrMalformed)
		return
	}
	e.tag(tagSparse)
	e.uint(length)
	for range n {
		i := e.varint()
		if e.err == nil && i >= length {
			e.fail(&CloneError{"a sparse array has an element at or beyond its length: make the length greater"})
		}
		if e.err != nil {
			return
		}
		e.int(int64(i))
		e.value()
	}
	e.tag(tagSparseEnd)
	e.uint(uint64(n))
	e.uint(length)
}
