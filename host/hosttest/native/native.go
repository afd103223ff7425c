// Package native runs a program in the test's own process, on the real engine: storage, gates, alarms and sockets are the
// host's, and between the test and the object is nothing but Go. So a debugger stops in an object, its lines count in the
// coverage, -race watches it, and nothing is compiled for wasm.
//
//	h := hosttest.Start(t, hosttest.Options{Config: "wrangler.toml", Native: native.Program(worker.Program())})
//
// It is the one package that knows the host and package objects.
//
// # What is different
//
// The guest's code is the same adapter (wasm/guest), whose goroutines take turns. What it does not have:
//
//   - An end of its own: os.Exit, a panic in a bare goroutine, and a TransactionSync that waits in plain Go end the process.
//     There is no limit of memory or CPU time. A goroutine that waits for ever outlives the test.
//   - Globals of its own: package-level variables are those of all isolates and all hosts of the process. So there is one
//     isolate unless Options say how many.
//   - A clock of its own: package time is the machine's. A virtual clock begins at its time, and moves alarms and what else
//     the host times, but no timer of the guest. In a bubble of testing/synctest both are the bubble's: see Options.RealTime.
//   - What it prints: that goes to the process's output, not to the host's log.
//
// Code that has waited in plain Go (a channel, a lock, a sleep), and a bare goroutine before its first call of the platform,
// runs beside the others until it calls the platform. What it shares with them needs a lock: in wasm it works without, here
// -race tells.
package native

import (
	"context"
	"encoding/json"
	"time"

	"durago.example/host"
	"durago.example/host/bridge"
	"durago.example/host/isolate"
	"durago.example/objects"
	"durago.example/objects/driver"
	"durago.example/wasm/abi"
	"durago.example/wasm/guest"
)

// Program is a program as a host runs it natively. Any number of hosts may run it, one after another or at once.
func Program(p objects.Program) host.Native { return program{p.Driver()} }

type program struct{ p driver.Program }

func (p program) Start(_ context.Context, o host.NativeOptions) (bridge.Isolate, error) {
	i := &native{o: o}
	i.g = guest.New(p.p, i)
	return i, nil
}

// native is an isolate. Still, Ask and Done may be called from any goroutine; everything else on the loop, or in a turn of the
// guest.
type native struct {
	o    host.NativeOptions
	g    *guest.Guest
	dead error
}

var (
	_ bridge.Isolate = (*native)(nil)
	_ bridge.Still   = (*native)(nil)
	_ guest.Runtime  = (*native)(nil)
)

func (i *native) Still() bool { return i.g.Still() }

// Close ends the guest.
func (i *native) Close() {
	if i.dead == nil {
		i.dead = isolate.ErrClosed
		i.g.Close()
	}
}

func (i *native) Event(kind abi.Event, ctx, ev uint32, frame []byte) error {
	if i.dead != nil {
		return i.dead
	}
	i.g.Event(kind, ctx, ev, frame)
	return i.Run(ctx)
}

func (i *native) Notify(kind abi.Event, ctx, ev uint32, frame []byte) error {
	if i.dead != nil {
		return i.dead
	}
	i.g.Event(kind, ctx, ev, frame)
	return nil
}

func (i *native) Run(ctx uint32) error {
	if i.dead != nil {
		return i.dead
	}
	began := time.Now()
	i.g.Run(ctx)
	i.o.Platform.Idle(ctx, time.Since(began))
	return nil
}

func (i *native) Turn(_ uint32, f func() error) error { return f() }

func (i *native) Transaction(token uint32) (rollback, finished bool, err error) {
	return i.g.Transaction(token), true, nil
}

func (i *native) Current() uint32          { return i.g.Current() }
func (i *native) Begun() uint32            { return i.g.Begun() }
func (i *native) Stat(which uint32) uint32 { return i.g.Stat(which) }

// It dies of nothing but Close.

func (i *native) Dead() error    { return i.dead }
func (i *native) Restart() error { return i.dead }
func (i *native) Kill(error)     {}
func (i *native) Memory() uint64 { return 0 }

// What the guest needs.

func (i *native) Call(ctx uint32, op abi.Op, token uint32, frame, dst []byte) ([]byte, bool) {
	return i.o.Platform.Call(ctx, op, token, frame, dst)
}

func (i *native) Ask() {
	_ = i.o.Loop.Do(func() {
		i.o.Platform.Begins()
		_ = i.Run(0)
	})
}

func (i *native) Done(ctx, token uint32, failed []byte) {
	frame := []byte{1}
	if failed != nil {
		frame = append([]byte{0}, failed...)
	}
	_ = i.o.Loop.Do(func() { _ = i.Event(abi.EventDone, ctx, token, frame) })
}

func (i *native) Output(f func(broken error)) { i.o.Bridge.Output(f) }

func (i *native) Var(name string) (string, bool) {
	v, ok := i.o.Vars[name]
	if s, text := v.(string); text || !ok {
		return s, ok
	}
	b, err := json.Marshal(v)
	return string(b), err == nil
}

func (i *native) KV(binding string) guest.Namespace {
	if n, ok := i.o.KV[binding]; ok {
		return n
	}
	return nil
}
