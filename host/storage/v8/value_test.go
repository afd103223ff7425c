package v8_test

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"durago.example/host/storage/v8"
	"durago.example/wasm/value"
)

// buffer is what a stored ArrayBuffer or view holds.
func buffer(t testing.TB, stored []byte) (b []byte) {
	v, err := v8.Decode(nil, stored)
	require.NoError(t, err)
	require.NoError(t, value.Unmarshal(v, &b))
	return b
}

// withoutStacks copies a value of the guest's codec with every Error's stack empty.
func withoutStacks(t testing.TB, b []byte) []byte {
	w := walker{t: t, in: b}
	w.value()
	require.Empty(t, w.in)
	return w.out
}

type walker struct {
	t       testing.TB
	in, out []byte
}

func (w *walker) copy(n int) {
	require.LessOrEqual(w.t, n, len(w.in))
	w.out, w.in = append(w.out, w.in[:n]...), w.in[n:]
}

func (w *walker) uint() int {
	v, n := binary.Uvarint(w.in)
	require.Positive(w.t, n)
	w.copy(n)
	return int(v)
}

func (w *walker) value() {
	tag := w.in[0]
	w.copy(1)
	switch tag {
	case value.TagInt, value.TagRef:
		w.uint()
	case value.TagFloat, value.TagDate:
		w.copy(8)
	case value.TagString, value.TagString16, value.TagBytes:
		w.copy(w.uint())
	case value.TagView, value.TagBigInt:
		w.copy(1)
		w.copy(w.uint())
	case value.TagRegExp:
		w.copy(w.uint())
		w.copy(w.uint())
	case value.TagBoxed:
		w.value()
	case value.TagArray, value.TagSet:
		for n := w.uint(); n > 0; n-- {
			w.value()
		}
	case value.TagSparse:
		w.uint()
		for n := w.uint(); n > 0; n-- {
			w.uint()
			w.value()
		}
	case value.TagObject:
		for n := w.uint(); n > 0; n-- {
			w.copy(w.uint())
			w.value()
		}
	case value.TagMap:
		for n := w.uint(); n > 0; n-- {
			w.value()
			w.value()
		}
	case value.TagError:
		w.copy(w.uint())
		w.copy(w.uint())
		n, size := binary.Uvarint(w.in)
		w.in = w.in[size+int(n):]
		w.out = append(w.out, 0)
		w.copy(1)
		if w.out[len(w.out)-1] == 1 {
			w.value()
		}
		w.value()
	}
}

// values draws values of every kind, as the guest's codec or the shim writes them.
func values() *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		d := drawer{t: t}
		d.value(0)
		return d.b
	})
}

type drawer struct {
	t       *rapid.T
	b       []byte
	objects int
	refs    []int // the objects that may be referred to
}

func (d *drawer) int(least, most int) int { return rapid.IntRange(least, most).Draw(d.t, "n") }

func (d *drawer) uint(n int) { d.b = binary.AppendUvarint(d.b, uint64(n)) }

func (d *drawer) tag(t byte) { d.b = append(d.b, t) }

func (d *drawer) text() string {
	return rapid.StringOfN(rapid.SampledFrom([]rune("ab0\u00e9\u20ac😀\x00")), 0, 5, -1).Draw(d.t, "text")
}

func (d *drawer) bytes(n int) {
	d.uint(n)
	d.b = append(d.b, rapid.SliceOfN(rapid.Byte(), n, n).Draw(d.t, "bytes")...)
}

func (d *drawer) number() {
	switch d.int(0, 3) {
	case 0:
		d.b = value.AppendFloat(d.b, rapid.Float64Range(-1e20, 1e20).Draw(d.t, "float"))
	case 1:
		d.b = value.AppendFloat(d.b, rapid.SampledFrom([]float64{0, math.Copysign(0, -1), math.Inf(1), 1 << 30, 1<<30 - 1, -1 << 30, -1<<30 - 1, 1<<53 - 1}).Draw(d.t, "edge"))
	default:
		d.b = value.AppendFloat(d.b, float64(d.int(-3, 1000)))
	}
}

// keys are those of an object: some are array indexes, out of order.
func (d *drawer) keys() []string {
	key := rapid.Custom(func(t *rapid.T) string {
		if rapid.Bool().Draw(t, "index") {
			return strconv.Itoa(rapid.SampledFrom([]int{0, 1, 2, 10, 1 << 30, 1<<32 - 2, 1<<32 - 1}).Draw(t, "key"))
		}
		return rapid.StringOfN(rapid.SampledFrom([]rune("abc0\u00e9\u20ac")), 0, 3, -1).Draw(t, "key")
	})
	return rapid.SliceOfNDistinct(key, 0, 5, rapid.ID).Draw(d.t, "keys")
}

// begin counts an object.
func (d *drawer) begin() {
	d.refs = append(d.refs, d.objects)
	d.objects++
}

func (d *drawer) properties(depth int) {
	d.begin()
	d.tag(value.TagObject)
	keys := d.keys()
	d.uint(len(keys))
	for _, k := range keys {
		d.b = value.AppendKey(d.b, k)
		d.value(depth)
	}
}

func (d *drawer) value(depth int) {
	kinds := 20
	if depth > 4 {
		kinds = 13
	}
	switch kind := d.int(0, kinds); kind {
	case 0:
		d.tag(rapid.SampledFrom([]byte{value.TagUndefined, value.TagNull, value.TagTrue, value.TagFalse}).Draw(d.t, "constant"))
	case 1, 2:
		d.number()
	case 3, 4:
		d.b = value.AppendString(d.b, d.text())
	case 5:
		d.b = append(d.b, value.TagString16, 4, 0, 0xd8, byte(d.int(0, 255)), 0x20) // a lone surrogate, and a sign
	case 6:
		n := rapid.SliceOfN(rapid.ByteRange(1, 255), 0, 17).Draw(d.t, "magnitude")
		sign := byte(0)
		if len(n) > 0 {
			sign = byte(d.int(0, 1))
		}
		d.b = append(d.b, value.TagBigInt, sign)
		d.uint(len(n))
		d.b = append(d.b, n...)
	case 7:
		d.begin()
		d.tag(value.TagBytes)
		d.bytes(d.int(0, 9))
	case 8:
		d.begin()
		views := []int{1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 1, 2}
		kind := d.int(0, len(views)-1)
		d.b = append(d.b, value.TagView, byte(kind))
		d.bytes(views[kind] * d.int(0, 3))
	case 9:
		d.begin()
		d.b = value.AppendDate(d.b, float64(d.int(-1e12, 1e12)))
	case 10:
		d.begin()
		d.tag(value.TagRegExp)
		d.b = value.AppendKey(d.b, rapid.SampledFrom([]string{"a", "[\u20ac]", "(?:)", "\\/"}).Draw(d.t, "source"))
		d.b = value.AppendKey(d.b, rapid.SampledFrom([]string{"", "g", "dgimsuy", "v"}).Draw(d.t, "flags"))
	case 11:
		d.begin()
		d.tag(value.TagBoxed)
		switch d.int(0, 2) {
		case 0:
			d.tag(value.TagTrue)
		case 1:
			d.number()
		default:
			d.b = value.AppendString(d.b, d.text())
		}
	case 12:
		if len(d.refs) == 0 {
			d.tag(value.TagNull)
			return
		}
		d.tag(value.TagRef)
		d.uint(rapid.SampledFrom(d.refs).Draw(d.t, "reference"))
	case 13, 14:
		d.begin()
		n := d.int(0, 5)
		d.b = value.AppendArray(d.b, n)
		for range n {
			if kind == 13 {
				d.number()
			} else {
				d.value(depth + 1)
			}
		}
	case 15:
		d.begin()
		d.tag(value.TagSparse)
		n := d.int(1, 200)
		d.uint(n)
		at := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, min(n-1, 4), rapid.ID).Draw(d.t, "indexes")
		slices.Sort(at)
		d.uint(len(at))
		for _, i := range at {
			d.uint(i)
			d.value(depth + 1)
		}
	case 16, 17:
		d.properties(depth + 1)
	case 18: // keys and members that cannot be equal to each other
		d.begin()
		n := d.int(0, 4)
		d.tag(value.TagMap)
		d.uint(n)
		for i := range n {
			d.b = value.AppendFloat(d.b, float64(i))
			d.value(depth + 1)
		}
	case 19:
		d.begin()
		n := d.int(0, 4)
		d.tag(value.TagSet)
		d.uint(n)
		for i := range n {
			d.b = value.AppendString(d.b, strconv.Itoa(i))
		}
	default:
		n := d.objects
		d.objects++
		defer func() { d.refs = append(d.refs, n) }() // workerd reads no Error that refers to itself
		d.tag(value.TagError)
		d.b = value.AppendKey(d.b, rapid.SampledFrom([]string{"Error", "TypeError", "RangeError", "Mine\u20ac"}).Draw(d.t, "name"))
		d.b = value.AppendKey(d.b, d.text())
		d.uint(0)
		if d.int(0, 1) == 1 {
			d.tag(1)
			d.b = value.AppendFloat(d.b, 1)
		} else {
			d.tag(0)
		}
		d.objects++
		d.b = value.AppendObject(d.b, 1)
		d.b = value.AppendKey(d.b, "code")
		d.value(depth + 1)
	}
}
