package bridge

import (
	"durago.example/wasm/abi"
)

// Front sends a request to the worker's own handler. done is called once, on the loop. cancel tells the guest that the
// client went away; it may be called from any goroutine.
func (b *Bridge) Front(r *Request, done func(*Response, error)) (cancel func(), err error) {
	f := &front{b: b, r: r, done: done}
	return f.leave, b.Do(f.begin)
}

// front is a request to the worker's own handler.
type front struct {
	b    *Bridge
	r    *Request
	done func(*Response, error)
	s    *scope // once it has begun
	gone bool   // its client has
}

func (f *front) begin() {
	b := f.b
	switch {
	case f.gone:
		return
	case b.draining():
		b.hold(held{begin: f.begin})
		return
	}
	if err := b.revive(); err != nil {
		f.done(nil, err)
		return
	}
	f.s = b.newScope(nil)
	b.send(f.s, abi.EventFetch, f.s.requestFrame(nil, f.r), f.r, func(v any, err error) {
		resp, _ := v.(*Response)
		f.done(resp, err)
	})
}

// leave is called from any goroutine.
func (f *front) leave() {
	_ = f.b.Do(func() {
		f.gone = true
		if f.s != nil && f.b.scopes[f.s.id] == f.s {
			f.s.end(errClientGone)
		}
	})
}

// Scheduled runs the worker's cron handler.
func (b *Bridge) Scheduled(cron string, at float64, done func(error)) error {
	return b.Do(func() { b.scheduled(cron, at, done) })
}

func (b *Bridge) scheduled(cron string, at float64, done func(error)) {
	if b.draining() {
		b.hold(held{begin: func() { b.scheduled(cron, at, done) }})
		return
	}
	if err := b.revive(); err != nil {
		done(err)
		return
	}
	s := b.newScope(nil)
	b.send(s, abi.EventScheduled, abi.AppendF64(abi.AppendStr(nil, cron), at), nil, func(_ any, err error) { done(err) })
}

// Manifest asks the program what it is. It may be called from any goroutine but the loop's.
func (b *Bridge) Manifest() ([]byte, error) {
	type result struct {
		m   []byte
		err error
	}
	c := make(chan result, 1)
	err := b.Do(func() {
		b.manifest = nil
		err := b.iso.Event(abi.EventManifest, 0, 0, nil)
		c <- result{b.manifest, err}
	})
	if err != nil {
		return nil, err
	}
	r := <-c
	return r.m, r.err
}

// Settle runs f as a turn of the realm for ctx, from any goroutine: to settle a promise.
func (b *Bridge) Settle(f func() error) { _ = b.Do(func() { _ = b.iso.Turn(0, f) }) }

// Output calls f once what the context that runs has written is durable, or with the reason why it never will be.
func (b *Bridge) Output(f func(broken error)) {
	if s := b.scopes[b.iso.Current()]; s != nil {
		s.output(f)
		return
	}
	f(nil)
}
