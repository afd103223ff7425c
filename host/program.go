package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"durago.example/host/bridge"
	"durago.example/host/clock"
	"durago.example/host/gojs"
	"durago.example/host/isolate"
	"durago.example/wasm/abi"
)

// Program is a compiled app.wasm. Any number of hosts may run it at once.
type Program struct{ module *isolate.Module }

// CompileOptions say how a program is compiled.
type CompileOptions struct {
	CacheDir    string // of compiled code; empty compiles anew each time
	MemoryLimit uint64 // of each isolate, bytes; default 128 MiB
}

// Compile checks and compiles a program. One that is not ours is refused with a sentence that says what to do.
func Compile(ctx context.Context, wasm []byte, o CompileOptions) (*Program, error) {
	m, err := isolate.Compile(ctx, wasm, isolate.CompileOptions(o))
	if err != nil {
		return nil, err
	}
	return &Program{m}, nil
}

// Close has the compiled code freed, once nothing runs it.
func (p *Program) Close() error { return p.module.Close(context.Background()) }

// Manifest runs the program once, with an empty environment and a clock that stands still, and returns what it says about
// itself.
func (p *Program) Manifest(ctx context.Context) (*abi.Manifest, error) {
	b, err := bridge.New(ctx, bridge.Options{Program: bridge.Wasm{Module: p.module}, Clock: clock.NewVirtual(time.Unix(0, 0)), Install: func(r *gojs.Realm, _ *bridge.Bridge) error {
		vm := r.Runtime()
		c := vm.NewObject()
		for _, name := range []string{"env", "ctx", "binding"} {
			if err := c.Set(name, vm.NewObject()); err != nil {
				return err
			}
		}
		return r.Global().Set("context", c)
	}})
	if err != nil {
		return nil, err
	}
	defer b.Close()
	raw, err := b.Manifest()
	if err != nil {
		return nil, err
	}
	var out abi.Manifest
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("the program's manifest: %w", err)
	}
	return &out, nil
}

// ReadManifest is Manifest of a program that is wanted for nothing else.
func ReadManifest(ctx context.Context, wasm []byte, cacheDir string) (*abi.Manifest, error) {
	p, err := Compile(ctx, wasm, CompileOptions{CacheDir: cacheDir})
	if err != nil {
		return nil, err
	}
	m, err := p.Manifest(ctx)
	return m, errors.Join(err, p.Close())
}
