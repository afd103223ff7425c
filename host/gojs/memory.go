package gojs

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/dop251/goja"
	"github.com/tetratelabs/wazero/sys"
)

// The guest's stack, in the toolchain's layout: 8-byte slots after sp.

func (r *Realm) u32(a uint32) uint32      { return binary.LittleEndian.Uint32(r.buf[a:]) }
func (r *Realm) u64(a uint32) uint64      { return binary.LittleEndian.Uint64(r.buf[a:]) }
func (r *Realm) put32(a uint32, v uint32) { binary.LittleEndian.PutUint32(r.buf[a:], v) }
func (r *Realm) put64(a uint32, v uint64) { binary.LittleEndian.PutUint64(r.buf[a:], v) }

func (r *Realm) slice(a uint32) []byte {
	p, n := r.u64(a), r.u64(a+8)
	return r.buf[p : p+n : p+n]
}

func (r *Realm) str(a uint32) string { return string(r.slice(a)) }

func (r *Realm) load(a uint32) goja.Value {
	bits := r.u64(a)
	if bits == 0 {
		return goja.Undefined()
	}
	if f := math.Float64frombits(bits); !math.IsNaN(f) {
		return r.vm.ToValue(f)
	}
	v := r.table.slots[uint32(bits)].v
	if v == nil {
		return goja.Undefined()
	}
	return v
}

func (r *Realm) loadObject(a uint32) *goja.Object {
	o, ok := r.load(a).(*goja.Object)
	if !ok {
		panic(errors.New("gojs: syscall/js operation on a value that is no object"))
	}
	return o
}

func (r *Realm) loadValues(a uint32) []goja.Value {
	p, n := r.u64(a), r.u64(a+8)
	out := make([]goja.Value, n)
	for i := range out {
		out[i] = r.load(uint32(p) + uint32(i)*8)
	}
	return out
}

func (r *Realm) store(a uint32, v goja.Value) { r.put64(a, r.table.ref(v)) }

func (r *Realm) storeResult(a uint32, v goja.Value, ok bool) {
	r.store(a, v)
	r.buf[a+8] = 0
	if ok {
		r.buf[a+8] = 1
	}
}

// sp is the stack pointer after JavaScript ran: guest code in between may have moved the stack. If the guest exited in
// between, this activation unwinds too.
func (r *Realm) sp(old uint32, runs int) uint32 {
	if r.exited {
		panic(sys.NewExitError(uint32(r.exitCode)))
	}
	if r.runs == runs {
		return old
	}
	r.Refresh()
	var stack [1]uint64
	if err := r.getsp.CallWithStack(r.ctx, stack[:]); err != nil {
		panic(err)
	}
	return uint32(stack[0])
}

// bytesOf is the memory of a Uint8Array or Uint8ClampedArray, the only two that may be copied.
func (r *Realm) bytesOf(v goja.Value) ([]byte, bool) {
	o, ok := v.(*goja.Object)
	if !ok || !r.vm.InstanceOf(o, r.uint8Array) && !r.vm.InstanceOf(o, r.uint8ClampedArray) {
		return nil, false
	}
	b, ok := o.Export().([]byte)
	return b, ok
}

// NewBytes makes a Uint8Array over b.
func (r *Realm) NewBytes(b []byte) (*goja.Object, error) {
	return r.newUint8Array(nil, r.vm.ToValue(r.vm.NewArrayBuffer(b)))
}
