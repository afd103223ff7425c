package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"durago.example/host/bridge"
	"durago.example/host/durable"
	"durago.example/wasm/abi"
)

// code is what the present program says about itself.
type code struct {
	manifest abi.Manifest
	routes   []route
}

// route is one of the program's routes.
type route struct {
	abi.Route
	ns *durable.Namespace
}

// check reads a program's manifest and compares it with the configuration.
func (h *Host) check(manifest []byte) (*code, error) {
	c := &code{}
	if err := json.Unmarshal(manifest, &c.manifest); err != nil {
		return nil, fmt.Errorf("the program's manifest: %w", err)
	}
	for class := range h.namespaces {
		if c.class(class) == nil {
			return nil, fmt.Errorf("the configuration declares the class %s, but the program has none of that name: add it to Program.Classes", class)
		}
	}
	for binding, s := range h.o.Services {
		if s.Entrypoint != "" && !slices.ContainsFunc(c.manifest.Services, func(m abi.ManifestClass) bool { return m.Name == s.Entrypoint }) {
			return nil, fmt.Errorf("the binding %s names the entrypoint %s, but the program has none of that name: add it to Program.Services", binding, s.Entrypoint)
		}
	}
	for _, x := range c.manifest.Routes {
		r, err := abi.ParseRoute(x.Pattern)
		if err != nil {
			return nil, err
		}
		ns := h.bindings[x.Binding]
		if ns == nil {
			return nil, fmt.Errorf("the route %q goes to the binding %s, which is not declared: add it to durable_objects.bindings", x.Pattern, x.Binding)
		}
		c.routes = append(c.routes, route{r, ns})
	}
	return c, nil
}

func (c *code) class(name string) *abi.ManifestClass {
	i := slices.IndexFunc(c.manifest.Classes, func(m abi.ManifestClass) bool { return m.Name == name })
	if i < 0 {
		return nil
	}
	return &c.manifest.Classes[i]
}

// put has what begins go by c.
func (h *Host) put(c *code) {
	for name, n := range h.namespaces {
		n.SetHasAlarm(c.class(name).Alarm)
	}
	h.code.Store(c)
}

// What the platform gives an object for leaving memory, and a request for its end, when code is updated.
const (
	DefaultUpdateDelay = 5 * time.Minute
	updateGrace        = 30 * time.Second
)

// Update replaces the program. Everything that begins from then on runs the new one. A request that is under way ends with
// the old one, if it does within 30 seconds or delay; and an object that is in memory goes on with it until it leaves memory,
// or for delay: then it is reset, as by abort, with "Durable Object reset because its code was updated.", and its sockets are
// closed. A delay of 0 resets all objects at once.
//
// The program must have what the configuration names. If it does not, or does not start, Update says why and nothing has
// changed.
func (h *Host) Update(ctx context.Context, wasm []byte, delay time.Duration) error {
	if delay < 0 {
		return fmt.Errorf("the delay of an update is %v: it must not be negative", delay)
	}
	if h.o.Native != nil {
		return errors.New("a program that runs natively is not replaced: its code is this process's")
	}
	h.updating.Lock()
	defer h.updating.Unlock()
	p, err := Compile(ctx, wasm, CompileOptions{h.o.CacheDir, h.o.MemoryLimit})
	if err != nil {
		return err
	}
	next := make([]*bridge.Bridge, len(h.guests))
	undo := func(err error) error {
		for _, b := range next {
			if b != nil {
				b.Drop()
			}
		}
		return errors.Join(err, p.Close())
	}
	var c *code
	for i, g := range h.guests {
		var manifest []byte
		if next[i], manifest, err = g.Prepare(ctx, bridge.Wasm{Module: p.module}); err != nil {
			return undo(err)
		}
		if c == nil {
			if c, err = h.check(manifest); err != nil {
				return undo(err)
			}
		}
	}
	done := make(chan struct{})
	for i, g := range h.guests {
		if err := g.Do(func() {
			g.Update(next[i], bridge.Wasm{Module: p.module}, max(delay, updateGrace), durable.ErrUpdated)
			h.engine.Update(i, delay)
			done <- struct{}{}
		}); err != nil { // the host is being closed
			return undo(err)
		}
		<-done
	}
	h.put(c)
	old := h.program
	h.program = p
	if old != h.o.Program {
		return old.Close() // its code is freed when nothing runs it any more
	}
	return nil
}
