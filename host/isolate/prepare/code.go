package prepare

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"slices"
	"sync"
)

// Instructions of our own, which are written out last.
const (
	opCount = 0xfe // counts the budget down
	opPanic = 0xff // calls b with return address a, and does not return
)

// coder rewrites a run of functions. Several work side by side.
type coder struct {
	m       *Module
	count   []byte // nil if nothing is counted, and only those passes are made that also make the code smaller
	out     []byte
	panics  []site
	f       []byte // the function in hand
	list    []instruction
	other   []instruction
	inliner inliner
	address addressing
}

// site is a place in out with the index of a function that panics, which is not known before all code has been seen.
type site struct {
	at   int
	call uint32 // what the function calls in its place
}

// count is what opCount stands for: it counts a global down, and at zero refills it and calls a host function.
//
//	global.get g; i32.const 1; i32.sub; global.set g
//	global.get g; i32.eqz; if; i32.const Budget; global.set g; i32.const 0; call host; end
func count(global, host uint32) []byte {
	g := uint64(global)
	var b []byte
	for _, i := range []instruction{
		{op: opGlobalGet, a: g}, {op: opI32Const, a: 1}, {op: opI32Sub}, {op: opGlobalSet, a: g},
		{op: opGlobalGet, a: g}, {op: opI32Eqz}, {op: opIf, a: blockVoid}, {op: opI32Const, a: Budget}, {op: opGlobalSet, a: g},
		{op: opI32Const}, {op: opCall, a: uint64(host)}, {op: opEnd},
	} {
		b = i.encode(b)
	}
	return b
}

// rewriteCode returns the section's new body, and how many functions it has more. counted is what loops do.
func (m *Module) rewriteCode(body, counted []byte) (_ []byte, more int) {
	r := &reader{b: body}
	n := int(r.u32())
	if n > len(m.functionTypes) {
		panic(malformed("more code than functions"))
	}
	first := len(m.functionTypes) - n
	bodies := make([][]byte, n)
	for k := range bodies {
		bodies[k] = r.bytes(r.u32())
	}
	leaves := map[uint32]leaf{}
	for k, b := range bodies {
		if counted == nil {
			break
		}
		if l, ok := m.findLeaf(&reader{b: b}, m.signature(uint64(first+k))); ok {
			leaves[uint32(first+k)] = l
		}
	}
	coders := make([]*coder, min(runtime.GOMAXPROCS(0), 1+n/64))
	failed := make([]any, len(coders))
	var wg sync.WaitGroup
	for k := range coders {
		from, to := n*k/len(coders), n*(k+1)/len(coders)
		c := &coder{m: m, count: counted, inliner: inliner{leaves: leaves, past: map[int]bool{}}}
		coders[k] = c
		wg.Go(func() {
			defer func() { failed[k] = recover() }()
			for f := from; f < to; f++ {
				c.function(&reader{b: bodies[f]}, m.signature(uint64(first+f)))
			}
		})
	}
	wg.Wait()
	for _, r := range failed {
		if r != nil {
			panic(r)
		}
	}
	calls := resolve(coders, len(m.functionTypes))
	out := binary.AppendUvarint(make([]byte, 0, len(body)), uint64(n+len(calls)))
	for _, c := range coders {
		out = append(out, c.out...)
	}
	for _, call := range calls {
		out = appendBody(out, panicBody(call))
	}
	return out, len(calls)
}

// resolve numbers the functions that panic, from first, and returns what they call, in their order.
func resolve(coders []*coder, first int) (calls []uint32) {
	for _, c := range coders {
		for _, s := range c.panics {
			if !slices.Contains(calls, s.call) {
				calls = append(calls, s.call)
			}
		}
	}
	slices.Sort(calls)
	for _, c := range coders {
		for _, s := range c.panics {
			k, _ := slices.BinarySearch(calls, s.call)
			copy(c.out[s.at:], wideIndex(uint32(first+k)))
		}
	}
	return calls
}

// wideIndex is an index in five bytes, whatever it is.
func wideIndex(v uint32) []byte {
	return []byte{byte(v) | 0x80, byte(v>>7) | 0x80, byte(v>>14) | 0x80, byte(v>>21) | 0x80, byte(v >> 28)}
}

func appendBody(out, f []byte) []byte {
	return append(binary.AppendUvarint(out, uint64(len(f))), f...)
}

// function appends a function, rewritten.
func (c *coder) function(r *reader, s signature) {
	head := r.at
	groups := r.u32()
	locals := uint64(s.in)
	for range groups {
		locals += uint64(r.u32())
		r.byte()
	}
	declared := r.b[head:r.at]
	list := cut(simplify(decode(c.list[:0], r)))
	c.list = list
	var types []byte
	if c.count != nil {
		list, types = c.inliner.inline(list, locals)
		locals += uint64(len(types))
	}
	loop := -1
	if d, ok := findDispatch(list); ok {
		straight, back, ok := straighten(c.other[:0], list, d)
		c.other = straight
		if ok {
			list, loop = straight, d.loop
			if back == 0 {
				list[loop].op = opBlock
			}
		}
	}
	added := 0
	if c.count != nil {
		list = countLoops(list, loop)
		list, added = c.address.share(c.m, list, locals, loop)
	}
	out, panics := c.f[:0], len(c.panics)
	types = append(types, bytes.Repeat([]byte{typeI32}, added)...)
	d := &reader{b: declared}
	d.u32()
	out = append(binary.AppendUvarint(out, uint64(groups)+uint64(len(types))), declared[d.at:]...)
	for _, t := range types {
		out = append(out, 1, t)
	}
	for k := range list {
		switch i := &list[k]; i.op {
		case opCount:
			out = append(out, c.count...)
		case opPanic:
			out = (&instruction{op: opI64Const, a: i.a}).encode(out)
			c.panics = append(c.panics, site{len(out) + 1, i.b})
			out = append(append(out, opCall), wideIndex(0)...)
		default:
			out = i.encode(out)
		}
	}
	c.f = out
	c.out = appendBody(c.out, out)
	for k := range c.panics[panics:] {
		c.panics[panics+k].at += len(c.out) - len(out)
	}
}

// countLoops has each loop but one count.
func countLoops(list []instruction, but int) []instruction {
	n := 0
	for at := range list {
		if list[at].op == opLoop && at != but {
			n++
		}
	}
	if n == 0 {
		return list
	}
	out := make([]instruction, 0, len(list)+n)
	for at := range list {
		out = append(out, list[at])
		if list[at].op == opLoop && at != but {
			out = append(out, instruction{op: opCount})
		}
	}
	return out
}

// appendGlobal adds a mutable i32 to a global section's body, which is nil if there was none.
func appendGlobal(body []byte) []byte {
	if body == nil {
		body = []byte{0}
	}
	init := append((&instruction{op: opI32Const, a: Budget}).encode([]byte{typeI32, 1}), opEnd)
	return appendVector(body, 1, init...)
}
