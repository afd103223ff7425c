package isolate

import (
	"errors"
	"sync"
)

// ErrClosed says that the isolate has been closed.
var ErrClosed = errors.New("isolate: closed")

// Loop runs functions one after another on a goroutine of its own. Its methods may be called from any other.
type Loop struct {
	pause func()

	mu     sync.Mutex
	jobs   []func()
	wake   chan struct{}
	closed bool
	busy   bool // it works on what it took
	done   chan struct{}
}

// NewLoop starts a loop. pause is called on it when it has done what it was given.
func NewLoop(pause func()) *Loop {
	l := newLoop(pause)
	go l.run()
	return l
}

func newLoop(pause func()) *Loop {
	return &Loop{pause: pause, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// Do has the loop run f. It does not wait; it fails once the loop is closed.
func (l *Loop) Do(f func()) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return ErrClosed
	}
	l.jobs = append(l.jobs, f)
	first := len(l.jobs) == 1
	l.mu.Unlock()
	if first {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// Quiet tells whether the loop has nothing to do.
func (l *Loop) Quiet() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.jobs) == 0 && !l.busy
}

func (l *Loop) run() {
	defer close(l.done)
	var batch []func()
	for {
		l.mu.Lock()
		batch, l.jobs = l.jobs, batch[:0]
		l.busy = len(batch) > 0
		closed := l.closed
		l.mu.Unlock()
		for k, f := range batch {
			f()
			batch[k] = nil
		}
		if len(batch) > 0 {
			l.pause()
			continue
		}
		if closed {
			return
		}
		<-l.wake
	}
}

// Close returns when the loop has done what it was given. The first call says so.
func (l *Loop) Close() (first bool) {
	l.mu.Lock()
	first = !l.closed
	l.closed = true
	l.mu.Unlock()
	if first {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	<-l.done
	return first
}
