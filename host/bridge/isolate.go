package bridge

import (
	"context"

	"durago.example/host/isolate"
	"durago.example/wasm/abi"
)

// Program starts isolates of one program.
type Program interface {
	// Start starts the isolate of b.
	Start(ctx context.Context, o isolate.Options, b *Bridge) (Isolate, error)
}

// Isolate is what a bridge needs of a guest: package isolate has it for wasm, and its documentation.
type Isolate interface {
	Guest
	Life
}

// Still is what an isolate has besides if its guest's goroutines may run while the loop has nothing to do.
type Still interface {
	// Still tells whether none does. It may be called from any goroutine.
	Still() bool
}

// Guest is the program that runs.
type Guest interface {
	Event(kind abi.Event, ctx, ev uint32, frame []byte) error
	Notify(kind abi.Event, ctx, ev uint32, frame []byte) error
	Run(ctx uint32) error
	Turn(ctx uint32, f func() error) error
	Transaction(token uint32) (rollback, finished bool, err error)
	Current() uint32
	Begun() uint32
}

// Life is how a guest ends, and what it weighs.
type Life interface {
	Dead() error
	Restart() error
	Close()
	Kill(cause error)
	Memory() uint64
	Stat(which uint32) uint32
}

// Wasm is a compiled program.
type Wasm struct{ *isolate.Module }

// Start starts an isolate.
func (w Wasm) Start(ctx context.Context, o isolate.Options, _ *Bridge) (Isolate, error) {
	i, err := w.Module.Start(ctx, o)
	if err != nil {
		return nil, err // and no isolate, not a nil one
	}
	return i, nil
}

var _ Isolate = (*isolate.Isolate)(nil)
