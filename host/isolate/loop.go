package isolate

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Loop runs functions one after another on a goroutine of its own. Isolates belong to one each. Do, Quiet and Close may be
// called from any goroutine.
type Loop struct {
	mu     sync.Mutex
	jobs   []func()
	wake   chan struct{}
	closed bool
	busy   bool // it works on what it took
	done   chan struct{}
	rest   []func()
	began  atomic.Int64 // when the job that runs did, in nanoseconds of origin; 0 if none does
	origin time.Time
}

// NewLoop starts a loop.
func NewLoop() *Loop {
	l := &Loop{wake: make(chan struct{}, 1), done: make(chan struct{}), origin: time.Now()}
	go l.run()
	return l
}

// ErrClosed says that the loop has been closed.
var ErrClosed = errors.New("isolate: closed")

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

// AtRest has the loop run f once it has done what it took, before it looks for more. Loop only.
func (l *Loop) AtRest(f func()) { l.rest = append(l.rest, f) }

// Quiet tells whether the loop has nothing to do.
func (l *Loop) Quiet() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.jobs) == 0 && !l.busy
}

// Busy is how long what runs now has been running, on the machine's clock; 0 if nothing does.
func (l *Loop) Busy() time.Duration {
	began := l.began.Load()
	if began == 0 {
		return 0
	}
	return time.Since(l.origin) - time.Duration(began)
}

// Close ends the loop after what it has been given.
func (l *Loop) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	<-l.done
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
			l.began.Store(int64(time.Since(l.origin)))
			f()
			batch[k] = nil
		}
		for k := 0; k < len(l.rest); k++ { // one may ask for another
			f := l.rest[k]
			l.rest[k] = nil
			l.began.Store(int64(time.Since(l.origin)))
			f()
		}
		l.began.Store(0)
		l.rest = l.rest[:0]
		if len(batch) > 0 {
			continue
		}
		if closed {
			return
		}
		<-l.wake
	}
}
