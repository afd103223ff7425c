package prepare

import (
	"encoding/binary"
	"fmt"
)

// check follows each loop header: it counts a global down, and at zero refills it and calls a host function. A global
// costs one load and one store of the module's context; a word of linear memory would cost three bounds checks more,
// and Go enters a loop with each function it calls.
//
//	global.get g; i32.const 1; i32.sub; global.set g
//	global.get g; i32.eqz; if; i32.const Budget; global.set g; i32.const 0; call host; end
func check(global, host uint32) []byte {
	g := binary.AppendUvarint(nil, uint64(global))
	b := append([]byte{0x23}, g...)
	b = append(append(b, 0x41, 0x01, 0x6b, 0x24), g...)
	b = append(append(b, 0x23), g...)
	b = append(b, 0x45, 0x04, 0x40)
	b = append(appendConst(b, Budget), 0x24)
	b = append(b, g...)
	b = append(b, 0x41, 0x00, 0x10)
	return append(binary.AppendUvarint(b, uint64(host)), 0x0b)
}

// appendConst appends i32.const v, for a v of at least 0.
func appendConst(b []byte, v uint32) []byte {
	b = append(b, 0x41)
	for ; v >= 0x40; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

// appendGlobal adds a mutable i32 to a global section's body, which is nil if there was none.
func appendGlobal(body []byte) []byte {
	n, rest := uint32(0), []byte(nil)
	if body != nil {
		r := &reader{b: body}
		n, rest = r.u32(), body[r.at:]
	}
	out := append(binary.AppendUvarint(nil, uint64(n)+1), rest...)
	return append(appendConst(append(out, 0x7f, 0x01), Budget), 0x0b)
}

func rewriteCode(r *reader, global, host uint32) []byte {
	c := check(global, host)
	n := r.u32()
	out := binary.AppendUvarint(make([]byte, 0, len(r.b)+len(r.b)/64), uint64(n))
	var f []byte
	for ; n > 0; n-- {
		f = rewriteFunction(f[:0], &reader{b: r.bytes(r.u32())}, c)
		out = append(binary.AppendUvarint(out, uint64(len(f))), f...)
	}
	return out
}

func rewriteFunction(out []byte, r *reader, check []byte) []byte {
	for n := r.u32(); n > 0; n-- { // locals
		r.u32()
		r.byte()
	}
	from := 0
	for r.at < len(r.b) {
		if instruction(r) {
			out = append(append(out, r.b[from:r.at]...), check...)
			from = r.at
		}
	}
	return append(out, r.b[from:]...)
}

// instruction steps over one instruction and tells whether it was a loop header. An opcode that the Go toolchain does
// not use is refused rather than guessed at.
func instruction(r *reader) (loop bool) {
	switch op := r.byte(); {
	case op == 0x00 || op == 0x01 || op == 0x05 || op == 0x0b || op == 0x0f || op == 0x1a || op == 0x1b:
	case op == 0x02 || op == 0x04: // block, if
		r.s64()
	case op == 0x03: // loop
		r.s64()
		return true
	case op == 0x0c || op == 0x0d || op == 0x10: // br, br_if, call
		r.u32()
	case op == 0x0e: // br_table
		for n := r.u32(); n > 0; n-- {
			r.u32()
		}
		r.u32()
	case op == 0x11: // call_indirect
		r.u32()
		r.u32()
	case op == 0x1c: // select of a type
		r.bytes(r.u32())
	case op >= 0x20 && op <= 0x26: // locals, globals, tables
		r.u32()
	case op >= 0x28 && op <= 0x3e: // loads and stores
		r.u32()
		r.u32()
	case op == 0x3f || op == 0x40: // memory.size, memory.grow
		r.byte()
	case op == 0x41 || op == 0x42: // constants
		r.s64()
	case op == 0x43:
		r.bytes(4)
	case op == 0x44:
		r.bytes(8)
	case op >= 0x45 && op <= 0xc4: // numeric
	case op == 0xfc:
		extended(r)
	default:
		panic(malformed(fmt.Sprintf("unknown instruction %#x", op)))
	}
	return false
}

func extended(r *reader) {
	switch op := r.u32(); {
	case op <= 7: // saturating conversions
	case op == 8: // memory.init
		r.u32()
		r.byte()
	case op == 9 || op == 13: // data.drop, elem.drop
		r.u32()
	case op == 10 || op == 12 || op == 14: // memory.copy, table.init, table.copy
		r.u32()
		r.u32()
	case op == 11 || op >= 15 && op <= 17: // memory.fill, table.grow, size, fill
		r.u32()
	default:
		panic(malformed(fmt.Sprintf("unknown instruction 0xfc %d", op)))
	}
}
