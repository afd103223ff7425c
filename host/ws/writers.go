package ws

import (
	"sync"
	"time"
)

// Writers are the goroutines that write to the connections of a host. Those that have nothing to do wait for the next message: a
// message to many needs one for each, and to start them and to let each grow its stack made it 5 to 7 % slower. What has not been
// needed for a while is let go.
type Writers struct {
	mu     sync.Mutex
	idle   []chan *Conn // the last one is taken first
	unused int          // how many of the first have not been needed since the last look
	looks  *time.Timer  // nil if none is idle
	closed bool
}

const (
	maxIdleWriters = 1024                   // of 4 KiB, most of them
	idleWriter     = 200 * time.Millisecond // between two looks
)

// write has a goroutine write what c has queued. w may be nil.
func (w *Writers) write(c *Conn) {
	if w == nil {
		go c.write()
		return
	}
	w.mu.Lock()
	n := len(w.idle) - 1
	if n < 0 {
		w.mu.Unlock()
		go w.work(c)
		return
	}
	next := w.idle[n]
	w.idle = w.idle[:n]
	w.unused = min(w.unused, n)
	w.mu.Unlock()
	next <- c
}

func (w *Writers) work(c *Conn) {
	next := make(chan *Conn, 1)
	for c != nil {
		c.write()
		if !w.rest(next) {
			return
		}
		c = <-next
	}
}

// rest tells whether a writer may wait for what next brings.
func (w *Writers) rest(next chan *Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.idle) >= maxIdleWriters {
		return false
	}
	w.idle = append(w.idle, next)
	if w.looks == nil {
		w.unused = 0
		w.looks = time.AfterFunc(idleWriter, w.look)
	}
	return true
}

// look lets those go that have not been needed since the last time.
func (w *Writers) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.letGo(w.unused)
	w.unused = len(w.idle)
	switch {
	case w.closed:
	case len(w.idle) == 0:
		w.idle, w.looks = nil, nil
	default:
		w.looks.Reset(idleWriter)
	}
}

// letGo ends the first n. mu is held.
func (w *Writers) letGo(n int) {
	for _, next := range w.idle[:n] {
		close(next)
	}
	rest := copy(w.idle, w.idle[n:])
	clear(w.idle[rest:])
	w.idle = w.idle[:rest]
}

// Close lets all go that wait. Connections may still be open.
func (w *Writers) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.letGo(len(w.idle))
	if w.looks != nil {
		w.looks.Stop()
	}
}
