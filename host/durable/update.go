package durable

import (
	"time"

	"durago.example/host/clock"
)

// ErrUpdated is why an object is reset that had not left memory by the time that new code had for that.
var ErrUpdated error = &Error{Name: "Error", Message: "Durable Object reset because its code was updated."}

// updates are those of a loop. Each has a number, from 1 on.
type updates struct {
	last   int
	timers map[int]clock.Timer
}

// Update is told that the guest of a loop makes objects of new code from now on. One that is not in memory loses its sockets
// at once; one that is goes on with the code it has until it leaves memory, and then loses them, or is reset after delay. On
// that loop only. See https://developers.cloudflare.com/durable-objects/platform/known-issues/#code-updates.
func (e *Engine) Update(loop int, delay time.Duration) {
	u := &e.updates[loop]
	u.last++
	number := u.last
	var list []*Object
	for _, n := range e.namespaces {
		for _, o := range n.shards[loop].objects {
			switch {
			case !o.started:
				if o.Sockets != nil && o.Sockets.Len() > 0 {
					o.Break(ErrUpdated)
				}
			case delay <= 0:
				o.Break(ErrUpdated)
			case o.outdated == 0: // another update's time counts from that
				o.outdated = number
				list = append(list, o)
			}
		}
	}
	if len(list) == 0 {
		return
	}
	u.timers[number] = e.o.Clock.AfterFunc(delay, func() {
		_ = e.o.Loops[loop].Do(func() {
			delete(u.timers, number)
			for _, o := range list {
				if o.outdated == number {
					o.Break(ErrUpdated)
				}
			}
		})
	})
}

func (u *updates) stop() {
	for _, t := range u.timers {
		t.Stop()
	}
}

// adopt is called when an object has left memory. If other code will make it anew its sockets end.
func (o *Object) adopt() {
	if o.outdated == 0 {
		return
	}
	o.outdated = 0
	if o.Sockets != nil {
		o.Sockets.drop()
	}
}
