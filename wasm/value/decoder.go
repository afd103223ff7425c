package value

import (
	"encoding/binary"
	"math"
	"math/big"
	"reflect"
	"slices"
	"time"
	"unicode/utf16"

	"durago.example/wasm/abi"
)

// decoder reads tags from b at at. The first malformed field sets err, and every later read is zero.
type decoder struct {
	b       []byte
	at      int
	err     error
	depth   int
	budget  int   // values that may still be decoded: bounds what back-references expand to
	objects []int // where each object-like value begins, for back-references
	links   Links // what handles are followed with, or nil
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.at = len(d.b)
}

func (d *decoder) byte() byte {
	if d.at >= len(d.b) {
		d.fail(ErrMalformed)
		return 0
	}
	c := d.b[d.at]
	d.at++
	return c
}

func (d *decoder) uv() uint64 {
	v, n := binary.Uvarint(d.b[d.at:])
	if n <= 0 {
		d.fail(ErrMalformed)
		return 0
	}
	d.at += n
	return v
}

// count reads how many elements follow; more than can fit, at size bytes each, is malformed.
func (d *decoder) count(size int) int {
	v := d.uv()
	if v > uint64(len(d.b)-d.at)/uint64(size) {
		d.fail(ErrMalformed)
		return 0
	}
	return int(v)
}

func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.b)-d.at {
		d.fail(ErrMalformed)
		return nil
	}
	p := d.b[d.at : d.at+n]
	d.at += n
	return p
}

func (d *decoder) bytes() []byte { return d.take(d.count(1)) }
func (d *decoder) str() string   { return string(d.bytes()) }

func (d *decoder) float() float64 {
	if p := d.take(8); p != nil {
		return math.Float64frombits(binary.LittleEndian.Uint64(p))
	}
	return 0
}

func (d *decoder) zigzag() int64 {
	v, n := binary.Varint(d.b[d.at:])
	if n <= 0 {
		d.fail(ErrMalformed)
		return 0
	}
	d.at += n
	return v
}

// handle reads what follows TagHandle.
func (d *decoder) handle() Handle {
	h := Handle{Kind: d.byte()}
	if p := d.take(4); p != nil {
		h.ID = binary.LittleEndian.Uint32(p)
	}
	return h
}

// linked is what follows TagHandle as any. It is apart because what it points at is on the heap.
func (d *decoder) linked() (v any) {
	h := d.handle()
	if d.links == nil || d.err != nil {
		return h
	}
	if err := d.links.Follow(h, reflect.ValueOf(&v).Elem()); err != nil {
		d.fail(err)
	}
	return v
}

func (d *decoder) string16() string {
	p := d.bytes()
	u := make([]uint16, len(p)/2)
	for i := range u {
		u[i] = binary.LittleEndian.Uint16(p[2*i:])
	}
	return string(utf16.Decode(u)) // a lone surrogate becomes U+FFFD
}

func (d *decoder) bigInt() *big.Int {
	negative := d.byte() == 1
	p := slices.Clone(d.bytes())
	slices.Reverse(p)
	n := new(big.Int).SetBytes(p)
	if negative {
		n.Neg(n)
	}
	return n
}

// isObject tells whether a tag takes an index.
func isObject(tag byte) bool {
	switch tag {
	case TagBytes, TagView, TagDate, TagRegExp, TagArray, TagSparse, TagObject, TagMap, TagSet, TagError, TagBoxed, TagHandle:
		return true
	}
	return false
}

// begin reads a tag; it counts objects and depth. end undoes the depth.
func (d *decoder) begin() byte {
	if d.budget--; d.budget < 0 {
		d.fail(ErrCost)
	}
	if d.depth++; d.depth > abi.MaxDepth {
		d.fail(ErrDepth)
	}
	at := d.at
	tag := d.byte()
	if isObject(tag) && (len(d.objects) == 0 || d.objects[len(d.objects)-1] < at) {
		d.objects = append(d.objects, at)
	}
	return tag
}

func (d *decoder) end() { d.depth-- }

// follow decodes the value that a back-reference names by f, in place.
func (d *decoder) follow(f func()) {
	i := d.uv()
	if d.err != nil {
		return
	}
	if i >= uint64(len(d.objects)) {
		d.fail(ErrMalformed)
		return
	}
	back := d.at
	d.at = d.objects[i]
	f()
	if d.err == nil {
		d.at = back
	}
}

// skip steps over one value.
func (d *decoder) skip() {
	tag := d.begin()
	defer d.end()
	switch tag {
	case TagUndefined, TagNull, TagTrue, TagFalse:
	case TagInt:
		d.zigzag()
	case TagFloat, TagDate:
		d.take(8)
	case TagString, TagString16, TagBytes:
		d.bytes()
	case TagView, TagBigInt:
		d.byte()
		d.bytes()
	case TagRegExp:
		d.bytes()
		d.bytes()
	case TagArray, TagSet:
		for n := d.count(1); n > 0 && d.err == nil; n-- {
			d.skip()
		}
	case TagSparse:
		d.uv()
		for n := d.count(2); n > 0 && d.err == nil; n-- {
			d.uv()
			d.skip()
		}
	case TagObject:
		for n := d.count(2); n > 0 && d.err == nil; n-- {
			d.bytes()
			d.skip()
		}
	case TagMap:
		for n := d.count(2); n > 0 && d.err == nil; n-- {
			d.skip()
			d.skip()
		}
	case TagError:
		d.bytes()
		d.bytes()
		d.bytes()
		if d.byte() == 1 {
			d.skip()
		}
		d.skip()
	case TagBoxed:
		d.skip()
	case TagRef:
		d.uv()
	case TagHandle:
		d.take(5)
	default:
		d.fail(ErrMalformed)
	}
}

// any decodes the next value as plain Go data.
func (d *decoder) any() (v any) {
	tag := d.begin()
	defer d.end()
	if d.err != nil {
		return nil
	}
	switch tag {
	case TagUndefined, TagNull:
		return nil
	case TagTrue:
		return true
	case TagFalse:
		return false
	case TagInt:
		return float64(d.zigzag())
	case TagFloat:
		return d.float()
	case TagString:
		return d.str()
	case TagString16:
		return d.string16()
	case TagBytes:
		return slices.Clone(d.bytes())
	case TagView:
		d.byte()
		return slices.Clone(d.bytes())
	case TagDate:
		return date(d.float())
	case TagRegExp:
		return RegExp{d.str(), d.str()}
	case TagArray:
		n := d.count(1)
		list := make([]any, 0, n)
		for ; n > 0 && d.err == nil; n-- {
			list = append(list, d.any())
		}
		return list
	case TagSparse:
		s := Sparse{Length: uint32(d.uv()), Items: map[uint32]any{}}
		for n := d.count(2); n > 0 && d.err == nil; n-- {
			i := uint32(d.uv())
			s.Items[i] = d.any()
		}
		return s
	case TagObject:
		n := d.count(2)
		m := make(map[string]any, n)
		for ; n > 0 && d.err == nil; n-- {
			k := d.str()
			m[k] = d.any()
		}
		return m
	case TagMap:
		var m Map
		for n := d.count(2); n > 0 && d.err == nil; n-- {
			m = append(m, Pair{d.any(), d.any()})
		}
		return m
	case TagSet:
		var s Set
		for n := d.count(1); n > 0 && d.err == nil; n-- {
			s = append(s, d.any())
		}
		return s
	case TagBigInt:
		return d.bigInt()
	case TagError:
		e := &Error{Name: d.str(), Message: d.str(), Stack: d.str()}
		if d.byte() == 1 {
			e.Cause = d.any()
		}
		e.Props, _ = d.any().(map[string]any)
		return e
	case TagBoxed:
		return d.any()
	case TagRef:
		d.follow(func() { v = d.any() })
		return v
	case TagHandle:
		return d.linked()
	}
	d.fail(ErrMalformed)
	return nil
}

func date(ms float64) time.Time {
	if math.IsNaN(ms) {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms)).UTC()
}
