//go:build !js

package guest

import (
	"bytes"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
)

// Runtime is what runs a guest that is compiled into the same process.
type Runtime interface {
	// Call performs an operation, on the goroutine whose turn it is, while the loop waits. The answer is appended to dst; ok is
	// false if it is an Error frame.
	Call(ctx uint32, op abi.Op, token uint32, frame, dst []byte) (answer []byte, ok bool)
	// Ask has the loop call Run soon, for no context. It may be called from any goroutine.
	Ask()
	Environment
}

// Environment is what the cold path reaches.
type Environment interface {
	// Var is a variable's text.
	Var(name string) (string, bool)
	// KV is a namespace, or nil.
	KV(binding string) Namespace
	// Output calls f when what the running context has written is durable, or with the reason why it never will be.
	Output(f func(broken error))
	// Done has the loop deliver an EventDone with an empty answer, or with err. It may be called from any goroutine.
	Done(ctx, token uint32, err []byte)
}

// New makes a guest. Its methods are for one goroutine, the loop; but for Still.
func New(p driver.Program, r Runtime) *Guest {
	g := newGuest(p)
	g.port = newPort(r)
	return g
}

// Event delivers an event; what it sets free runs with the next Run.
func (g *Guest) Event(kind abi.Event, ctx, ev uint32, frame []byte) {
	g.onLoop(func() { g.deliver(kind, ctx, ev, bytes.Clone(frame)) })
}

// Transaction runs the body of a TransactionSync, from inside Runtime.Call.
func (g *Guest) Transaction(token uint32) (rollback bool) {
	g.outside(true)
	defer g.outside(false)
	return g.transaction(token)
}

// Begun is the last event whose handler began.
func (g *Guest) Begun() uint32 { return g.last }

// Stat is a number about the guest; see the Stat constants of wasm/abi. Goroutines and heap are the process's.
func (g *Guest) Stat(which uint32) uint32 { return g.stat(which) }

// Close ends the guest: what waits for the platform fails, and a goroutine that calls it later ends there.
func (g *Guest) Close() {
	g.onLoop(func() {
		for _, s := range g.scopes {
			s.end()
		}
	})
	g.Run(0)
	g.close(g.idle)
	g.idle = nil
}
