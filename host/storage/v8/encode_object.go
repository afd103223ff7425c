package v8

import (
	"bytes"
	"slices"

	"durago.example/wasm/value"
)

// properties writes the next n properties in V8's order, and returns how many there are.
func (e *encoder) properties(n int) int {
	if e.careful {
		return e.pairs(e.collect(n))
	}
	if e.keys == nil {
		e.keys = make([][]byte, 0, 8)
	}
	base := len(e.keys)
	next, names := int64(0), false // the least index that may follow; whether names have begun
	ascending := true
	for i := 0; i < n && e.err == nil; i++ {
		key := e.bytes()
		if index, ok := arrayIndex(key); ok {
			if names || int64(index) < next {
				e.fail(errIrregular)
				return 0
			}
			next = int64(index) + 1
			e.int(int64(index))
		} else {
			ascending = ascending && (!names || bytes.Compare(e.keys[len(e.keys)-1], key) < 0)
			names = true
			e.keys = append(e.keys, key)
			e.text(key)
		}
		e.value()
	}
	if !ascending && repeats(e.keys[base:]) {
		e.fail(errIrregular)
	}
	e.keys = e.keys[:base]
	return n
}

// repeats tells whether two keys are equal. It sorts them if they are many.
func repeats(keys [][]byte) bool {
	if len(keys) <= 16 {
		for i, k := range keys {
			for _, other := range keys[:i] {
				if bytes.Equal(k, other) {
					return true
				}
			}
		}
		return false
	}
	slices.SortFunc(keys, bytes.Compare)
	for i, k := range keys[1:] {
		if bytes.Equal(k, keys[i]) {
			return true
		}
	}
	return false
}

// pair is a property that has been looked at.
type pair struct {
	key   []byte
	index uint32
	array bool // index is the key
	at    int  // of its value
}

// collect looks at the next n properties: each key once, array indexes first and in order.
func (e *encoder) collect(n int) []pair {
	var list []pair
	var seen map[string]int
	if n > 1 {
		seen = map[string]int{}
	}
	for i := 0; i < n && e.err == nil; i++ {
		p := pair{key: e.bytes()}
		p.at = e.at
		p.index, p.array = arrayIndex(p.key)
		e.skip()
		if old, ok := seen[string(p.key)]; ok {
			list[old].at = p.at
			continue
		}
		if seen != nil {
			seen[string(p.key)] = len(list)
		}
		list = append(list, p)
	}
	slices.SortStableFunc(list, func(a, b pair) int {
		switch {
		case a.array && b.array:
			return int(int64(a.index) - int64(b.index))
		case a.array:
			return -1
		case b.array:
			return 1
		}
		return 0
	})
	return list
}

// pairs writes properties that have been looked at, and returns how many.
func (e *encoder) pairs(list []pair) int {
	for _, p := range list {
		if e.err != nil {
			break
		}
		if p.array {
			e.int(int64(p.index))
		} else {
			e.text(p.key)
		}
		e.detour(p.at, e.value)
	}
	return len(list)
}

// error writes an Error as workerd does: a number for its class, the message, and one object of all other properties.
func (e *encoder) error() {
	name, message, stack := e.bytes(), e.bytes(), e.bytes()
	var list []pair
	if e.byte() == 1 {
		list = append(list, pair{key: []byte("cause"), at: e.at})
		e.skip()
	}
	at := e.at
	if e.byte() != value.TagObject {
		e.fail(ErrMalformed)
		return
	}
	e.enter()
	defer e.leave()
	i := e.object(at, at)
	for _, p := range e.collect(e.count(2)) {
		switch key := string(p.key); {
		case p.array, key == "name", key == "message", key == "stack" && len(stack) > 0, key == "cause" && len(list) > 0 && string(list[0].key) == "cause":
		default:
			list = append(list, p)
		}
	}
	e.end(i)
	e.dst = append(e.dst, tagHost, hostError)
	if class := slices.Index(errorNames[1:], string(name)); class >= 0 {
		e.tag(byte(class + 1))
	} else {
		e.tag(0)
		e.text(name)
	}
	e.text(message)
	e.give(i)
	e.tag(tagObject)
	n := 0
	if len(stack) > 0 {
		e.text([]byte("stack"))
		e.text(stack)
		n++
	}
	n += e.pairs(list)
	e.tag(tagObjectEnd)
	e.uint(uint64(n))
}

// skip steps over a value and notes the objects in it.
func (e *encoder) skip() {
	e.enter()
	defer e.leave()
	at := e.at
	tag := e.byte()
	if e.err != nil {
		return
	}
	switch tag {
	case value.TagUndefined, value.TagNull, value.TagTrue, value.TagFalse:
		return
	case value.TagInt, value.TagRef:
		e.varint()
		return
	case value.TagFloat:
		e.take(8)
		return
	case value.TagString, value.TagString16:
		e.bytes()
		return
	case value.TagBigInt:
		e.byte()
		e.bytes()
		return
	}
	i := e.object(at, at)
	if e.over(i) {
		return
	}
	e.skipInto(tag)
	e.end(i)
}

// skipFrom steps over the object that has just begun.
func (e *encoder) skipFrom(i int) {
	if !e.over(i) {
		e.at = e.objects[i].at
		e.skip()
	}
}

func (e *encoder) skipInto(tag byte) {
	switch tag {
	case value.TagBytes:
		e.bytes()
	case value.TagView:
		e.byte()
		e.bytes()
	case value.TagDate:
		e.take(8)
	case value.TagRegExp:
		e.bytes()
		e.bytes()
	case value.TagHandle:
		e.take(5)
	case value.TagBoxed:
		e.skip()
	case value.TagArray, value.TagSet:
		e.skips(e.count(1), nil)
	case value.TagSparse:
		e.varint()
		e.skips(e.count(2), func() { e.varint() })
	case value.TagObject:
		e.skips(e.count(2), func() { e.bytes() })
	case value.TagMap:
		e.skips(2*e.count(2), nil)
	case value.TagError:
		e.bytes()
		e.bytes()
		e.bytes()
		if e.byte() == 1 {
			e.skip()
		}
		e.skip()
	default:
		e.fail(ErrMalformed)
	}
}

// skips steps over n values, each behind a key if there is one.
func (e *encoder) skips(n int, key func()) {
	for ; n > 0 && e.err == nil; n-- {
		if key != nil {
			key()
		}
		e.skip()
	}
}
