package guest

import (
	"context"
	"runtime/debug"

	"durago.example/wasm/abi"
)

// section is a critical section or a transaction of a scope, from its begin to its end.
type section struct {
	outer  *section
	was    *label   // of the goroutine that it began on, before it
	label  *label   // of that goroutine inside, and of those that it started there
	event  uint32   // with which the runtime began it; 0 of a TransactionSync
	over   *pending // done when the runtime has ended it; nil of a TransactionSync
	sync   bool     // nothing inside may wait
	apart  bool     // it is one of Begin
	ending bool     // the runtime has been told the outcome; only where apart
	ended  bool     // but one inside may still be open
	left   signal   // that nothing of it is open any more
}

// holds tells whether the running goroutine is inside. When the end of one that was begun apart is on its way nobody is:
// what a goroutine does then would be in the transaction or not, as it happens.
func (c *section) holds() bool {
	l := running()
	if l == nil || c.ending {
		return false
	}
	for in := l.section; in != nil; in = in.outer {
		if in == c {
			return true
		}
	}
	return false
}

// innermost is the event of the innermost section that the running goroutine is in, or 0.
func innermost() uint32 {
	if l := running(); l != nil {
		for in := l.section; in != nil; in = in.outer {
			if !in.ended {
				return in.event
			}
		}
	}
	return 0
}

// open puts the running goroutine inside a new section of s.
func (s *scope) open(event uint32, sync bool) *section {
	sec := &section{outer: s.section, was: running(), event: event, sync: sync, left: newSignal()}
	s.section = sec
	var ev uint32
	if sec.was != nil {
		ev = sec.was.event
	}
	sec.label = newLabel(s, sec, ev)
	sec.label.set()
	return sec
}

// leave takes the running goroutine out of the section, which has ended, and lets others go on. The goroutines inside of one
// that was begun apart are others, perhaps: their label, which they share, says no more that they are.
func (s *scope) leave(sec *section) {
	switch {
	case sec.apart && sec.was != nil:
		sec.label.section = sec.was.section
	case sec.apart:
		sec.label.section = nil
	case sec.was != nil:
		sec.was.set()
	default:
		setProfLabel(nil)
	}
	sec.ended = true
	for s.section != nil && s.section.ended {
		s.g.fire(&s.section.left)
		s.section = s.section.outer
	}
}

// shut keeps events from beginning that arrived together with the one that runs. On the platform they would not have
// arrived: they wait while a section is open or asked for, and while storage answers.
func (s *scope) shut() { s.shuts++ }

func (s *scope) unshut() {
	if s.shuts--; s.shuts == 0 && len(s.g.arrived) > 0 {
		s.g.summon()
	}
}

// answersAtOnce tells of the asynchronous operations that wait for nothing outside.
func answersAtOnce(op abi.Op) bool {
	switch op {
	case abi.OpGet, abi.OpPut, abi.OpDelete, abi.OpList, abi.OpAlarmGet, abi.OpAlarmSet, abi.OpAlarmDelete, abi.OpDeleteAll:
		return true
	}
	return false
}

// body is a section that the runtime starts: it is handed from the event to the goroutine that asked for it.
type body struct {
	start signal
	event uint32 // once it has
}

// ask asks the runtime for a section, and returns when it is open and the caller's goroutine inside. Others stay out until
// the runtime has said that the section is over: what they write must not be part of a transaction.
func (s *scope) ask(ctx context.Context, op abi.Op) (*section, error) {
	token := s.g.nextToken()
	b := &body{start: newSignal()}
	s.g.pin()
	s.g.bodies[token] = b
	s.g.unpin()
	s.shut()
	p, err := s.begin(ctx, op, token, func() []byte { return abi.AppendU32(s.g.scratch(), innermost()) })
	if err == nil {
		if !s.g.park(&b.start, &p.done, ctx.Done()) {
			s.g.start(func() { s.decline(token, b, p) })
			return nil, context.Cause(ctx)
		}
		if b.event != 0 {
			delete(s.g.bodies, token)
			sec := s.open(b.event, false)
			sec.over = p
			s.g.settle()
			return sec, nil
		}
		err = p.err // refused, or the scope is gone
	}
	delete(s.g.bodies, token)
	s.unshut()
	s.g.settle()
	return nil, err
}

// decline ends a section that nobody waits for any more as soon as it begins.
func (s *scope) decline(token uint32, b *body, p *pending) {
	s.g.park(&b.start, &p.done, nil)
	if b.event != 0 {
		if s.arrive() == nil {
			_, _ = s.g.call(s.id, abi.OpReturn, b.event, nil, nil)
		}
		s.g.park(&p.done, nil, nil)
	}
	delete(s.g.bodies, token)
	s.unshut()
}

// finish gives the runtime the outcome of a section when those within it have ended, and returns when the section is over.
func (s *scope) finish(sec *section, op abi.Op, frame []byte) error {
	s.g.take()
	for s.section != nil && s.section != sec {
		s.g.parked++
		s.g.park(&s.section.left, nil, nil)
		s.g.parked--
	}
	if s.arrive() == nil {
		_, _ = s.g.call(s.id, op, sec.event, frame, nil)
	}
	s.g.park(&sec.over.done, nil, nil)
	s.leave(sec)
	s.unshut()
	s.g.settle()
	return sec.over.err
}

// runSection runs f between the runtime's begin and end of op. f runs on the caller's goroutine and may wait.
func (s *scope) runSection(ctx context.Context, op abi.Op, f func(ev uint32) error) error {
	sec, err := s.ask(ctx, op)
	if err != nil {
		return err
	}
	finished := false
	defer func() {
		if finished {
			return
		}
		r := recover()
		_ = s.finish(sec, abi.OpFail, appendError(nil, panicError(r), string(debug.Stack())))
		if r != nil {
			panic(r)
		}
	}()
	failed := f(sec.event)
	finished = true
	if failed != nil {
		_ = s.finish(sec, abi.OpFail, appendError(nil, failed, ""))
		return failed
	}
	return s.finish(sec, abi.OpReturn, nil)
}

func (s *scope) Block(ctx context.Context, f func(context.Context) error) error {
	return s.runSection(ctx, abi.OpBlock, func(uint32) error { return f(ctx) })
}

func (s *scope) Transaction(ctx context.Context, f func(ctx context.Context, rollback func() error) error) error {
	return s.runSection(ctx, abi.OpTransaction, func(ev uint32) error {
		return f(ctx, func() error {
			_, err := s.do(abi.OpRollback, ev, nil)
			return err
		})
	})
}

type syncBody struct {
	s   *scope
	f   func() error
	err error
}

func (s *scope) TransactionSync(f func() error) error {
	if err := s.enter(); err != nil {
		return err
	}
	token := s.g.nextToken()
	b := &syncBody{s: s, f: f}
	s.g.pin()
	s.g.syncBodies[token] = b
	s.g.unpin()
	defer delete(s.g.syncBodies, token)
	_, err := s.g.call(s.id, abi.OpTransactionSync, token, nil, nil)
	if b.err != nil {
		if p, ok := b.err.(panicked); ok {
			panic(p.value)
		}
		return b.err
	}
	return err
}

// transaction runs the body of a TransactionSync, from inside OpTransactionSync, and tells whether it is to be undone.
func (g *Guest) transaction(token uint32) (rollback bool) {
	b := g.syncBodies[token]
	if b == nil {
		return true
	}
	defer func() {
		if r := recover(); r != nil {
			b.err = panicked{r}
			rollback = true
		}
	}()
	sec := b.s.open(0, true)
	defer b.s.leave(sec)
	b.err = b.f()
	return b.err != nil
}

// panicked carries a panic of a transaction's body to the goroutine that asked for it.
type panicked struct{ value any }

func (panicked) Error() string { return "panic" }
