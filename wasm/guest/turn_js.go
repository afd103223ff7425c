package guest

// An instance has one thread and is never preempted: its goroutines take turns by themselves.

// take has the running goroutine go on in its turn. It comes before whatever belongs to who has the turn.
func (port) take() {}

// settle says that the running goroutine has changed what others of the guest read, and goes back to code that may wait.
func (port) settle() {}

// start starts a goroutine.
func (port) start(f func()) { go f() }

// signal is something that happens once.
type signal struct{ c chan struct{} }

func newSignal() signal { return signal{make(chan struct{})} }

// fire has it happen.
func (port) fire(s *signal) { close(s.c) }

// park waits for a, for b, which may be nil, or for done; it tells whether it was not for done.
func (port) park(a, b *signal, done <-chan struct{}) bool {
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

// worker waits for events.
type worker struct{ c chan struct{} }

func (port) newWorker() *worker { return &worker{make(chan struct{}, 1)} }

// rest returns when the worker has been roused.
func (port) rest(w *worker) { <-w.c }

func (port) rouse(w *worker) { w.c <- struct{}{} }
