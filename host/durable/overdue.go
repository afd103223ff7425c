package durable

import (
	"time"

	"durago.example/host/clock"
)

// An output gate that a commit holds for 30 seconds resets its object, as on the platform: those who wait learn that their
// writes may be lost. A disk that comes back makes them durable all the same.

// A timer for each commit would cost more than the commit. So a loop looks at those that are under way every 10 seconds,
// while there are any, and finds one after 30 to 40.
const (
	overdueRound  = 10 * time.Second
	overdueRounds = 3
)

var errOverdue = &Error{Name: "Error", Message: "Durable Object storage operation exceeded timeout which caused object to be reset."}

// watch is the commits of one loop that hold output gates, in their order.
type watch struct {
	clock       clock.Clock
	loop        Loop
	first, last *commit
	round       int
	timer       clock.Timer // nil while there are none
	stopped     bool
}

func (w *watch) add(c *commit) {
	c.round, c.before = w.round, w.last
	if w.last != nil {
		w.last.after = c
	} else {
		w.first = c
	}
	w.last = c
	w.arm()
}

func (w *watch) arm() {
	if w.timer == nil && w.first != nil && !w.stopped {
		w.timer = w.clock.AfterFunc(overdueRound, func() { _ = w.loop.Do(w.look) })
	}
}

// remove may be called again.
func (w *watch) remove(c *commit) {
	if c.before == nil && w.first != c {
		return
	}
	if c.before != nil {
		c.before.after = c.after
	} else {
		w.first = c.after
	}
	if c.after != nil {
		c.after.before = c.before
	} else {
		w.last = c.before
	}
	c.before, c.after = nil, nil
}

func (w *watch) look() {
	w.timer = nil
	w.round++
	for c := w.first; c != nil && w.round-c.round > overdueRounds; c = w.first {
		w.remove(c)
		if c.o.broken == nil {
			c.o.fail(errOverdue)
		}
	}
	w.arm()
}

func (w *watch) stop() {
	if w.stopped = true; w.timer != nil {
		w.timer.Stop()
	}
}
