package guest

import (
	"context"
	"runtime/debug"

	"durago.example/wasm/abi"
)

// section is a critical section or a transaction of a scope, from its begin to its end.
type section struct {
	outer *section
	sync  bool          // nothing inside may wait
	left  chan struct{} // closed when it ends
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

// within runs f inside a new section of s on the running goroutine.
func (s *scope) within(sync bool, f func() error) error {
	old := running()
	sec := &section{outer: s.section, sync: sync, left: make(chan struct{})}
	var ev uint32
	if old != nil {
		ev = old.event
	}
	s.section = sec
	newLabel(s, sec, ev).set()
	defer func() {
		if old != nil {
			old.set()
		} else {
			setProfLabel(nil)
		}
		if s.section == sec {
			s.section = sec.outer
			close(sec.left)
		}
	}()
	return f()
}

// body is a section that the runtime starts: it is handed from the event to the goroutine that asked for it.
type body struct{ start chan uint32 }

var bodies = map[uint32]*body{}

// section runs f between the runtime's begin and end of op. f runs on the caller's goroutine and may wait.
func (s *scope) runSection(ctx context.Context, op abi.Op, f func(context.Context) error) (err error) {
	token := nextToken()
	b := &body{start: make(chan uint32, 1)}
	bodies[token] = b
	defer delete(bodies, token)
	s.sections++
	defer func() {
		if s.sections--; s.sections == 0 && len(arrived) > 0 {
			summon()
		}
	}()
	p, err := s.begin(ctx, op, token, nil)
	if err != nil {
		return err
	}
	var ev uint32
	select {
	case ev = <-b.start:
	case <-p.done: // refused, or the scope is gone
		return p.err
	}
	var failed error
	finished := false
	defer func() {
		if finished {
			return
		}
		r := recover()
		s.answer(ev, abi.OpFail, appendError(nil, panicError(r), string(debug.Stack())))
		if r != nil {
			panic(r)
		}
	}()
	failed = s.within(false, func() error { return f(ctx) })
	finished = true
	if failed != nil {
		s.answer(ev, abi.OpFail, appendError(nil, failed, ""))
	} else {
		s.answer(ev, abi.OpReturn, nil)
	}
	<-p.done
	if failed != nil {
		return failed
	}
	return p.err
}

func (s *scope) Block(ctx context.Context, f func(context.Context) error) error {
	return s.runSection(ctx, abi.OpBlock, f)
}

func (s *scope) Transaction(ctx context.Context, f func(context.Context) error) error {
	return s.runSection(ctx, abi.OpTransaction, f)
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
	if b.err = b.s.within(true, b.f); b.err != nil {
		return 1
	}
	return 0
}

// panicked carries a panic of a transaction's body to the goroutine that asked for it.
type panicked struct{ value any }

func (panicked) Error() string { return "panic" }
