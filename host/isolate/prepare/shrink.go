package prepare

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Shrink makes a Go js/wasm module smaller, and for V8 faster too: fewer bytes to send, to check and to compile. The code
// has the passes that take something away; the data is laid out anew, without the largest table of a Go program, which
// the module then makes itself when it starts (findTable). What the program does is the same.
func Shrink(wasm []byte) (_ []byte, err error) {
	if len(wasm) < 8 || string(wasm[:4]) != "\x00asm" || binary.LittleEndian.Uint32(wasm[4:]) != 1 {
		return nil, ErrNotWasm
	}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(malformed)
			if !ok {
				panic(r)
			}
			err = fmt.Errorf("prepare: malformed module: %s", string(e))
		}
	}()
	m := &Module{Imports: map[string]bool{}, Exports: map[string]bool{}, functions: map[string]uint32{}}
	sections := m.read(wasm, true)
	if _, ok := m.functions[HostFunction]; !ok {
		return nil, fmt.Errorf("prepare: the module does not import %s: it is no Go program", HostFunction)
	}
	var code, data []byte
	panics, starts := 0, false
	for _, s := range sections {
		switch s.id {
		case sectionCode:
			code, panics = m.rewriteCode(s.body, nil)
		case sectionData:
			m.readData(&reader{b: s.body})
		case sectionStart:
			starts = true
		}
	}
	image := m.image()
	var table table
	if !starts && code != nil {
		table = findTable(image)
		table.remove(image)
	}
	more := panics
	if table.entries > 0 {
		code = appendVector(code, 1, appendBody(nil, table.maker())...)
		more++
	}
	if image != nil {
		data = segments(image)
	}
	m.Wasm = append(make([]byte, 0, len(wasm)), wasm[:8]...)
	started := table.entries == 0
	for _, s := range sections {
		if s.id > sectionStart && !started {
			m.add(sectionStart, binary.AppendUvarint(nil, uint64(len(m.functionTypes)+panics)))
			started = true
		}
		switch s.id {
		case sectionType:
			s.body = appendVector(s.body, 2, 0x60, 1, typeI64, 0, 0x60, 0, 0) // of functions that panic, and of the start
		case sectionFunction:
			kinds := bytes.Repeat(binary.AppendUvarint(nil, uint64(len(m.types))), panics)
			if more > panics {
				kinds = binary.AppendUvarint(kinds, uint64(len(m.types)+1))
			}
			s.body = appendVector(s.body, more, kinds...)
		case sectionCode:
			s.body = code
		case sectionData:
			if s.body = data; data == nil {
				continue
			}
		case sectionDataCount:
			continue // nothing in Go's code refers to segments
		}
		m.add(s.id, s.body)
	}
	return m.Wasm, nil
}

// image is the memory that the data segments make, from address zero; nil if there are none.
func (m *Module) image() []byte {
	end := uint64(0)
	for _, s := range m.Segments {
		end = max(end, uint64(s.Offset)+uint64(len(s.Data)))
	}
	if end > m.memory {
		panic(malformed("data beyond the memory"))
	}
	if end == 0 {
		return nil
	}
	b := make([]byte, end)
	for _, s := range m.Segments {
		copy(b[s.Offset:], s.Data)
	}
	return b
}

// segments is a data section with what is not zero. A segment costs its head, so that a gap of fewer zeros is none.
func segments(image []byte) []byte {
	var out []byte
	n := 0
	for at := 0; at < len(image); {
		if image[at] == 0 {
			at++
			continue
		}
		end, zeros := at+1, 0
		for k := end; k < len(image); k++ {
			if image[k] == 0 {
				if zeros++; zeros > segmentHead {
					break
				}
				continue
			}
			end, zeros = k+1, 0
		}
		out = (&instruction{op: opI32Const, a: uint64(at)}).encode(append(out, 0))
		out = append(binary.AppendUvarint(append(out, opEnd), uint64(end-at)), image[at:end]...)
		n++
		at = end
	}
	return append(binary.AppendUvarint(nil, uint64(n)), out...)
}

// segmentHead is about how many bytes a segment's head has.
const segmentHead = 8

// table is runtime.findfunctab, by which the runtime finds the function of a program counter. A program counter of Go
// in wasm is the number of a function times 65,536, and there is an entry for each 4,096 of them: for entry k the number is
// k/16, and the rest of the entry is zero. That is a megabyte of memory, and 600 KB of segments with two bytes each.
type table struct {
	at      int // address
	entries int
}

const (
	entrySize  = 20 // runtime.findfuncbucket
	perNumber  = 16 // entries of one number
	fewEntries = 1000
)

// findTable looks for the table in the memory. Whatever has its content may be made as the table is.
func findTable(image []byte) table {
	const first = perNumber * entrySize // offset of the first entry that is not zero
	for at := 0; at+2*first < len(image); at += 4 {
		if image[at+first] != 1 || binary.LittleEndian.Uint32(image[at+first:]) != 1 || binary.LittleEndian.Uint32(image[at+first-entrySize:]) != 0 {
			continue
		}
		t := table{at: at}
		for p := at; p+entrySize <= len(image) && t.is(image[p:p+entrySize]); p += entrySize {
			t.entries++
		}
		if t.entries >= fewEntries {
			return t
		}
	}
	return table{}
}

// is tells whether b is the next entry.
func (t *table) is(b []byte) bool {
	var rest [entrySize - 4]byte
	return binary.LittleEndian.Uint32(b) == uint32(t.entries/perNumber) && bytes.Equal(b[4:], rest[:])
}

func (t *table) remove(image []byte) { clear(image[t.at : t.at+t.entries*entrySize]) }

// maker is the body of a function that makes the table:
//
//	loop
//	  local.get address; local.get k; i32.const 4; i32.shr_u; i32.store at
//	  local.get address; i32.const 20; i32.add; local.set address
//	  local.get k; i32.const 1; i32.add; local.tee k; i32.const entries; i32.lt_u; br_if 0
//	end
func (t *table) maker() []byte {
	const address, k = 0, 1
	b := []byte{1, 2, typeI32}
	for _, i := range []instruction{
		{op: opLoop, a: blockVoid},
		{op: opLocalGet, a: address}, {op: opLocalGet, a: k}, {op: opI32Const, a: 4}, {op: 0x76}, {op: opI32Store, a: 2, b: uint32(t.at)},
		{op: opLocalGet, a: address}, {op: opI32Const, a: entrySize}, {op: opI32Add}, {op: opLocalSet, a: address},
		{op: opLocalGet, a: k}, {op: opI32Const, a: 1}, {op: opI32Add}, {op: opLocalTee, a: k}, {op: opI32Const, a: uint64(t.entries)}, {op: 0x49}, {op: opBrIf},
		{op: opEnd}, {op: opEnd},
	} {
		b = i.encode(b)
	}
	return b
}
