package gojs

import (
	"math"
	"strings"

	"github.com/dop251/goja"
)

// table holds the values that the guest refers to, counted, as wasm_exec.js does. Values are found again by identity
// (objects, symbols) or by content (strings, BigInts).
type table struct {
	slots   []slot
	free    []uint32
	objects map[*goja.Object]uint32
	symbols map[*goja.Symbol]uint32
	strings map[string]uint32
}

type slot struct {
	v     goja.Value
	bytes []byte // of valuePrepareString, when v is nil
	refs  int32
}

// The first references are fixed and never released.
const (
	refZero   = 1
	refNull   = 2
	refTrue   = 3
	refFalse  = 4
	refGlobal = 5
	refGo     = 6
	permanent = math.MaxInt32 / 2
	nanHead   = 0x7FF80000
)

// Type flags in the high word of a reference.
const (
	flagObject   = 1
	flagString   = 2
	flagSymbol   = 3
	flagFunction = 4
)

func (t *table) init(vm *goja.Runtime, global, goValue *goja.Object) {
	for _, v := range []goja.Value{goja.NaN(), vm.ToValue(0), goja.Null(), vm.ToValue(true), vm.ToValue(false), global, goValue} {
		t.slots = append(t.slots, slot{v: v, refs: permanent})
	}
	t.objects = map[*goja.Object]uint32{global: refGlobal, goValue: refGo}
	t.symbols = map[*goja.Symbol]uint32{}
	t.strings = map[string]uint32{}
}

func (t *table) len() int { return len(t.slots) - len(t.free) }

func (t *table) alloc(s slot) uint32 {
	if n := len(t.free); n > 0 {
		id := t.free[n-1]
		t.free = t.free[:n-1]
		t.slots[id] = s
		return id
	}
	t.slots = append(t.slots, s)
	return uint32(len(t.slots) - 1)
}

// content is a key for a string that tells lone surrogates apart.
func content(s goja.String) string {
	k := s.String()
	if !strings.ContainsRune(k, '\uFFFD') {
		return k
	}
	var b strings.Builder
	b.WriteByte(0xff)
	for i := range s.Length() {
		c := s.CharAt(i)
		b.WriteByte(byte(c >> 8))
		b.WriteByte(byte(c))
	}
	return b.String()
}

// ref is the reference of v, which the guest holds once more from now on.
func (t *table) ref(v goja.Value) uint64 {
	if v == nil || goja.IsUndefined(v) {
		return 0
	}
	var id uint32
	var ok bool
	var flag uint64
	switch x := v.(type) {
	case *goja.Object:
		flag = flagObject
		if _, callable := goja.AssertFunction(x); callable {
			flag = flagFunction
		}
		if id, ok = t.objects[x]; !ok {
			id = t.alloc(slot{v: v})
			t.objects[x] = id
		}
	case goja.String:
		flag = flagString
		k := content(x)
		if id, ok = t.strings[k]; !ok {
			id = t.alloc(slot{v: v})
			t.strings[k] = id
		}
	case *goja.Symbol:
		flag = flagSymbol
		if id, ok = t.symbols[x]; !ok {
			id = t.alloc(slot{v: v})
			t.symbols[x] = id
		}
	default:
		switch {
		case goja.IsNumber(v):
			f := v.ToFloat()
			if math.IsNaN(f) {
				return nanHead << 32
			}
			if f != 0 {
				return math.Float64bits(f)
			}
			id = refZero
		case goja.IsNull(v):
			id = refNull
		case goja.IsBigInt(v):
			k := "\xfe" + v.String()
			if id, ok = t.strings[k]; !ok {
				id = t.alloc(slot{v: v})
				t.strings[k] = id
			}
		case v.ToBoolean():
			id = refTrue
		default:
			id = refFalse
		}
	}
	t.slots[id].refs++
	return (nanHead|flag)<<32 | uint64(id)
}

// refBytes is a reference to the bytes of a string that the guest is about to load.
func (t *table) refBytes(b []byte) uint64 {
	return (nanHead|flagObject)<<32 | uint64(t.alloc(slot{bytes: b, refs: 1}))
}

func (t *table) release(id uint32) {
	if int(id) >= len(t.slots) {
		return
	}
	s := &t.slots[id]
	if s.refs--; s.refs != 0 {
		return
	}
	switch x := s.v.(type) {
	case nil:
	case *goja.Object:
		delete(t.objects, x)
	case goja.String:
		delete(t.strings, content(x))
	case *goja.Symbol:
		delete(t.symbols, x)
	default:
		delete(t.strings, "\xfe"+x.String())
	}
	*s = slot{}
	t.free = append(t.free, id)
}
