package prepare

import (
	"encoding/binary"
	"fmt"
)

// instruction is one instruction of a function body. A module has more than a million: there is no pointer in it.
type instruction struct {
	a   uint64 // the first immediate: an index, an alignment, a constant's bits, a block's type
	b   uint32 // the second one: an offset; how many opTarget follow a br_table, its default last
	op  byte
	sub byte // after 0xfc
}

// Opcodes that the passes look for.
const (
	opUnreachable  = 0x00
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opDrop         = 0x1a
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opI32Load      = 0x28
	opI32Load8U    = 0x2d
	opI64Load32U   = 0x35
	opI32Store     = 0x36
	opI64Store     = 0x37
	opI64Store32   = 0x3e
	opI32Const     = 0x41
	opI64Const     = 0x42
	opI32Eqz       = 0x45
	opI64Eqz       = 0x50
	opI32LeU       = 0x4d
	opI32Add       = 0x6a
	opI32Sub       = 0x6b
	opI64Add       = 0x7c
	opI32WrapI64   = 0xa7
	opI64ExtendI32 = 0xad // unsigned
	opExtended     = 0xfc
	opTarget       = 0xfd // our own: one of the depths of the br_table before it
)

const (
	typeI32   = 0x7f
	typeI64   = 0x7e
	blockVoid = ^uint64(63) // the block type "no result", as a signed number
)

// isLoad and isStore tell of an access to memory; width is its number of bytes.
func isLoad(op byte) bool  { return op >= opI32Load && op <= opI64Load32U }
func isStore(op byte) bool { return op >= opI32Store && op <= opI64Store32 }

var widths = [...]uint64{4, 8, 4, 8, 1, 1, 2, 2, 1, 1, 2, 2, 4, 4, 4, 8, 4, 8, 1, 2, 1, 2, 4}

func width(op byte) uint64 { return widths[op-opI32Load] }

// decode appends the instructions of a function body to list. An opcode that the Go toolchain does not use is refused
// rather than guessed at.
func decode(list []instruction, r *reader) []instruction {
	for r.at < len(r.b) {
		i := instruction{op: r.byte()}
		switch op := i.op; {
		case op == opUnreachable || op == 0x01 || op == opElse || op == opEnd || op == opReturn || op == opDrop || op == 0x1b:
		case op == opBlock || op == opLoop || op == opIf:
			i.a = uint64(r.s64())
		case op == opBr || op == opBrIf || op == opCall:
			i.a = uint64(r.u32())
		case op == opBrTable:
			n := r.u32()
			if uint64(n) >= uint64(len(r.b)) {
				panic(malformed("it ends too early"))
			}
			i.b = n + 1
			list = append(list, i)
			for range n {
				list = append(list, instruction{op: opTarget, a: uint64(r.u32())})
			}
			i = instruction{op: opTarget, a: uint64(r.u32())}
		case op == opCallIndirect:
			i.a, i.b = uint64(r.u32()), r.u32()
		case op >= opLocalGet && op <= 0x26: // locals, globals, tables
			i.a = uint64(r.u32())
		case isLoad(op) || isStore(op):
			i.a, i.b = uint64(r.u32()), r.u32()
		case op == 0x3f || op == 0x40: // memory.size, memory.grow
			i.a = uint64(r.byte())
		case op == opI32Const || op == opI64Const:
			i.a = uint64(r.s64())
		case op == 0x43:
			i.a = uint64(binary.LittleEndian.Uint32(r.bytes(4)))
		case op == 0x44:
			i.a = binary.LittleEndian.Uint64(r.bytes(8))
		case op >= opI32Eqz && op <= 0xc4: // numeric
		case op == opExtended:
			s := r.u32()
			i.sub = byte(s)
			switch {
			case s <= 7: // saturating conversions
			case s == 10: // memory.copy
				i.a, i.b = uint64(r.u32()), r.u32()
			case s == 11: // memory.fill
				i.a = uint64(r.u32())
			default:
				panic(malformed(fmt.Sprintf("unknown instruction 0xfc %d", s)))
			}
		default:
			panic(malformed(fmt.Sprintf("unknown instruction %#x", op)))
		}
		list = append(list, i)
	}
	return list
}

// encode appends i to b.
func (i *instruction) encode(b []byte) []byte {
	if i.op != opTarget {
		b = append(b, i.op)
	}
	switch op := i.op; {
	case op == opBlock || op == opLoop || op == opIf || op == opI32Const || op == opI64Const:
		b = appendSigned(b, int64(i.a))
	case op == opBr || op == opBrIf || op == opCall || op == opTarget || op >= opLocalGet && op <= 0x26:
		b = binary.AppendUvarint(b, i.a)
	case op == opBrTable:
		b = binary.AppendUvarint(b, uint64(i.b-1))
	case op == opCallIndirect || isLoad(op) || isStore(op):
		b = binary.AppendUvarint(binary.AppendUvarint(b, i.a), uint64(i.b))
	case op == 0x3f || op == 0x40:
		b = append(b, byte(i.a))
	case op == 0x43:
		b = binary.LittleEndian.AppendUint32(b, uint32(i.a))
	case op == 0x44:
		b = binary.LittleEndian.AppendUint64(b, i.a)
	case op == opExtended:
		b = binary.AppendUvarint(b, uint64(i.sub))
		if i.sub >= 10 {
			b = binary.AppendUvarint(b, i.a)
		}
		if i.sub == 10 {
			b = binary.AppendUvarint(b, uint64(i.b))
		}
	}
	return b
}

func appendSigned(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// effect is how many values an instruction takes from the stack and leaves there. Calls and control are not here.
func (i *instruction) effect() (pop, push int) {
	switch op := i.op; {
	case op == opDrop || op == opLocalSet || op == opGlobalSet:
		return 1, 0
	case op == 0x1b: // select
		return 3, 1
	case op == opLocalGet || op == opGlobalGet || op == 0x3f || op >= opI32Const && op <= 0x44:
		return 0, 1
	case op == opLocalTee || op == 0x40 || isLoad(op) || unary(op):
		return 1, 1
	case isStore(op):
		return 2, 0
	case op >= opI32Eqz && op <= 0xa6:
		return 2, 1
	case op == opExtended && i.sub <= 7:
		return 1, 1
	case op == opExtended:
		return 3, 0
	}
	return 0, 0
}

func unary(op byte) bool {
	return op == opI32Eqz || op == opI64Eqz || op >= 0x67 && op <= 0x69 || op >= 0x79 && op <= 0x7b ||
		op >= 0x8b && op <= 0x91 || op >= 0x99 && op <= 0x9f || op >= 0xa7 && op <= 0xc4
}
