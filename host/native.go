package host

import (
	"context"

	"durago.example/host/bridge"
	"durago.example/host/isolate"
	"durago.example/host/kv"
)

// Native is a program that is compiled into this process and runs in the place of wasm: for tests. Package
// host/hosttest/native has it.
type Native interface {
	Start(ctx context.Context, o NativeOptions) (bridge.Isolate, error)
}

// NativeOptions are what an isolate is given to start with. Of those of package isolate Clock, Platform and Stdout are taken.
type NativeOptions struct {
	isolate.Options
	Bridge *bridge.Bridge           // the isolate's
	Vars   map[string]any           // strings and JSON values
	KV     map[string]*kv.Namespace // by binding
}

// native is the program of a host that has no wasm.
type native struct {
	n Native
	o NativeOptions
}

func (p native) Start(ctx context.Context, o isolate.Options, b *bridge.Bridge) (bridge.Isolate, error) {
	q := p.o
	q.Options, q.Bridge = o, b
	return p.n.Start(ctx, q)
}

// takeProgram finds or compiles what is to run.
func (h *Host) takeProgram(ctx context.Context) (_ bridge.Program, err error) {
	if h.o.Native != nil {
		o := NativeOptions{Vars: h.o.Vars, KV: map[string]*kv.Namespace{}}
		for binding, id := range h.o.KV {
			o.KV[binding] = h.kv.Namespace(id)
		}
		return native{h.o.Native, o}, nil
	}
	if h.program = h.o.Program; h.program == nil {
		if h.program, err = Compile(ctx, h.o.Wasm, CompileOptions{h.o.CacheDir, h.o.MemoryLimit}); err != nil {
			return nil, err
		}
	}
	if h.o.RecycleAt == 0 {
		h.o.RecycleAt = h.program.module.MemoryLimit() / 4 * 3
	}
	return bridge.Wasm{Module: h.program.module}, nil
}
