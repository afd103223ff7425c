// Package isolate runs one guest: a module instance, its event loop, its limits, and its death.
//
// A Module is a program, checked, prepared and compiled once. An Isolate is a running instance with one goroutine, the
// loop, which alone touches guest and realm; Do hands it work. The loop delivers an event by writing its frame to the
// guest's inbox and running Go until all goroutines are idle; operations that Go performs meanwhile go to Platform. A
// fatal error ends the isolate: everything it held is gone, and its owner starts another.
//
// The package knows wazero, the realm and wasm/abi; it knows nothing of storage or of Durable Objects.
package isolate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"durago.example/host/gojs"
	"durago.example/host/isolate/prepare"
	"durago.example/wasm/abi"
)

// DefaultMemoryLimit is what Cloudflare gives an isolate, in bytes.
const DefaultMemoryLimit = 128 << 20

// CompileOptions say how a program is compiled.
type CompileOptions struct {
	CacheDir    string // where compiled code is kept between runs; empty keeps none
	MemoryLimit uint64 // bytes of linear memory for each isolate; 0 is DefaultMemoryLimit
}

// Module is a compiled program. It may be used by any number of isolates at once.
type Module struct {
	runtime  wazero.Runtime
	cache    wazero.CompilationCache
	compiled wazero.CompiledModule
	segments []prepare.Segment
	limit    uint64

	mu       sync.Mutex
	isolates int // that run it
	closed   bool
}

// Compile checks, prepares and compiles a program. A module that is not ours is refused with a sentence that says why.
func Compile(ctx context.Context, wasm []byte, o CompileOptions) (*Module, error) {
	if err := Check(wasm); err != nil {
		return nil, err
	}
	p, err := prepare.Rewrite(wasm)
	if err != nil {
		return nil, err
	}
	if o.MemoryLimit == 0 {
		o.MemoryLimit = DefaultMemoryLimit
	}
	m := &Module{segments: p.Segments, limit: o.MemoryLimit &^ 0xffff}
	config := wazero.NewRuntimeConfigCompiler().WithMemoryLimitPages(uint32(m.limit >> 16))
	if o.CacheDir != "" {
		if m.cache, err = wazero.NewCompilationCacheWithDir(o.CacheDir); err != nil {
			return nil, fmt.Errorf("isolate: compilation cache: %w", err)
		}
		config = config.WithCompilationCache(m.cache)
	}
	m.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	if err := m.prepareRuntime(ctx, p.Wasm); err != nil {
		return nil, errors.Join(err, m.free(ctx))
	}
	return m, nil
}

func (m *Module) prepareRuntime(ctx context.Context, wasm []byte) (err error) {
	if err := gojs.Instantiate(ctx, m.runtime); err != nil {
		return err
	}
	i32 := api.ValueTypeI32
	if _, err := m.runtime.NewHostModuleBuilder(abi.Module).
		NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(call), []api.ValueType{i32, i32, i32, i32, i32}, []api.ValueType{i32}).Export(abi.ImportCall).
		NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(take), []api.ValueType{i32, i32}, nil).Export(abi.ImportTake).
		Instantiate(ctx); err != nil {
		return err
	}
	m.compiled, err = m.runtime.CompileModule(experimental.WithCompilationWorkers(ctx, 2), wasm)
	return err
}

// MemoryLimit is that of each isolate, in bytes.
func (m *Module) MemoryLimit() uint64 { return m.limit }

// Close has the compiled code freed, when the last isolate that runs it is closed.
func (m *Module) Close(ctx context.Context) error {
	m.mu.Lock()
	free := !m.closed && m.isolates == 0
	m.closed = true
	m.mu.Unlock()
	if !free {
		return nil
	}
	return m.free(ctx)
}

func (m *Module) free(ctx context.Context) error {
	err := m.runtime.Close(ctx)
	if m.cache != nil {
		err = errors.Join(err, m.cache.Close(ctx))
	}
	return err
}

// enter counts an isolate that begins to run it, leave one that has been closed.
func (m *Module) enter() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	m.isolates++
	return nil
}

func (m *Module) leave() {
	m.mu.Lock()
	m.isolates--
	free := m.closed && m.isolates == 0
	m.mu.Unlock()
	if free {
		_ = m.free(context.Background())
	}
}

// Check tells whether a module is a program of ours, before anything of it runs.
func Check(wasm []byte) error {
	p, err := prepare.Inspect(wasm)
	if err != nil {
		return fmt.Errorf("app.wasm is %w: build it with `durago build`", err)
	}
	for name := range p.Imports {
		module, _, _ := strings.Cut(name, ".")
		switch module {
		case gojs.ModuleName, abi.Module, "workers":
		case "wasi_snapshot_preview1":
			return errors.New("app.wasm is built for GOOS=wasip1, but objects run as GOOS=js: build it with `durago build`")
		default:
			return fmt.Errorf("app.wasm imports %q, which this host does not have: build it with `durago build`", name)
		}
	}
	for name := range p.Exports {
		if version, ok := strings.CutPrefix(name, abi.ExportPrefix); ok {
			if name != abi.ExportControl {
				return fmt.Errorf("app.wasm speaks ABI %s and this durago speaks ABI %d: build it again with the durago that runs it", version, abi.Version)
			}
			return nil
		}
	}
	return errors.New("app.wasm has no durago ABI: end its main with objects.Run and build it with `durago build`")
}
