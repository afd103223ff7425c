package objects

import (
	"context"
	"fmt"

	"durago.example/objects/driver"
)

// State is what the runtime gives to an object's constructor; keep it. It may be used from any goroutine of the object.
// See https://developers.cloudflare.com/durable-objects/api/state/.
type State struct {
	scope driver.Scope
	id    ID
}

// ID is this object's id. Its name is known if the object was reached by name.
func (s *State) ID() ID { return s.id }

// Env is the worker's configuration: variables, secrets and bindings.
func (s *State) Env() *Env { return &Env{s.scope} }

// Storage is the object's own durable storage.
func (s *State) Storage() *Storage { return &Storage{s.scope} }

// Context carries the object and ends when this instance of it ends.
func (s *State) Context() context.Context { return s.scope.Context() }

// BlockConcurrencyWhile runs f while no other event of the object is delivered. If f fails, or takes over 30 seconds,
// the object is broken and reset: the caller of the event gets f's error, and this call returns ErrGone. See
// https://developers.cloudflare.com/durable-objects/api/state/#blockconcurrencywhile.
func (s *State) BlockConcurrencyWhile(ctx context.Context, f func(ctx context.Context) error) error {
	return s.scope.Block(ctx, f)
}

// WaitUntil runs f on a new goroutine and keeps the object in memory until it returns, for 15 minutes at most. Its error or panic
// is logged. See https://developers.cloudflare.com/durable-objects/api/state/#waituntil.
func (s *State) WaitUntil(f func(ctx context.Context) error) { s.scope.WaitUntil(f) }

// Go runs f on a new goroutine of the object, which stays in memory as for WaitUntil; nothing waits for it otherwise. A panic in
// f is logged and contained; in a bare go statement it ends the isolate with all its objects.
func (s *State) Go(f func(ctx context.Context)) { s.scope.Go(f) }

// Abort resets the object: what was not yet committed is rolled back, its sockets are dropped, and waiting callers get
// reason. It takes effect when the goroutine next waits or returns; operations after it fail with ErrGone. See
// https://developers.cloudflare.com/durable-objects/api/state/#abort.
func (s *State) Abort(reason error, o ...AbortOptions) {
	e := &Error{Name: "Error", Message: "Application called abort() to reset Durable Object."}
	switch r := reason.(type) {
	case nil:
	case *Error:
		e = r
	default:
		e.Message = r.Error()
	}
	abandon := false
	for _, o := range o {
		abandon = abandon || o.AbandonAlarm
	}
	s.scope.Abort(e, abandon)
}

// AbortOptions say what becomes of an alarm whose handler runs, or ran, when the object is reset: it is tried again, as after
// an error of the handler, unless AbandonAlarm is set. This is the retryAlarm of JavaScript, turned round.
type AbortOptions struct{ AbandonAlarm bool }

// Logf writes one line to the log of the running event.
func (s *State) Logf(ctx context.Context, format string, args ...any) {
	s.scope.Log(ctx, 1, fmt.Sprintf(format, args...))
}
