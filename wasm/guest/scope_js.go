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
	id     uint32
	gone   bool
	ended  chan struct{} // closed when gone; made when first asked for
	class  driver.Class  // nil for a request
	object driver.ID
	props  []byte // of an entrypoint's binding

	instance driver.Instance
	building chan struct{} // closed when the constructor that runs now has returned

	home    []chan struct{} // goroutines that wait for this scope to be current
	section *section        // the innermost section that is open
	shuts   int             // why no event may begin, counted: see shut
	events  []*event
	tokens  map[uint32]*pending // asynchronous operations under way
	lent    lent
}

var scopes = map[uint32]*scope{}
var parked uint32

func scopeFor(id uint32) *scope {
	s := scopes[id]
	if s == nil {
		s = &scope{id: id}
		scopes[id] = s
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
		parked++
		<-open.left
		parked--
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
	for !s.gone {
		if current() == s.id {
			return nil
		}
		w := make(chan struct{})
		s.home = append(s.home, w)
		if len(s.home) == 1 {
			hostCall(s.id, uint32(abi.OpWake), s.id, nil, 0)
		}
		parked++
		<-w
		parked--
	}
	return errGone
}

// do performs a synchronous operation.
func (s *scope) do(op abi.Op, token uint32, frame []byte) ([]byte, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	return call(s.id, op, token, frame)
}

func (s *scope) wake() {
	list := s.home
	s.home = nil
	for _, w := range list {
		close(w)
	}
}

// end is told that the scope is gone: nothing of it may wait any longer.
func (s *scope) end() {
	if s.gone {
		return
	}
	s.gone = true
	delete(scopes, s.id)
	if s.ended != nil {
		close(s.ended)
	}
	for _, p := range s.tokens {
		p.finish(nil, errGone)
	}
	for _, e := range s.events {
		e.cancel()
	}
	for sec := s.section; sec != nil; sec = sec.outer {
		close(sec.left)
	}
	s.section = nil
	s.lent.end()
	s.wake()
}

// pending is an asynchronous operation under way, and the event that it is for.
type pending struct {
	op     abi.Op
	event  uint32
	done   chan struct{}
	answer []byte
	err    error
}

func (p *pending) finish(answer []byte, err error) {
	p.answer, p.err = answer, err
	close(p.done)
}

var lastToken uint32

// nextToken is a number that nothing under way has, below those that the runtime gives.
func nextToken() uint32 {
	lastToken = lastToken%(abi.LinkGiven-1) + 1
	return lastToken
}

// await performs an asynchronous operation and waits for its end, for the end of ctx or of the scope. frame is made
// after the scope has become current, so that it may use scratch.
func (s *scope) await(ctx context.Context, op abi.Op, frame func() []byte) ([]byte, error) {
	token := nextToken()
	p, err := s.begin(ctx, op, token, frame)
	if err != nil {
		return nil, err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		s.take(token)
		return nil, context.Cause(ctx)
	}
	return p.answer, p.err
}

func (s *scope) begin(ctx context.Context, op abi.Op, token uint32, frame func() []byte) (*pending, error) {
	l := running()
	if l != nil && l.section != nil && l.section.sync {
		return nil, errWouldWait
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for open := s.excluding(); open != nil; open = s.excluding() {
		parked++
		select {
		case <-open.left:
			parked--
		case <-ctx.Done():
			parked--
			return nil, context.Cause(ctx)
		}
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	p := &pending{op: op, done: make(chan struct{})}
	if l != nil {
		p.event = l.event
	}
	if s.tokens == nil {
		s.tokens = map[uint32]*pending{}
	}
	s.tokens[token] = p
	var b []byte
	if frame != nil {
		b = frame()
	}
	if _, err := call(s.id, op, token, b); err != nil {
		delete(s.tokens, token)
		return nil, err
	}
	if answersAtOnce(op) {
		s.shut()
	}
	return p, nil
}

// take takes an operation out of those under way; it is nil if it was given up.
func (s *scope) take(token uint32) *pending {
	p := s.tokens[token]
	if p != nil {
		delete(s.tokens, token)
		if answersAtOnce(p.op) {
			s.unshut()
		}
	}
	return p
}

func (s *scope) complete(token uint32, frame []byte) {
	p := s.take(token)
	if p == nil {
		s.abandon(frame)
		return
	}
	if len(frame) > 0 && frame[0] == 1 {
		p.finish(frame[1:], nil)
		return
	}
	p.finish(nil, readError(frame[min(1, len(frame)):]))
}

// scopeContext is the context of a scope itself; it ends when the scope is gone.
type scopeContext struct{ s *scope }

func (c scopeContext) Deadline() (time.Time, bool) { return time.Time{}, false }

func (c scopeContext) Done() <-chan struct{} {
	if c.s.ended == nil {
		c.s.ended = make(chan struct{})
		if c.s.gone {
			close(c.s.ended)
		}
	}
	return c.s.ended
}

func (c scopeContext) Err() error {
	if c.s.gone {
		return context.Canceled
	}
	return nil
}

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
		_, _ = call(s.id, abi.OpAbort, token, appendError(nil, reason, ""))
		s.end()
	}
	runtime.Goexit()
}

func (s *scope) Log(_ context.Context, level int, text string) {
	var ev uint32
	if l := running(); l != nil {
		ev = l.event
	}
	hostCall(s.id, uint32(abi.OpLog), ev, pointer(append([]byte{byte(level)}, text...)), uint32(len(text)+1))
}
