// Package prepare rewrites a Go js/wasm module for the host, deterministically, so that the compilation cache works.
//
// Two things change. The data section is taken out: a Go module has some 57,000 segments, and copying them in by hand
// costs a tenth of what instantiation would. And each loop counts a budget down and calls the host when it is used up.
// There the host looks at the clock, to end a program that loops for ever; and Go's scheduler gets hold of the thread,
// which it cannot while compiled wasm runs: without that, a garbage collection would wait for the loop, and everything
// else, a watchdog included, for the collection.
package prepare

import (
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

	functions map[string]uint32 // index of each imported function
	globals   uint32            // imported ones, then all
}

// Segment is data that belongs at Offset before the program starts.
type Segment struct {
	Offset uint32
	Data   []byte
}

// ErrNotWasm says that the bytes are no WebAssembly module.
var ErrNotWasm = errors.New("not a WebAssembly module")

// Section ids.
const (
	sectionImport    = 2
	sectionGlobal    = 6
	sectionExport    = 7
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
	out := append(make([]byte, 0, len(wasm)+len(wasm)/32), wasm[:8]...)
	add := func(id byte, body []byte) {
		if rewrite {
			out = append(out, id)
			out = append(binary.AppendUvarint(out, uint64(len(body))), body...)
		}
	}
	r := &reader{b: wasm, at: 8}
	counted := false // the global that loops count down is there
	for r.at < len(wasm) {
		id := r.byte()
		body := r.bytes(r.u32())
		s := &reader{b: body}
		if id > sectionGlobal && !counted {
			add(sectionGlobal, appendGlobal(nil))
			counted = true
		}
		switch id {
		case sectionGlobal:
			m.globals += (&reader{b: body}).u32()
			body = appendGlobal(body)
			counted = true
		case sectionImport:
			m.readImports(s)
		case sectionExport:
			m.readExports(s)
		case sectionCode:
			if rewrite {
				host, ok := m.functions[HostFunction]
				if !ok {
					return nil, fmt.Errorf("prepare: the module does not import %s: it is no Go program", HostFunction)
				}
				body = rewriteCode(s, m.globals, host)
			}
		case sectionData:
			if rewrite {
				m.readData(s)
				continue
			}
		case sectionDataCount:
			if rewrite {
				continue
			}
		}
		add(id, body)
	}
	m.Wasm = out
	return m, nil
}

func (m *Module) readImports(r *reader) {
	index := uint32(0)
	for n := r.u32(); n > 0; n-- {
		module, name := string(r.bytes(r.u32())), string(r.bytes(r.u32()))
		m.Imports[module+"."+name] = true
		switch kind := r.byte(); kind {
		case 0: // function
			r.u32()
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
