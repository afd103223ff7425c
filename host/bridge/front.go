package bridge

import (
	"durago.example/wasm/abi"
)

// Front sends a request to the worker's own handler. done is called once, on the loop. cancel tells the guest that the
// client went away; it may be called from any goroutine.
func (g *Guests) Front(r *Request, done func(*Response, error)) (cancel func(), err error) {
	f := &front{g: g, r: r, done: done}
	return f.leave, g.Do(f.begin)
}

// front is a request to the worker's own handler.
type front struct {
	g    *Guests
	r    *Request
	done func(*Response, error)
	s    *scope // once it has begun
	gone bool   // its client has
}

func (f *front) begin() {
	if f.gone {
		return
	}
	f.g.open(f.begin, func(s *scope, err error) {
		if err != nil {
			f.done(nil, err)
			return
		}
		f.s = s
		s.b.send(s, abi.EventFetch, s.requestFrame(nil, f.r), f.r, func(v any, err error) {
			resp, _ := v.(*Response)
			f.done(resp, err)
		})
	})
}

// leave is called from any goroutine.
func (f *front) leave() {
	_ = f.g.Do(func() {
		f.gone = true
		if f.s != nil {
			f.s.end(errClientGone)
		}
	})
}

// Scheduled runs the worker's cron handler.
func (g *Guests) Scheduled(cron string, at float64, done func(error)) error {
	return g.Do(func() { g.scheduled(cron, at, done) })
}

func (g *Guests) scheduled(cron string, at float64, done func(error)) {
	g.open(func() { g.scheduled(cron, at, done) }, func(s *scope, err error) {
		if err != nil {
			done(err)
			return
		}
		s.b.send(s, abi.EventScheduled, abi.AppendF64(abi.AppendStr(nil, cron), at), nil, func(_ any, err error) { done(err) })
	})
}

// open makes a context for something that comes from outside and is no object's; begin is called again later if that has to
// wait.
func (g *Guests) open(begin func(), f func(*scope, error)) {
	b := g.present
	if b.draining() {
		b.hold(held{begin: begin})
		return
	}
	f(g.context())
}

// context makes a context of the present program that is no object's.
func (g *Guests) context() (*scope, error) {
	b := g.present
	if err := b.revive(); err != nil {
		return nil, err
	}
	return b.newScope(nil), nil
}

// readManifest asks the program what it is.
func (b *Bridge) readManifest() ([]byte, error) {
	b.manifest = nil
	err := b.iso.Event(abi.EventManifest, 0, 0, nil)
	return b.manifest, err
}

// Settle runs f as a turn of the realm for ctx, from any goroutine: to settle a promise.
func (b *Bridge) Settle(f func() error) {
	_ = b.Do(func() {
		b.flush()
		_ = b.iso.Turn(0, f)
	})
}

// Output calls f once what the context that runs has written is durable, or with the reason why it never will be.
func (b *Bridge) Output(f func(broken error)) {
	if s := b.scopes[b.iso.Current()]; s != nil {
		s.output(f)
		return
	}
	f(nil)
}
