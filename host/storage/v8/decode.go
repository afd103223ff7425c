package v8

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"durago.example/wasm/value"
)

// Decode appends to dst the value of the guest's codec that a blob of V8's or workerd's holds. dst is returned as it
// was with an error: ErrMalformed, ErrDepth, ErrCost, or an *UnreadableError for what Go has no type for. The result
// shares no memory with b and is at most some twenty times as long.
//
// Left out are the named properties of arrays, the growth of a resizable buffer, and which views share one.
func Decode(dst, b []byte) ([]byte, error) {
	d := decoder{version: oldestVersion}
	d.b = b
	if len(b) > 0 && b[0] == versionTag {
		d.at = 1
		v := d.varint()
		if d.err != nil || v < oldestVersion || v > version {
			return dst, fmt.Errorf("%w: of version %d of V8's format, durago reads %d to %d", ErrMalformed, v, oldestVersion, version)
		}
		d.version = v
	}
	head := d.at
	for _, careful := range []bool{false, true} {
		// A V8 of 2021 wrote the flags of version 14 under version 13: read so where nothing else fits.
		for _, flags := range []bool{d.version >= flagsSince, true} {
			d = decoder{source: source{b: b, at: head, careful: careful}, version: d.version, flags: flags, dst: dst, budget: 16*len(b) + 1024}
			d.value()
			if d.err == nil && d.at < len(b) {
				d.err = ErrMalformed
			}
			if d.err == nil {
				return d.dst, nil
			}
			if d.err != ErrMalformed || d.version >= flagsSince {
				break
			}
		}
		if d.err != errIrregular {
			break
		}
	}
	return dst, d.err
}

type decoder struct {
	source
	dst     []byte
	version uint64
	flags   bool // views have flags
	budget  int  // bytes that views may still copy out of buffers that are there already
}

func (d *decoder) tag(t byte) { d.dst = append(d.dst, t) }

func (d *decoder) uint(v uint64) { d.dst = binary.AppendUvarint(d.dst, v) }

// peek is the next tag, past what may be ignored; 0 at the end.
func (d *decoder) peek() byte {
	for d.at < len(d.b) {
		switch d.b[d.at] {
		case tagPadding:
			d.at++
		case tagObjectCount:
			d.at++
			d.varint()
		default:
			return d.b[d.at]
		}
	}
	return 0
}

// is takes the next tag if it is t.
func (d *decoder) is(t byte) bool {
	if d.peek() != t {
		return false
	}
	d.at++
	return true
}

// want takes the next number, which repeats one that is known.
func (d *decoder) want(n int) {
	if d.varint() != uint64(n) {
		d.fail(ErrMalformed)
	}
}

// value reads the next value.
func (d *decoder) value() {
	d.enter()
	defer d.leave()
	tag := d.peek()
	at := d.at
	d.byte()
	if d.err != nil {
		return
	}
	switch tag {
	case tagUndefined, tagNull, tagTrue, tagFalse:
		d.tag(tag) // the codecs agree
	case tagInt32, tagUint32, tagDouble:
		d.float(d.number(tag))
	case tagOneByte, tagTwoByte, tagUTF8:
		d.text(tag)
	case tagBigInt:
		d.bigInt()
	case tagReference:
		d.reference(at)
	case tagBuffer, tagResizable:
		d.buffer(at, tag)
	default:
		i := d.object(at, at)
		if d.objects[i].id != 0 { // it was needed earlier
			d.back(i)
			d.skipFrom(i)
			return
		}
		d.structure(tag, i)
		d.end(i)
	}
}

// number reads a number behind its tag.
func (d *decoder) number(tag byte) float64 {
	switch tag {
	case tagInt32:
		v := d.uint32()
		return float64(int32(v>>1) ^ -int32(v&1))
	case tagUint32:
		return float64(d.uint32())
	}
	return d.double()
}

func (d *decoder) uint32() uint32 {
	v := d.varint()
	if v > math.MaxUint32 {
		d.fail(ErrMalformed)
		return 0
	}
	return uint32(v)
}

// text reads a string behind its tag, as a value.
func (d *decoder) text(tag byte) {
	p := d.bytes()
	if tag == tagTwoByte {
		if len(p)%2 != 0 {
			d.fail(ErrMalformed)
			return
		}
		if _, whole := utf16Length(p); !whole {
			d.tag(value.TagString16)
			d.uint(uint64(len(p)))
			d.dst = append(d.dst, p...)
			return
		}
	}
	d.tag(value.TagString)
	d.appendText(tag, p)
}

// str reads a string where the guest's codec has bare text; a lone surrogate becomes U+FFFD.
func (d *decoder) str() {
	tag := d.peek()
	switch tag {
	case tagOneByte, tagTwoByte, tagUTF8:
	default:
		d.fail(ErrMalformed)
		return
	}
	d.at++
	p := d.bytes()
	if tag == tagTwoByte && len(p)%2 != 0 {
		d.fail(ErrMalformed)
	}
	d.appendText(tag, p)
}

// appendText appends a text in UTF-8 behind its length.
func (d *decoder) appendText(tag byte, p []byte) {
	switch {
	case tag == tagTwoByte:
		n, _ := utf16Length(p)
		d.uint(uint64(n))
		d.dst = appendFromUTF16(d.dst, p)
	case tag == tagUTF8 && !utf8.Valid(p):
		s := string([]rune(string(p)))
		d.uint(uint64(len(s)))
		d.dst = append(d.dst, s...)
	case tag == tagUTF8 || isASCII(p):
		d.uint(uint64(len(p)))
		d.dst = append(d.dst, p...)
	default:
		d.uint(uint64(latinLength(p)))
		d.dst = appendFromLatin(d.dst, p)
	}
}

// bigBytes reads a BigInt's sign and magnitude, without leading zeros.
func (d *decoder) bigBytes() (sign byte, magnitude []byte) {
	bits := d.uint32()
	p := d.take(int(bits >> 1))
	for len(p) > 0 && p[len(p)-1] == 0 {
		p = p[:len(p)-1]
	}
	if len(p) > 0 {
		sign = byte(bits & 1)
	}
	return sign, p
}

func (d *decoder) bigInt() {
	sign, p := d.bigBytes()
	d.dst = append(d.dst, value.TagBigInt, sign)
	d.uint(uint64(len(p)))
	d.dst = append(d.dst, p...)
}

func (d *decoder) back(i int) {
	d.tag(value.TagRef)
	d.uint(uint64(d.objects[i].id - 1))
}

// begin gives an object its number and writes its tag.
func (d *decoder) begin(i int, tag byte) {
	d.give(i)
	d.tag(tag)
}

// structure reads the object whose tag has just been read.
func (d *decoder) structure(tag byte, i int) {
	switch tag {
	case tagDate:
		d.begin(i, value.TagDate)
		d.dst = appendDouble(d.dst, d.double())
	case tagTrueObject, tagFalseObject, tagNumberObject, tagBigIntObject, tagStringObject:
		d.boxed(i, tag)
	case tagRegExp:
		d.regExp(i)
	case tagDense:
		d.dense(i)
	case tagSparse:
		d.sparse(i)
	case tagObject:
		d.begin(i, value.TagObject)
		d.properties()
	case tagMap:
		d.begin(i, value.TagMap)
		head := len(d.dst)
		d.tag(0)
		n := d.until(tagMapEnd)
		d.want(n)
		if n%2 != 0 {
			d.fail(ErrMalformed)
			return
		}
		d.dst = insertCount(d.dst, head, n/2)
	case tagSet:
		d.begin(i, value.TagSet)
		head := len(d.dst)
		d.tag(0)
		n := d.until(tagSetEnd)
		d.want(n)
		d.dst = insertCount(d.dst, head, n)
	case tagError:
		d.error(i)
	case tagHost:
		d.host(i)
	default:
		what, ok := unreadable[tag]
		if !ok {
			d.fail(ErrMalformed)
			return
		}
		d.fail(&UnreadableError{what})
	}
}

// until reads values up to a tag, and returns how many.
func (d *decoder) until(end byte) (n int) {
	for ; d.err == nil && !d.is(end); n++ {
		d.value()
	}
	return n
}

func (d *decoder) boxed(i int, tag byte) {
	d.enter()
	defer d.leave()
	d.begin(i, value.TagBoxed)
	switch tag {
	case tagTrueObject:
		d.tag(value.TagTrue)
	case tagFalseObject:
		d.tag(value.TagFalse)
	case tagNumberObject:
		d.float(d.double())
	case tagBigIntObject:
		d.bigInt()
	default:
		switch tag := d.peek(); tag {
		case tagOneByte, tagTwoByte, tagUTF8:
			d.at++
			d.text(tag)
		default:
			d.fail(ErrMalformed)
		}
	}
}

func (d *decoder) regExp(i int) {
	d.begin(i, value.TagRegExp)
	d.str()
	bits := uint64(d.uint32())
	flags := make([]byte, 0, len(regExpFlags))
	for _, f := range regExpFlags {
		if bits&f.bit != 0 {
			flags = append(flags, f.letter)
			bits &^= f.bit
		}
	}
	if bits != 0 {
		d.fail(ErrMalformed)
		return
	}
	d.uint(uint64(len(flags)))
	d.dst = append(d.dst, flags...)
}

// properties reads an object's properties, behind the place of their number.
func (d *decoder) properties() {
	head := len(d.dst)
	d.tag(0)
	n := 0
	for ; d.err == nil && !d.is(tagObjectEnd); n++ {
		d.key()
		d.value()
	}
	d.want(n)
	if d.err == nil {
		d.dst = insertCount(d.dst, head, n)
	}
}

// key reads the key of a property, which may be a number.
func (d *decoder) key() {
	switch tag := d.peek(); tag {
	case tagInt32, tagUint32, tagDouble:
		d.at++
		f := d.number(tag)
		if f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			d.fail(ErrMalformed)
			return
		}
		var space [24]byte
		digits := fmt.Append(space[:0], int64(f))
		d.uint(uint64(len(digits)))
		d.dst = append(d.dst, digits...)
	default:
		d.str()
	}
}

// float writes a number; there is one NaN.
func (d *decoder) float(f float64) {
	if f != f {
		d.dst = appendDouble(append(d.dst, value.TagFloat), f)
		return
	}
	d.dst = value.AppendFloat(d.dst, f)
}

// kindOf is the kind of a view by V8's letter for it; -1 if there is none.
func kindOf(tag uint64) int {
	return slices.IndexFunc(views[:], func(v view) bool { return uint64(v.tag) == tag })
}
