package ws

import (
	"runtime"
	"sync"
	"time"
)

// Writers are the goroutines that write to the connections of a host, one connection after another: as many as there are
// processors, and another in the place of each that has to wait for a client. A message to many is cheaper to write that way than
// with a goroutine for each connection, which would have to be woken. It is for connections that tell when they wait.
type Writers struct {
	mu     sync.Mutex
	queue  []*Conn // that have something to write, from first on
	first  int
	width  int             // how many may write
	awake  int             // how many do, and do not wait
	idle   []chan struct{} // of those who are done
	closed bool
}

// writer is one of them.
type writer struct {
	waits bool // for a client, and does not count as awake
	now   time.Time
}

// turn is after how many connections others may run, who are ready.
const turn = 32

// write has c written to. w may be nil.
func (w *Writers) write(c *Conn) {
	if w == nil {
		go c.write(time.Now())
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.first > len(w.queue)/2 { // so that it does not grow as long as it is never empty
		n := copy(w.queue, w.queue[w.first:])
		clear(w.queue[n:])
		w.queue, w.first = w.queue[:n], 0
	}
	w.queue = append(w.queue, c)
	w.wake()
}

// wake has one more write, if it may. mu is held.
func (w *Writers) wake() {
	if w.width == 0 {
		w.width = runtime.GOMAXPROCS(0)
	}
	if w.awake >= w.width {
		return
	}
	w.awake++
	if n := len(w.idle) - 1; n >= 0 {
		w.idle[n] <- struct{}{}
		w.idle = w.idle[:n]
		return
	}
	go w.work()
}

func (w *Writers) work() {
	own := writer{now: time.Now()}
	again := make(chan struct{}, 1)
	var c *Conn
	for n := 1; ; n++ {
		var goesOn bool
		if c, goesOn = w.next(c, &own, again); !goesOn {
			return
		}
		switch {
		case c == nil:
			if _, ok := <-again; !ok {
				return
			}
			own.now = time.Now()
			continue
		case n%turn == 0:
			runtime.Gosched()
			own.now = time.Now()
		}
		c.write(own.now)
	}
}

// next is who is written to next, after one; nil if there is nobody, and again tells when there is, or is closed. A writer of which
// another has taken the place does not go on.
func (w *Writers) next(after *Conn, own *writer, again chan struct{}) (c *Conn, goesOn bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if after != nil && after.writer == own { // and not another's already
		after.writer = nil
	}
	if own.waits {
		if w.awake >= w.width {
			return nil, false
		}
		own.waits, own.now = false, time.Now()
		w.awake++
	}
	if w.first < len(w.queue) {
		c := w.queue[w.first]
		w.queue[w.first] = nil
		w.first++
		c.writer = own
		return c, true
	}
	w.awake--
	if w.queue, w.first = w.queue[:0], 0; cap(w.queue) > maxQueue {
		w.queue = nil
	}
	if w.closed || len(w.idle) >= w.width {
		close(again)
	} else {
		w.idle = append(w.idle, again)
	}
	return nil, true
}

// maxQueue is for how many connections room is kept when nobody is written to.
const maxQueue = 1024

// waits has another write while c's writer waits for its client.
func (w *Writers) waits(c *Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.writer == nil || c.writer.waits {
		return
	}
	c.writer.waits = true
	w.awake--
	if w.first < len(w.queue) {
		w.wake()
	}
}

// Close lets all go that have nothing to do. Connections may still be open.
func (w *Writers) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, again := range w.idle {
		close(again)
	}
	w.idle = nil
}
