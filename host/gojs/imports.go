package gojs

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/dop251/goja"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// ModuleName is the import module of Go 1.21 and later.
const ModuleName = "gojs"

type realmKey struct{}

// WithRealm has calls of the guest made with ctx find r.
func WithRealm(ctx context.Context, r *Realm) context.Context {
	return context.WithValue(ctx, realmKey{}, r)
}

func realmOf(ctx context.Context) *Realm { return ctx.Value(realmKey{}).(*Realm) }

// Instantiate defines the import modules, once for a wazero runtime.
func Instantiate(ctx context.Context, rt wazero.Runtime) error {
	b := rt.NewHostModuleBuilder(ModuleName)
	for name, f := range imports {
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, _ api.Module, stack []uint64) {
			f(realmOf(ctx), uint32(stack[0]))
		}), []api.ValueType{api.ValueTypeI32}, nil).Export(name)
	}
	if _, err := b.Instantiate(ctx); err != nil {
		return err
	}
	// syumai/workers says when its serve loop is ready; nothing waits for it.
	_, err := rt.NewHostModuleBuilder("workers").NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(func(context.Context, api.Module, []uint64) {}), nil, nil).Export("ready").
		Instantiate(ctx)
	return err
}

// imports are the functions of the toolchain's lib/wasm/wasm_exec.js, by name. Each comment is the Go declaration that
// the slots after sp follow.
var imports = map[string]func(r *Realm, sp uint32){
	// func wasmExit(code int32)
	"runtime.wasmExit": func(r *Realm, sp uint32) { r.exited, r.exitCode = true, int32(r.u32(sp+8)) },
	// func wasmWrite(fd uintptr, p unsafe.Pointer, n int32)
	"runtime.wasmWrite": func(r *Realm, sp uint32) {
		r.Refresh()
		fd, p, n := r.u64(sp+8), r.u64(sp+16), uint64(r.u32(sp+24))
		_, _ = r.output(int(fd)).Write(r.buf[p : p+n])
	},
	// func resetMemoryDataView()
	"runtime.resetMemoryDataView": func(r *Realm, sp uint32) {
		if sp == 0 { // not Go but a loop whose budget is used up
			r.o.Budget()
			return
		}
		r.refresh()
	},
	// func nanotime1() int64
	"runtime.nanotime1": func(r *Realm, sp uint32) { r.put64(sp+8, uint64(r.o.Monotonic()+time.Second)) },
	// func walltime() (sec int64, nsec int32)
	"runtime.walltime": func(r *Realm, sp uint32) {
		now := r.o.Now()
		r.put64(sp+8, uint64(now.Unix()))
		r.put32(sp+16, uint32(now.Nanosecond()))
	},
	// func scheduleTimeoutEvent(delay int64) int32
	"runtime.scheduleTimeoutEvent": func(r *Realm, sp uint32) {
		r.timer++
		r.o.Deadline(time.Duration(int64(r.u64(sp+8)))*time.Millisecond, true)
		r.put32(sp+16, uint32(r.timer))
	},
	// func clearTimeoutEvent(id int32)
	"runtime.clearTimeoutEvent": func(r *Realm, sp uint32) {
		if int32(r.u32(sp+8)) == r.timer {
			r.o.Deadline(0, false)
		}
	},
	// func getRandomData(r []byte)
	"runtime.getRandomData": func(r *Realm, sp uint32) {
		if _, err := io.ReadFull(r.o.Random, r.slice(sp+8)); err != nil {
			panic(err)
		}
	},
	// func finalizeRef(v ref)
	"syscall/js.finalizeRef": func(r *Realm, sp uint32) { r.table.release(r.u32(sp + 8)) },
	// func stringVal(value string) ref
	"syscall/js.stringVal": func(r *Realm, sp uint32) { r.store(sp+24, r.vm.ToValue(r.str(sp+8))) },
	// func valueGet(v ref, p string) ref
	"syscall/js.valueGet": func(r *Realm, sp uint32) {
		// Each resume asks for _pendingEvent (13 letters) of the go object; it is nearly always null.
		if r.pending == nil && r.u32(sp+8) == refGo && r.u32(sp+24) == 13 {
			r.put64(sp+32, nanHead<<32|refNull)
			return
		}
		runs := r.runs
		v := r.get(r.load(sp+8), r.str(sp+16))
		r.store(r.sp(sp, runs)+32, v)
	},
	// func valueSet(v ref, p string, x ref)
	"syscall/js.valueSet": func(r *Realm, sp uint32) {
		_ = r.loadObject(sp+8).Set(r.str(sp+16), r.load(sp+32)) // Reflect.set: refusal is ignored
	},
	// func valueDelete(v ref, p string)
	"syscall/js.valueDelete": func(r *Realm, sp uint32) { _ = r.loadObject(sp + 8).Delete(r.str(sp + 16)) },
	// func valueIndex(v ref, i int) ref
	"syscall/js.valueIndex": func(r *Realm, sp uint32) {
		runs := r.runs
		v := r.get(r.load(sp+8), strconv.FormatInt(int64(r.u64(sp+16)), 10))
		r.store(r.sp(sp, runs)+24, v)
	},
	// func valueSetIndex(v ref, i int, x ref)
	"syscall/js.valueSetIndex": func(r *Realm, sp uint32) {
		_ = r.loadObject(sp+8).Set(strconv.FormatInt(int64(r.u64(sp+16)), 10), r.load(sp+24))
	},
	// func valueCall(v ref, m string, args []ref) (ref, bool)
	"syscall/js.valueCall": func(r *Realm, sp uint32) {
		runs := r.runs
		v, name, args := r.load(sp+8), r.str(sp+16), r.loadValues(sp+32)
		var f goja.Value
		if ex := r.vm.Try(func() { f = r.get(v, name) }); ex != nil {
			r.storeResult(r.sp(sp, runs)+56, ex.Value(), false)
			return
		}
		out, ok := r.apply(f, v, args)
		r.storeResult(r.sp(sp, runs)+56, out, ok)
	},
	// func valueInvoke(v ref, args []ref) (ref, bool)
	"syscall/js.valueInvoke": func(r *Realm, sp uint32) {
		runs := r.runs
		out, ok := r.apply(r.load(sp+8), goja.Undefined(), r.loadValues(sp+16))
		r.storeResult(r.sp(sp, runs)+40, out, ok)
	},
	// func valueNew(v ref, args []ref) (ref, bool)
	"syscall/js.valueNew": func(r *Realm, sp uint32) {
		runs := r.runs
		f, ok := goja.AssertConstructor(r.load(sp + 8))
		if !ok {
			r.storeResult(sp+40, r.vm.NewTypeError("not a constructor"), false)
			return
		}
		o, err := f(nil, r.loadValues(sp+16)...)
		if err != nil {
			r.storeResult(r.sp(sp, runs)+40, thrown(err), false)
			return
		}
		r.storeResult(r.sp(sp, runs)+40, o, true)
	},
	// func valueLength(v ref) int
	"syscall/js.valueLength": func(r *Realm, sp uint32) {
		r.put64(sp+16, uint64(r.get(r.load(sp+8), "length").ToInteger()))
	},
	// func valuePrepareString(v ref) (ref, int)
	"syscall/js.valuePrepareString": func(r *Realm, sp uint32) {
		runs := r.runs
		b := []byte(r.load(sp + 8).String())
		sp = r.sp(sp, runs)
		r.put64(sp+16, r.table.refBytes(b))
		r.put64(sp+24, uint64(len(b)))
	},
	// func valueLoadString(v ref, b []byte)
	"syscall/js.valueLoadString": func(r *Realm, sp uint32) { copy(r.slice(sp+16), r.table.slots[r.u32(sp+8)].bytes) },
	// func valueInstanceOf(v ref, t ref) bool
	"syscall/js.valueInstanceOf": func(r *Realm, sp uint32) {
		r.buf[sp+24] = 0
		if r.vm.InstanceOf(r.load(sp+8), r.loadObject(sp+16)) {
			r.buf[sp+24] = 1
		}
	},
	// func copyBytesToGo(dst []byte, src ref) (int, bool)
	"syscall/js.copyBytesToGo": func(r *Realm, sp uint32) {
		src, ok := r.bytesOf(r.load(sp + 32))
		r.buf[sp+48] = 0
		if ok {
			r.put64(sp+40, uint64(copy(r.slice(sp+8), src)))
			r.buf[sp+48] = 1
		}
	},
	// func copyBytesToJS(dst ref, src []byte) (int, bool)
	"syscall/js.copyBytesToJS": func(r *Realm, sp uint32) {
		dst, ok := r.bytesOf(r.load(sp + 8))
		r.buf[sp+48] = 0
		if ok {
			r.put64(sp+40, uint64(copy(dst, r.slice(sp+16))))
			r.buf[sp+48] = 1
		}
	},
	"debug": func(*Realm, uint32) {},
}

func (r *Realm) get(v goja.Value, name string) goja.Value {
	o, ok := v.(*goja.Object)
	if !ok {
		panic(r.vm.NewTypeError("Reflect.get called on non-object"))
	}
	if x := o.Get(name); x != nil {
		return x
	}
	return goja.Undefined()
}

func (r *Realm) apply(f, this goja.Value, args []goja.Value) (goja.Value, bool) {
	fn, ok := goja.AssertFunction(f)
	if !ok {
		return r.vm.NewTypeError("not a function"), false
	}
	v, err := fn(this, args...)
	if err != nil {
		return thrown(err), false
	}
	return v, true
}

// thrown is the value of a JavaScript exception; any other error is the guest's end and goes on.
func thrown(err error) goja.Value {
	var ex *goja.Exception
	if errors.As(err, &ex) {
		return ex.Value()
	}
	panic(err)
}
