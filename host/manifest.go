package host

import (
	"context"
	"encoding/json"
	"fmt"

	"durago.example/host/bridge"
	"durago.example/host/clock"
	"durago.example/host/gojs"
	"durago.example/host/isolate"
	"durago.example/wasm/abi"
)

// ReadManifest runs a program once, with an empty environment, and returns what it says about itself.
func ReadManifest(ctx context.Context, wasm []byte, cacheDir string) (*abi.Manifest, error) {
	m, err := isolate.Compile(ctx, wasm, isolate.CompileOptions{CacheDir: cacheDir})
	if err != nil {
		return nil, err
	}
	defer m.Close(ctx)
	b, err := bridge.New(ctx, bridge.Options{Module: m, Clock: clock.Real, Install: func(r *gojs.Realm, _ *bridge.Bridge) error {
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
