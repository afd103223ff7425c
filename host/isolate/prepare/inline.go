package prepare

import (
	"bytes"
	"slices"
)

// A tenth of the calls that a Go program makes are of functions that hardly do anything: an atomic load, a barrier that is
// none on one thread. Go's compiler does not inline them, being written as assembly or marked so, and a call costs twenty
// instructions and a check of the stack. Here they are written out in the caller. Such a function is straight code without
// a frame; the only way out but its end is a nil check, and then the function itself is called, to panic in its own name.

// leaf is a function that is written out in its callers.
type leaf struct {
	body   []instruction
	locals []byte // types of its locals from 2 on
	calls  uint32 // the function that it is nothing but a call of, if body is nil
}

// maxLeaf bounds the code of a leaf, in bytes and in instructions.
const (
	maxLeaf     = 160
	maxLeafCode = 32
)

// findLeaf reads a function as a leaf.
func (m *Module) findLeaf(r *reader, s signature) (leaf, bool) {
	if len(r.b) > maxLeaf || s != (signature{1, 1}) {
		return leaf{}, false
	}
	var types []byte
	for n := r.u32(); n > 0; n-- {
		k, t := r.u32(), r.byte()
		if k > maxLocals {
			return leaf{}, false
		}
		types = append(types, bytes.Repeat([]byte{t}, int(k))...)
	}
	list := cut(simplify(decode(nil, r)))
	if !isReload(list) || len(types) == 0 || types[0] != typeI32 {
		return leaf{}, false
	}
	list = list[2:]
	if len(list) >= 5 && list[0].op == opI32Const && list[0].a == 0 && list[1].op == opCall && isReload(list[2:]) && list[4].op == opReturn {
		return leaf{calls: uint32(list[1].a)}, true
	}
	list, ok := pastDispatch(list)
	n := straight(list)
	if !ok || n < 0 || !m.keepsToArguments(list[:n]) {
		return leaf{}, false
	}
	return leaf{body: list[:n], locals: types[1:]}, true
}

// straight is the length of the code up to the return, if there is nothing but straight code and nil checks; else -1.
func straight(list []instruction) int {
	set := map[uint64]bool{}
	for at := 0; at < min(len(list), maxLeafCode); at++ {
		i := &list[at]
		switch op := i.op; {
		case isReturn(list[at:]):
			return at
		case op == opIf:
			if len(list) < at+4 || list[at+1].op != opPanic || list[at+2].op != opBr || list[at+3].op != opEnd {
				return -1
			}
			at += 3
		case op == opLocalGet && i.a != 1 && !set[i.a]:
			return -1
		case op == opLocalSet || op == opLocalTee:
			if i.a < 2 {
				return -1
			}
			set[i.a] = true
		case op == opGlobalSet, op == 0x40, op == opExtended && i.sub >= 10, op < opDrop && op != 0x01:
			return -1
		}
	}
	return -1
}

// keepsToArguments tells whether straight code uses its stack pointer for what lies beyond the return address alone,
// which is not there once the code is written out.
func (m *Module) keepsToArguments(list []instruction) bool {
	p := &addressing{list: list, hasStack: true, addresses: make([]address, len(list)), accesses: make([]access, len(list))}
	if !p.analyse(m) {
		return false
	}
	for at := range list {
		if a := p.accesses[at]; a.base > 0 && p.bases[a.base-1].kind == stack && uint64(list[at].b)+a.add < 16 {
			return false
		}
		if list[at].op == opLocalGet && list[at].a == 1 && p.addresses[at].base == 0 &&
			(!p.is(at+1, opI64ExtendI32) || !p.is(at+2, opI64Const) || list[at+2].a < 8 || list[at+2].a > 1<<20 || !p.is(at+3, opI64Add)) {
			return false
		}
	}
	return true
}

// pastDispatch skips the switch of a function that is never resumed in its midst.
func pastDispatch(list []instruction) ([]instruction, bool) {
	if len(list) == 0 || list[0].op != opBlock {
		return list, true
	}
	at := 0
	for at < len(list) && list[at].op == opBlock {
		at++
	}
	if at+1 >= len(list) || list[at].op != opLocalGet || list[at].a != 0 || list[at+1].op != opBrTable {
		return nil, false
	}
	at += 2 + int(list[at+1].b)
	if at >= len(list) || list[at].op != opEnd {
		return nil, false
	}
	return list[at+1:], true
}

// isReturn tells whether l begins by returning from a function without a frame:
//
//	local.get 1; i32.const 8; i32.add; local.tee 1; global.set 0; i32.const 0; return
func isReturn(l []instruction) bool {
	return len(l) >= 7 && l[0].op == opLocalGet && l[0].a == 1 && l[1].op == opI32Const && l[1].a == 8 && l[2].op == opI32Add &&
		l[3].op == opLocalTee && l[3].a == 1 && l[4].op == opGlobalSet && l[4].a == 0 && l[5].op == opI32Const && l[5].a == 0 && l[6].op == opReturn
}

// inliner writes leaves out.
type inliner struct {
	leaves map[uint32]leaf
	out    []instruction
	open   []int
	past   map[int]bool // blocks of the switch that nothing resumes after any more
	types  []byte       // of the locals that were added
}

// inline writes the leaves that list calls out. first is the index of the first local to add; it returns their types.
func (p *inliner) inline(list []instruction, first uint64) (_ []instruction, types []byte) {
	p.out, p.open, p.types = p.out[:0], p.open[:0], nil
	clear(p.past)
	found := false
	for at := 0; at < len(list); at++ {
		i := list[at]
		switch i.op {
		case opBlock, opLoop, opIf:
			p.open = append(p.open, at)
		case opEnd:
			if len(p.open) > 0 {
				p.open = p.open[:len(p.open)-1]
			}
		case opLocalGet:
			call, ok := isCall(list[at:])
			if !ok {
				break
			}
			f := uint32(call.a)
			l, ok := p.leaves[f]
			for ok && l.body == nil && l.calls != f { // it only calls another
				f = l.calls
				l, ok = p.leaves[f]
			}
			if !ok || l.body == nil {
				if f != uint32(call.a) {
					list[at+9].a = uint64(f)
				}
				break
			}
			p.write(&l, f, list[at+6].a, list[at+12].a, first)
			found = true
			if n := len(p.open); n > 0 && at+13 < len(list) && list[at+13].op == opEnd && list[p.open[n-1]].op == opBlock {
				p.past[p.open[n-1]] = true
			}
			at += 12
			continue
		}
		p.out = append(p.out, i)
	}
	if !found {
		return list, nil
	}
	p.trap()
	return p.out, p.types
}

// isCall tells whether l begins with a call: a push, i32.const 0, call, a reload and br_if.
func isCall(l []instruction) (*instruction, bool) {
	if len(l) < 13 || !isPush(l) || l[8].op != opI32Const || l[8].a != 0 || l[9].op != opCall || !isReload(l[10:]) || l[12].op != opBrIf {
		return nil, false
	}
	return &l[9], true
}

// write writes a leaf out that was called with a return address, in a caller that is left by a branch of depth exit.
func (p *inliner) write(l *leaf, f uint32, ret, exit, first uint64) {
	locals := [maxLocals]uint64{}
	free := map[byte]int{}
	for k, t := range l.locals {
		n := free[t]
		at := -1
		for j, have := range p.types {
			if have == t {
				if n == 0 {
					at = j
					break
				}
				n--
			}
		}
		if at < 0 {
			at = len(p.types)
			p.types = append(p.types, t)
		}
		free[t]++
		locals[k] = first + uint64(at)
	}
	for _, i := range l.body {
		switch i.op {
		case opLocalGet, opLocalSet, opLocalTee:
			if i.a == 1 {
				p.out = append(p.out, i, instruction{op: opI32Const, a: 8}, instruction{op: opI32Sub})
				continue
			}
			i.a = locals[i.a-2]
		case opPanic:
			i = instruction{op: opPanic, a: ret, b: f}
		case opBr:
			i.a = exit + 1
		}
		p.out = append(p.out, i)
	}
}

// trap has the switch lead nowhere for the pieces of code that were resumed after a call which is none any more: what
// was known before the call is known after it then. A piece that the function jumps to stays.
func (p *inliner) trap() {
	at := findSwitch(p.out)
	if at < 0 {
		return
	}
	targets := p.out[at+1 : at+1+int(p.out[at].b)]
	block := func(n uint64) int { return at - 2 - int(targets[min(n, uint64(len(targets)-1))].a) }
	for k := at + 1; k < len(p.out); k++ {
		if p.out[k].op == opLocalSet && p.out[k].a == 0 && p.out[k-1].op == opI32Const {
			delete(p.past, block(uint64(uint32(p.out[k-1].a))))
		}
	}
	trapped := make([]bool, len(targets))
	for n := range targets {
		trapped[n] = p.past[block(uint64(n))]
	}
	if !slices.Contains(trapped, true) {
		return
	}
	for n := range targets {
		if targets[n].a++; trapped[n] {
			targets[n].a = 0
		}
	}
	p.out = slices.Insert(p.out, at+1+len(targets), instruction{op: opEnd}, instruction{op: opUnreachable})
	p.out = slices.Insert(p.out, at-1, instruction{op: opBlock, a: blockVoid})
}
