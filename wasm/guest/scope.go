package guest

import (
	"context"
	"runtime"
	"time"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
)

// scope is a context of the runtime: one object, or one request to the front.
type scope struct {
	g      *Guest
	id     uint32
	gone   bool
	ending ending       // of its context
	class  driver.Class // nil for a request
	object driver.ID
	props  []byte // of an entrypoint's binding

	instance driver.Instance
	building *signal // that the constructor that runs now has returned

	home    []*signal // goroutines that wait for this scope to be current
	section *section  // the innermost section that is open
	shuts   int       // why no event may begin, counted: see shut
	events  []*event
	tokens  map[uint32]*pending // asynchronous operations under way
	lent    lent
}

func (g *Guest) scopeFor(id uint32) *scope {
	s := g.scopes[id]
	if s == nil {
		s = &scope{g: g, id: id}
		g.scopes[id] = s
	}
	return s
}

// Current is the scope that the running goroutine belongs to, or nil.
func Current() driver.Scope {
	if l := running(); l != nil {
		return l.scope
	}
	return nil
}

// enter returns when the scope is current and no section excludes the goroutine.
func (s *scope) enter() error { return s.enterFor(nil) }

// enterFor is enter for an operation that takes part in a section, or nil, whichever goroutine performs it. It does not
// wait for another section to end.
func (s *scope) enterFor(in *section) error {
	for {
		if err := s.arrive(); err != nil {
			return err
		}
		open := s.excluding()
		if open == nil || open == in {
			return nil
		}
		if in != nil {
			return errWithin
		}
		s.g.parked++
		s.g.park(&open.left, nil, nil)
		s.g.parked--
	}
}

// excluding is the innermost open section if the running goroutine is outside of it, or nil.
func (s *scope) excluding() *section {
	if s.section != nil && !s.section.holds() {
		return s.section
	}
	return nil
}

// arrive returns when the scope is current.
func (s *scope) arrive() error {
	s.g.take()
	for !s.gone {
		if s.g.current() == s.id {
			return nil
		}
		w := newSignal()
		s.g.pin()
		s.home = append(s.home, &w)
		first := len(s.home) == 1
		s.g.unpin()
		if first {
			s.g.tell(s.id, abi.OpWake, s.id, nil)
		}
		s.g.parked++
		s.g.park(&w, nil, nil)
		s.g.parked--
	}
	return errGone
}

// do performs a synchronous operation.
func (s *scope) do(op abi.Op, token uint32, frame []byte) ([]byte, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	return s.g.call(s.id, op, token, frame, nil)
}

func (s *scope) wake() {
	list := s.home
	s.home = nil
	s.g.fireAll(list)
}

// end is told that the scope is gone: nothing of it may wait any longer.
func (s *scope) end() {
	if s.gone {
		return
	}
	s.gone = true
	delete(s.g.scopes, s.id)
	s.ending.end(context.Canceled)
	for _, p := range s.tokens {
		s.finished(p, nil, errGone)
	}
	for _, e := range s.events {
		e.cancel()
	}
	for sec := s.section; sec != nil; sec = sec.outer {
		s.g.fire(&sec.left)
	}
	s.section = nil
	s.lent.end()
	s.wake()
}

// pending is an asynchronous operation under way, and the event that it is for.
type pending struct {
	op     abi.Op
	event  uint32
	done   signal
	answer []byte
	err    error
}

func (s *scope) finished(p *pending, answer []byte, err error) {
	p.answer, p.err = answer, err
	s.g.fire(&p.done)
}

// nextToken is a number that nothing under way has, below those that the runtime gives.
func (g *Guest) nextToken() uint32 {
	g.take()
	g.lastToken = g.lastToken%(abi.LinkGiven-1) + 1
	return g.lastToken
}

// await performs an asynchronous operation and waits for its end, for the end of ctx or of the scope. frame is made
// after the scope has become current; it may be scratch.
func (s *scope) await(ctx context.Context, op abi.Op, frame func() []byte) ([]byte, error) {
	token := s.g.nextToken()
	p, err := s.begin(ctx, op, token, frame)
	if err != nil {
		return nil, err
	}
	if !s.g.park(&p.done, nil, ctx.Done()) {
		s.withdraw(token)
		return nil, context.Cause(ctx)
	}
	return p.answer, p.err
}

func (s *scope) begin(ctx context.Context, op abi.Op, token uint32, frame func() []byte) (*pending, error) {
	s.g.take()
	l := running()
	if l != nil && l.section != nil && l.section.sync {
		return nil, errWouldWait
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for open := s.excluding(); open != nil; open = s.excluding() {
		s.g.parked++
		left := s.g.park(&open.left, nil, ctx.Done())
		s.g.parked--
		if !left {
			return nil, context.Cause(ctx)
		}
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	p := &pending{op: op, done: newSignal()}
	if l != nil {
		p.event = l.event
	}
	if s.tokens == nil {
		s.tokens = map[uint32]*pending{}
	}
	s.g.pin()
	s.tokens[token] = p
	s.g.unpin()
	var b []byte
	if frame != nil {
		b = frame()
	}
	_, err := s.g.call(s.id, op, token, b, nil)
	s.g.discard(b)
	if err != nil {
		delete(s.tokens, token)
		return nil, err
	}
	if answersAtOnce(op) {
		s.shut()
	}
	return p, nil
}

// withdraw takes an operation out of those under way; it is nil if it was given up.
func (s *scope) withdraw(token uint32) *pending {
	p := s.tokens[token]
	if p != nil {
		delete(s.tokens, token)
		if answersAtOnce(p.op) {
			s.unshut()
		}
		s.g.settle()
	}
	return p
}

func (s *scope) complete(token uint32, frame []byte) {
	p := s.withdraw(token)
	if p == nil {
		s.abandon(frame)
		return
	}
	if len(frame) > 0 && frame[0] == 1 {
		s.finished(p, frame[1:], nil)
		return
	}
	s.finished(p, nil, readError(frame[min(1, len(frame)):]))
}

// scopeContext is the context of a scope itself; it ends when the scope is gone.
type scopeContext struct{ s *scope }

func (c scopeContext) Deadline() (time.Time, bool) { return time.Time{}, false }

func (c scopeContext) Done() <-chan struct{} { return c.s.ending.Done() }

func (c scopeContext) Err() error { return c.s.ending.Err() }

func (c scopeContext) Value(key any) any { return c.s.value(key) }

// value is what the contexts of a scope carry.
func (s *scope) value(key any) any {
	switch key {
	case driver.ScopeKey:
		return driver.Scope(s)
	case driver.PropsKey:
		return s.props
	}
	return nil
}

func (s *scope) Context() context.Context { return scopeContext{s} }

func (s *scope) Abort(reason *driver.Error, abandonAlarm bool) {
	if s.enter() == nil {
		var token uint32
		if abandonAlarm {
			token = abi.AbandonAlarm
		}
		_, _ = s.g.call(s.id, abi.OpAbort, token, appendError(nil, reason, ""), nil)
		s.end()
	}
	runtime.Goexit()
}

func (s *scope) Log(_ context.Context, level int, text string) {
	var ev uint32
	if l := running(); l != nil {
		ev = l.event
	}
	s.g.tell(s.id, abi.OpLog, ev, append([]byte{byte(level)}, text...))
}
