package guest

import "runtime"

// An instance has one thread: its goroutines take turns by themselves, but for what the collector does (see heap).

// take has the running goroutine go on in its turn. It comes before whatever belongs to who has the turn.
func (*port) take() {}

// settle says that the running goroutine has changed what others of the guest read, and goes back to code that may wait.
func (*port) settle() {}

// start starts a goroutine.
func (*port) start(f func()) { go f() }

// signal is something that happens once.
type signal struct{ c chan struct{} }

func newSignal() signal { return signal{make(chan struct{})} }

// fire has it happen.
func (*port) fire(s *signal) { close(s.c) }

// fireAll has them happen, so that who waits goes on in their order. The scheduler runs next whom it was told of last, and the
// others in the order in which it was.
func (p *port) fireAll(list []*signal) {
	if len(list) == 0 {
		return
	}
	for _, s := range list[1:] {
		p.fire(s)
	}
	p.fire(list[0])
}

// park waits for a, for b, which may be nil, or for done; it tells whether it was not for done.
func (*port) park(a, b *signal, done <-chan struct{}) bool {
	var second chan struct{}
	if b != nil {
		second = b.c
	}
	select {
	case <-a.c:
	case <-second:
	case <-done:
		return false
	}
	return true
}

// letOthersGoOn returns when the handler that began last has ended or waits, as far as can be told, and the runtime runs the
// guest for a context. A handler that is interrupted (see heap) is in the scheduler's queue, behind those that can run: it may
// be so when the collector begins, when it ends, and in between. And if an event is being delivered then, those that are ready
// run before their context is current, where a handler could do nothing but wait for it, behind those that come later.
func (g *Guest) letOthersGoOn() {
	for n := 0; n < 4 && len(g.arrived) > 0 && g.handling != nil; n++ {
		runtime.Gosched()
	}
	for n := 0; g.current() == 0 && n < 3; { // an event that is about to be delivered has not said so yet
		runtime.Gosched()
		if !g.posting {
			n++
		}
	}
}

// worker waits for events.
type worker struct{ c chan struct{} }

func (*port) newWorker() *worker { return &worker{make(chan struct{}, 1)} }

// rest returns when the worker has been roused.
func (*port) rest(w *worker) { <-w.c }

func (*port) rouse(w *worker) { w.c <- struct{}{} }
