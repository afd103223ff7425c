package prepare

// A compiler checks that an access lies inside the memory, and need not do so twice for one address: what it knows of a
// value it knows until control flow meets. Go makes that hard: each use of a pointer converts a 64-bit local anew, each
// call makes a new stack pointer, each global has an address of its own. This pass gives accesses a common base:
//
//   - a pointer in local R is converted once into an i32 local, used until R changes or control flow meets;
//   - the frame is reached from the stack pointer less 8, which is also where a call pushes its return address;
//   - a constant address is an offset from a local that is always zero.
//
// One access then checks for all of a base, the furthest of them. It may trap earlier than the program would, and only
// if the program would: a check looks ahead in straight code alone, nil checks excepted. For the frame and for global
// variables it looks ahead everywhere, since they always lie inside the memory.

type baseKind byte

const (
	noBase  baseKind = iota
	pointer          // local.get R or local.tee R; i32.wrap_i64
	special          // global.get G; i32.wrap_i64
	stack            // local.get 1, and what is added to it
	static           // i64.const C; i32.wrap_i64
)

// base is a value that several accesses start from.
type base struct {
	kind   baseKind
	of     uint64 // the local or global
	uses   int
	first  int    // the instruction that yields the first address
	access int    // the first access
	ceil   uint64 // it ends here
	max    uint64 // and the furthest that may be checked with it here
	region int    // the straight code that it was made in
	local  uint64 // its own local, if it is shared
}

func (b *base) shared() bool { return b.uses > 1 }

// slot is a value on the stack.
type slot struct {
	base  int32 // 1 + index
	from  int   // the instructions that yield it
	to    int
	add   uint64
	below bool
}

// address is an instruction that yields one.
type address struct {
	base  int32 // 1 + index
	to    int32 // its last instruction
	push  bool  // a return address is pushed
	below bool  // it starts where one would be
}

// access is one to memory.
type access struct {
	base  int32  // 1 + index
	add   uint64 // what its offset grows by
	below bool
	split bool // it is no access, but the end of an `if` that control leaves
}

// lookAhead bounds how far from a pointer a check looks ahead: fields of a struct, not elements of an array.
const lookAhead = 4096

// maxLocals bounds the locals that are followed; Go has 16 registers of 64 bits, after its stack pointer.
const maxLocals = 24

// known says which base a local or global has now, as 1 + index.
type known struct {
	dead    bool // no control comes here
	pointer [maxLocals]int32
	special [8]int32
	stack   int32
}

// addressing is the pass's state; it is reused between functions.
type addressing struct {
	list      []instruction
	out       []instruction
	bases     []base
	static    int32 // 1 + index
	addresses []address
	accesses  []access
	stack     []slot
	frames    []openBlock
	now       known
	region    int
	memory    uint64 // bytes at the start
	hasStack  bool   // local 1 is the stack pointer
}

type openBlock struct {
	at      int
	height  int // of the value stack below its own
	result  int
	saved   known
	reached bool // something branches to its end
}

// share gives accesses common bases. locals is how many there are; it returns how many i32 were added.
func (p *addressing) share(m *Module, list []instruction, locals uint64, loop int) (_ []instruction, added int) {
	p.list, p.out = list, p.out[:0]
	p.bases, p.static = p.bases[:0], 0
	p.addresses = append(p.addresses[:0], make([]address, len(list))...)
	p.accesses = append(p.accesses[:0], make([]access, len(list))...)
	p.stack, p.frames = p.stack[:0], p.frames[:0]
	p.now, p.region = known{}, 0
	p.memory, p.hasStack = m.memory, isReload(list)
	if !p.analyse(m) {
		return list, 0
	}
	own := map[uint64]uint64{}
	for k := range p.bases {
		if b := &p.bases[k]; b.shared() {
			key := uint64(b.kind)<<32 | b.of
			l, ok := own[key]
			if !ok {
				l = locals + uint64(len(own))
				own[key] = l
			}
			b.local = l
		}
	}
	if len(own) == 0 && len(p.bases) == 0 {
		return list, 0
	}
	p.emit(loop)
	return p.out, len(own)
}

func (p *addressing) pop(n int) {
	if k := len(p.stack) - n; k >= 0 {
		p.stack = p.stack[:k]
	} else {
		p.stack = p.stack[:0]
	}
}

func (p *addressing) push(n int) {
	for range n {
		p.stack = append(p.stack, slot{})
	}
}

// analyse follows the code once. It fails on what it does not know.
func (p *addressing) analyse(m *Module) bool {
	for at := 0; at < len(p.list); at++ {
		i := &p.list[at]
		switch i.op {
		case opBlock, opLoop, opIf, opElse, opEnd:
			if !p.structure(at, i) {
				return false
			}
			continue
		}
		if p.now.dead {
			continue
		}
		if to := p.address(at, i); to >= 0 {
			at = to
			continue
		}
		switch op := i.op; {
		case op == opReturn || op == opUnreachable:
			p.now.dead = true
		case op == opBr:
			p.branch(i.a)
			p.now.dead = true
		case op == opBrTable:
			for _, t := range p.list[at+1 : at+1+int(i.b)] {
				p.branch(t.a)
			}
			p.now.dead = true
		case op == opBrIf:
			p.branch(i.a)
			p.pop(1)
			p.region++
		case op == opCall || op == opCallIndirect:
			var s signature
			if op == opCall {
				s = m.signature(i.a)
			} else {
				s = m.typed(i.a)
				s.in++
			}
			p.pop(s.in)
			p.push(s.out)
			p.now.special = [8]int32{}
			p.region++
		case op == opPanic:
		case op == opCount:
			p.region++
		case op == opLocalSet || op == opLocalTee:
			p.assigned(i.a)
			p.pop(1)
			if op == opLocalTee {
				p.push(1)
			}
		case op == opGlobalSet:
			p.pop(1)
			if i.a < 8 {
				p.now.special[i.a] = 0
			}
		case isLoad(op):
			p.access(at, i, 1)
			p.pop(1)
			p.push(1)
		case isStore(op):
			p.access(at, i, 2)
			p.pop(2)
		default:
			in, out := i.effect()
			p.pop(in)
			p.push(out)
		}
	}
	return true
}

// branch notes which end control may come to.
func (p *addressing) branch(depth uint64) {
	if k := len(p.frames) - 1 - int(depth); k >= 0 {
		p.frames[k].reached = true
	}
}

func (p *addressing) assigned(local uint64) {
	if local < maxLocals {
		p.now.pointer[local] = 0
	}
	if local == 1 {
		p.now.stack = 0
	}
}

// structure follows what opens and closes a block.
func (p *addressing) structure(at int, i *instruction) bool {
	switch i.op {
	case opBlock, opLoop, opIf:
		if i.op == opIf {
			p.pop(1)
		}
		f := openBlock{at: at, height: len(p.stack), saved: p.now}
		switch t := int64(i.a); {
		case t >= 0:
			return false // a type with parameters: Go has none
		case t != -64:
			f.result = 1
		}
		p.frames = append(p.frames, f)
		if i.op == opLoop && !p.now.dead {
			p.now = known{}
		}
		if i.op != opIf || !p.nilCheck(at) {
			p.region++
		}
	case opElse:
		if len(p.frames) == 0 {
			return false
		}
		f := &p.frames[len(p.frames)-1]
		p.now = f.saved
		p.stack = p.stack[:min(f.height, len(p.stack))]
		f.at = -1 - f.at // what comes after knows nothing
		p.region++
	case opEnd:
		if len(p.frames) == 0 {
			return true // of the function
		}
		f := p.frames[len(p.frames)-1]
		p.frames = p.frames[:len(p.frames)-1]
		p.stack = p.stack[:min(f.height, len(p.stack))]
		p.push(f.result)
		switch {
		case f.saved.dead:
			p.now = f.saved
		case f.at < 0 || f.reached && p.list[f.at].op != opLoop:
			p.now = known{}
		case p.list[f.at].op == opIf && p.now.dead:
			p.now = f.saved
			p.accesses[at].split = f.result == 0
		case p.list[f.at].op == opIf:
			p.now.meet(&f.saved)
		}
		if f.at < 0 || p.list[f.at].op != opIf || !p.nilCheck(f.at) {
			p.region++
		}
	}
	return true
}

// nilCheck tells whether nothing but a panic depends on the `if` at at.
func (p *addressing) nilCheck(at int) bool {
	return at+1 < len(p.list) && p.list[at+1].op == opPanic && p.list[at-1].op == opI64Eqz
}

// meet keeps what both know.
func (k *known) meet(other *known) {
	for i := range k.pointer {
		if k.pointer[i] != other.pointer[i] {
			k.pointer[i] = 0
		}
	}
	for i := range k.special {
		if k.special[i] != other.special[i] {
			k.special[i] = 0
		}
	}
	if k.stack != other.stack {
		k.stack = 0
	}
}

// is matches an instruction at at.
func (p *addressing) is(at int, op byte) bool { return at < len(p.list) && p.list[at].op == op }

// address recognizes what yields an address and pushes it; it returns the last instruction of it, or -1.
func (p *addressing) address(at int, i *instruction) int {
	switch i.op {
	case opLocalGet, opLocalTee:
		if p.hasStack && i.op == opLocalGet && i.a == 1 {
			return p.stackAddress(at)
		}
		if i.a >= maxLocals || !p.is(at+1, opI32WrapI64) {
			return -1
		}
		if i.op == opLocalTee {
			p.assigned(i.a)
			p.pop(1)
		}
		p.found(&p.now.pointer[i.a], pointer, i.a, at, at+1, 0)
		return at + 1
	case opGlobalGet:
		if i.a == 0 || i.a >= 8 || !p.is(at+1, opI32WrapI64) {
			return -1
		}
		p.found(&p.now.special[i.a], special, i.a, at, at+1, 0)
		return at + 1
	case opI64Const:
		if i.a >= 1<<31 || !p.is(at+1, opI32WrapI64) {
			return -1
		}
		p.found(&p.static, static, 0, at, at+1, i.a)
		return at + 1
	}
	return -1
}

func (p *addressing) stackAddress(at int) int {
	if isPush(p.list[at:]) {
		p.found(&p.now.stack, stack, 1, at, at+7, 0)
		p.record(at+7, p.stack[len(p.stack)-1], 0, 8)
		p.addresses[at].push = true
		p.pop(1)
		p.now.stack = 0
		return at + 7
	}
	to, add := at, uint64(8)
	below := p.is(at+1, opI32Const) && p.list[at+1].a == 8 && p.is(at+2, opI32Sub)
	if below {
		to, add = at+2, 0
	}
	if p.is(to+1, opI64ExtendI32) {
		switch {
		case p.is(to+2, opI32WrapI64):
			to += 2
		case p.is(to+2, opI64Const) && p.list[to+2].a < 1<<30 && p.is(to+3, opI64Add) && p.is(to+4, opI32WrapI64):
			add += p.list[to+2].a
			to += 4
		}
	}
	p.found(&p.now.stack, stack, 1, at, to, add)
	p.stack[len(p.stack)-1].below = below
	return to
}

// found pushes an address that starts from a base, which is made if there is none.
func (p *addressing) found(known *int32, kind baseKind, of uint64, from, to int, add uint64) {
	if *known == 0 {
		p.bases = append(p.bases, base{kind: kind, of: of, region: p.region})
		*known = int32(len(p.bases))
	}
	p.stack = append(p.stack, slot{base: *known, from: from, to: to, add: add})
}

// access notes an access whose address is the n-th value from the top.
func (p *addressing) access(at int, i *instruction, n int) {
	k := len(p.stack) - n
	if k < 0 || p.stack[k].base == 0 {
		return
	}
	p.record(at, p.stack[k], uint64(i.b), width(i.op))
}

func (p *addressing) record(at int, s slot, offset, width uint64) {
	ceil := offset + s.add + width
	if ceil >= 1<<31 {
		return
	}
	b := &p.bases[s.base-1]
	p.addresses[s.from] = address{base: s.base, to: int32(s.to), below: s.below}
	p.accesses[at] = access{base: s.base, add: s.add, below: s.below}
	if b.uses == 0 || s.from < b.first {
		b.first = s.from
	}
	if b.uses == 0 || at < b.access {
		b.access, b.ceil = at, ceil
	}
	b.uses++
	if b.kind == stack || b.kind == static && ceil <= p.memory || b.region == p.region && ceil <= lookAhead {
		b.max = max(b.max, ceil)
	}
}

// emit writes the code anew.
func (p *addressing) emit(loop int) {
	var zero *base
	if p.static > 0 && p.bases[p.static-1].shared() {
		zero = &p.bases[p.static-1]
	}
	if zero != nil && loop < 0 {
		p.look(zero)
	}
	for at := 0; at < len(p.list); at++ {
		if a := p.addresses[at]; a.base > 0 {
			p.yield(at, a)
			at = int(a.to)
			continue
		}
		i := p.list[at]
		if p.accesses[at].split { // wazero forgets what it knew after an `if` with no `else`
			p.out = append(p.out, instruction{op: opElse})
		}
		if a := p.accesses[at]; a.base > 0 {
			switch b := &p.bases[a.base-1]; {
			case b.shared():
				i.b += uint32(a.add)
			case b.kind == stack && a.below:
				i.b += uint32(a.add)
			case b.kind == stack:
				i.b += uint32(a.add - 8)
			}
		}
		p.out = append(p.out, i)
		if zero != nil && at == loop {
			p.look(zero)
		}
	}
}

// yield writes an address.
func (p *addressing) yield(at int, a address) {
	b := &p.bases[a.base-1]
	switch {
	case !b.shared() && b.kind == stack && a.below:
		p.out = append(p.out, p.list[at:at+3]...)
		return
	case !b.shared() && b.kind == stack && !a.push:
		p.out = append(p.out, p.list[at])
		return
	case !b.shared():
		p.out = append(p.out, p.list[at:a.to+1]...)
		return
	case b.kind == static || at != b.first:
		p.out = append(p.out, instruction{op: opLocalGet, a: b.local})
	default:
		if b.kind == stack {
			p.out = append(p.out, p.list[at], instruction{op: opI32Const, a: 8}, instruction{op: opI32Sub})
		} else {
			p.out = append(p.out, p.list[at:a.to+1]...)
		}
		p.out = append(p.out, instruction{op: opLocalTee, a: b.local})
		if b.max > b.ceil {
			p.look(b)
		}
	}
	if a.push {
		p.out = append(p.out, instruction{op: opLocalTee, a: 1}, p.list[at+4], instruction{op: opLocalGet, a: b.local}, p.list[at+6], p.list[at+7])
	}
}

// look has the furthest access of a base checked.
func (p *addressing) look(b *base) {
	p.out = append(p.out, instruction{op: opLocalGet, a: b.local}, instruction{op: opI32Load8U, b: uint32(b.max - 1)}, instruction{op: opDrop})
}
