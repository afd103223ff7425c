package guest

import (
	"context"
	"runtime/debug"

	"durago.example/wasm/abi"
)

// section is a critical section or a transaction of a scope, from its begin to its end.
type section struct {
	outer *section
	was   *label        // of the goroutine that it runs on, before it
	event uint32        // with which the runtime began it; 0 of a TransactionSync
	sync  bool          // nothing inside may wait
	ended bool          // but one inside may still be open
	left  chan struct{} // closed when nothing of it is open any more
}

// holds tells whether the running goroutine is inside.
func (c *section) holds() bool {
	l := running()
	if l == nil {
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
	was := running()
	sec := &section{outer: s.section, was: was, event: event, sync: sync, left: make(chan struct{})}
	s.section = sec
	var ev uint32
	if was != nil {
		ev = was.event
	}
	newLabel(s, sec, ev).set()
	return sec
}

// leave takes the running goroutine out of the section, which has ended, and lets others go on.
func (s *scope) leave(sec *section) {
	if sec.was != nil {
		sec.was.set()
	} else {
		setProfLabel(nil)
	}
	sec.ended = true
	for s.section != nil && s.section.ended {
		close(s.section.left)
		s.section = s.section.outer
	}
}

// shut keeps events from beginning that arrived together with the one that runs. On the platform they would not have
// arrived: they wait while a section is open or asked for, and while storage answers.
func (s *scope) shut() { s.shuts++ }

func (s *scope) unshut() {
	if s.shuts--; s.shuts == 0 && len(arrived) > 0 {
		summon()
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
type body struct{ start chan uint32 }

var bodies = map[uint32]*body{}

// runSection runs f between the runtime's begin and end of op. f runs on the caller's goroutine and may wait. Others stay
// out until the runtime has said that the section is over: what they write must not be part of a transaction.
func (s *scope) runSection(ctx context.Context, op abi.Op, f func(ev uint32) error) error {
	token := nextToken()
	b := &body{start: make(chan uint32, 1)}
	bodies[token] = b
	defer delete(bodies, token)
	s.shut()
	defer s.unshut()
	p, err := s.begin(ctx, op, token, func() []byte { return abi.AppendU32(scratch[:0], innermost()) })
	if err != nil {
		return err
	}
	var ev uint32
	select {
	case ev = <-b.start:
	case <-p.done: // refused, or the scope is gone
		return p.err
	}
	sec := s.open(ev, false)
	finished := false
	defer func() {
		if finished {
			return
		}
		r := recover()
		s.answer(ev, abi.OpFail, appendError(nil, panicError(r), string(debug.Stack())))
		<-p.done
		s.leave(sec)
		if r != nil {
			panic(r)
		}
	}()
	failed := f(ev)
	finished = true
	if failed != nil {
		s.answer(ev, abi.OpFail, appendError(nil, failed, ""))
	} else {
		s.answer(ev, abi.OpReturn, nil)
	}
	<-p.done
	s.leave(sec)
	if failed != nil {
		return failed
	}
	return p.err
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

var syncBodies = map[uint32]*syncBody{}

func (s *scope) TransactionSync(f func() error) error {
	if err := s.enter(); err != nil {
		return err
	}
	token := nextToken()
	b := &syncBody{s: s, f: f}
	syncBodies[token] = b
	defer delete(syncBodies, token)
	_, err := call(s.id, abi.OpTransactionSync, token, nil)
	if b.err != nil {
		if p, ok := b.err.(panicked); ok {
			panic(p.value)
		}
		return b.err
	}
	return err
}

// exportTransaction runs the body of a TransactionSync; it is called from inside OpTransactionSync.
//
//go:wasmexport durago_transaction
func exportTransaction(token uint32) (rollback uint32) {
	b := syncBodies[token]
	if b == nil {
		return 1
	}
	defer func() {
		if r := recover(); r != nil {
			b.err = panicked{r}
			rollback = 1
		}
		control[abi.ControlTransaction] = token
	}()
	sec := b.s.open(0, true)
	defer b.s.leave(sec)
	if b.err = b.f(); b.err != nil {
		return 1
	}
	return 0
}

// panicked carries a panic of a transaction's body to the goroutine that asked for it.
type panicked struct{ value any }

func (panicked) Error() string { return "panic" }
