// Package prepare rewrites a Go js/wasm module: Rewrite for the host, deterministically, so that the compilation cache
// works, and Shrink (shrink.go) for workerd.
//
// For the host three things change. The data section is taken out: a Go module has some 57,000 segments, and copying them in by hand
// costs a tenth of what instantiation would. Loops count a budget down and call the host when it is used up: there the
// host looks at the clock, to end a program that loops for ever; and Go's scheduler gets hold of the thread, which it
// cannot while compiled wasm runs: without that, a garbage collection would wait for the loop, and everything else, a
// watchdog included, for the collection.
//
// And the code is put so that wazero compiles it well. What Go's compiler writes is made of a few fixed sequences (see
// cmd/internal/obj/wasm): a switch that every jump goes through, a stack pointer that every call moves, a conversion at
// each use of a pointer. V8 sees through them; wazero writes six bytes of machine code for each byte of it, nine tenths of
// that to check addresses it has checked before. The passes are a file each: simplify, panics, inline, jumps, address. Each
// recognizes exact sequences and leaves alone what it does not know, so that a new Go release costs speed, not sense.
package prepare

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Budget is how many loop iterations pass between two calls of HostFunction, with a stack pointer of zero, which Go
// itself never passes: about a millisecond's.
const Budget = 1 << 18

// HostFunction is the import that a used-up budget calls: one that every Go program has.
const HostFunction = "gojs.runtime.resetMemoryDataView"

// Module is a prepared module.
type Module struct {
	Wasm     []byte
	Segments []Segment
	Imports  map[string]bool // "module.name"
	Exports  map[string]bool

	functions     map[string]uint32 // index of each imported function
	globals       uint32            // imported ones, then all
	memory        uint64            // bytes at the start
	types         []signature
	functionTypes []uint32 // imported ones first
}

// signature is how many values a function takes and returns.
type signature struct{ in, out int }

// Segment is data that belongs at Offset before the program starts.
type Segment struct {
	Offset uint32
	Data   []byte
}

// ErrNotWasm says that the bytes are no WebAssembly module.
var ErrNotWasm = errors.New("not a WebAssembly module")

// Section ids.
const (
	sectionType      = 1
	sectionImport    = 2
	sectionFunction  = 3
	sectionMemory    = 5
	sectionGlobal    = 6
	sectionExport    = 7
	sectionStart     = 8
	sectionCode      = 10
	sectionData      = 11
	sectionDataCount = 12
)

// Inspect reads the imports and exports alone.
func Inspect(wasm []byte) (*Module, error) { return read(wasm, false) }

// Rewrite prepares a module.
func Rewrite(wasm []byte) (*Module, error) { return read(wasm, true) }

func read(wasm []byte, rewrite bool) (m *Module, err error) {
	if len(wasm) < 8 || string(wasm[:4]) != "\x00asm" || binary.LittleEndian.Uint32(wasm[4:]) != 1 {
		return nil, ErrNotWasm
	}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(malformed)
			if !ok {
				panic(r)
			}
			m, err = nil, fmt.Errorf("prepare: malformed module: %s", string(e))
		}
	}()
	m = &Module{Imports: map[string]bool{}, Exports: map[string]bool{}, functions: map[string]uint32{}}
	sections := m.read(wasm, rewrite)
	if !rewrite {
		return m, nil
	}
	host, ok := m.functions[HostFunction]
	if !ok {
		return nil, fmt.Errorf("prepare: the module does not import %s: it is no Go program", HostFunction)
	}
	more := 0 // functions
	for k := range sections {
		if sections[k].id == sectionCode {
			sections[k].body, more = m.rewriteCode(sections[k].body, count(m.globals, host))
		}
	}
	m.Wasm = append(make([]byte, 0, len(wasm)), wasm[:8]...)
	counted := false // the global that loops count down is there
	for _, s := range sections {
		if s.id > sectionGlobal && !counted {
			m.add(sectionGlobal, appendGlobal(nil))
			counted = true
		}
		switch s.id {
		case sectionType:
			s.body = appendVector(s.body, 1, 0x60, 1, typeI64, 0) // of a function that panics
		case sectionFunction:
			s.body = appendVector(s.body, more, bytes.Repeat(binary.AppendUvarint(nil, uint64(len(m.types))), more)...)
		case sectionGlobal:
			s.body = appendGlobal(s.body)
			counted = true
		case sectionData:
			m.readData(&reader{b: s.body})
			continue
		case sectionDataCount:
			continue
		}
		m.add(s.id, s.body)
	}
	return m, nil
}

func (m *Module) add(id byte, body []byte) {
	m.Wasm = append(binary.AppendUvarint(append(m.Wasm, id), uint64(len(body))), body...)
}

// appendVector adds n elements to a vector.
func appendVector(body []byte, n int, elements ...byte) []byte {
	r := &reader{b: body}
	count := r.u32()
	return append(append(binary.AppendUvarint(nil, uint64(count)+uint64(n)), body[r.at:]...), elements...)
}

type section struct {
	id   byte
	body []byte
}

// read reads imports and exports, and if the module is to be rewritten all sections but code and data.
func (m *Module) read(wasm []byte, all bool) (list []section) {
	r := &reader{b: wasm, at: 8}
	for r.at < len(wasm) {
		id := r.byte()
		body := r.bytes(r.u32())
		list = append(list, section{id, body})
		s := &reader{b: body}
		switch {
		case id == sectionImport:
			m.readImports(s)
		case id == sectionExport:
			m.readExports(s)
		case !all:
		case id == sectionType:
			m.readTypes(s)
		case id == sectionFunction:
			for n := s.u32(); n > 0; n-- {
				m.functionTypes = append(m.functionTypes, s.u32())
			}
		case id == sectionMemory:
			if s.u32() > 0 {
				s.byte()
				m.memory = uint64(s.u32()) << 16
			}
		case id == sectionGlobal:
			m.globals += s.u32()
		}
	}
	return list
}

func (m *Module) readTypes(r *reader) {
	for n := r.u32(); n > 0; n-- {
		if r.byte() != 0x60 {
			panic(malformed("a type that is no function's"))
		}
		in := r.bytes(r.u32())
		out := r.bytes(r.u32())
		m.types = append(m.types, signature{len(in), len(out)})
	}
}

func (m *Module) readImports(r *reader) {
	index := uint32(0)
	for n := r.u32(); n > 0; n-- {
		module, name := string(r.bytes(r.u32())), string(r.bytes(r.u32()))
		m.Imports[module+"."+name] = true
		switch kind := r.byte(); kind {
		case 0: // function
			m.functionTypes = append(m.functionTypes, r.u32())
			m.functions[module+"."+name] = index
			index++
		case 1: // table
			r.byte()
			r.limits()
		case 2: // memory
			r.limits()
		case 3: // global
			r.byte()
			r.byte()
			m.globals++
		default:
			panic(malformed(fmt.Sprintf("import of kind %d", kind)))
		}
	}
}

func (m *Module) readExports(r *reader) {
	for n := r.u32(); n > 0; n-- {
		m.Exports[string(r.bytes(r.u32()))] = true
		r.byte()
		r.u32()
	}
}

// readData reads the segments, which share the module's memory.
func (m *Module) readData(r *reader) {
	for n := r.u32(); n > 0; n-- {
		if mode := r.u32(); mode != 0 {
			panic(malformed(fmt.Sprintf("data segment of mode %d", mode)))
		}
		if op := r.byte(); op != 0x41 {
			panic(malformed("data segment at a computed offset"))
		}
		offset := uint32(r.s64())
		if r.byte() != 0x0b {
			panic(malformed("data segment at a computed offset"))
		}
		m.Segments = append(m.Segments, Segment{offset, r.bytes(r.u32())})
	}
}

// signature is that of a function.
func (m *Module) signature(f uint64) signature {
	if f >= uint64(len(m.functionTypes)) {
		panic(malformed("a function that is not there"))
	}
	return m.typed(uint64(m.functionTypes[f]))
}

func (m *Module) typed(t uint64) signature {
	if t >= uint64(len(m.types)) {
		panic(malformed("a type that is not there"))
	}
	return m.types[t]
}

type malformed string

type reader struct {
	b  []byte
	at int
}

func (r *reader) byte() byte {
	if r.at >= len(r.b) {
		panic(malformed("it ends too early"))
	}
	r.at++
	return r.b[r.at-1]
}

func (r *reader) bytes(n uint32) []byte {
	if uint64(n) > uint64(len(r.b)-r.at) {
		panic(malformed("it ends too early"))
	}
	r.at += int(n)
	return r.b[r.at-int(n) : r.at]
}

func (r *reader) u32() uint32 {
	v, n := binary.Uvarint(r.b[r.at:])
	if n <= 0 || n > 5 || v > 1<<32-1 {
		panic(malformed("bad number"))
	}
	r.at += n
	return uint32(v)
}

func (r *reader) s64() (v int64) {
	for shift := uint(0); ; shift += 7 {
		if shift > 63 {
			panic(malformed("bad number"))
		}
		c := r.byte()
		v |= int64(c&0x7f) << shift
		if c&0x80 == 0 {
			if c&0x40 != 0 && shift < 57 {
				v |= -1 << (shift + 7)
			}
			return v
		}
	}
}

func (r *reader) limits() {
	if r.byte()&1 == 1 {
		r.u32()
	}
	r.u32()
}
