package bridge

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"durago.example/host/clock"
	"durago.example/host/durable"
	"durago.example/wasm/abi"
)

// The memory of a wasm instance never shrinks. When it has grown past a mark the guest is replaced between events: what comes
// is held back, what is under way ends, a new guest starts, and gets what was held back. Its objects are made anew, as after
// an eviction; their sockets and alarms are the host's and notice nothing.
//
// What guests call is not held back: it is a part of what is under way, which would wait for it. But that may wait for a
// client, or for a message. So after drainLimit everything goes on as it was, and it is tried again later.
const (
	drainLimit   = 250 * time.Millisecond
	recycleEvery = 10 * time.Second // a guest that needs the memory would do nothing but start
)

// recycling is how far that has come.
type recycling struct {
	before time.Time   // not before
	limit  clock.Timer // of a draining; nil if there is none
	held   []held
}

// held is a delivery that waits: an event of an object, or something else to begin.
type held struct {
	o     *durable.Object
	e     *durable.Event
	begin func()
}

var errRecycled = errors.New("the isolate was recycled")

// draining tells whether what would begin is held back.
func (b *Bridge) draining() bool { return b.recycling.limit != nil }

func (b *Bridge) hold(h held) { b.recycling.held = append(b.recycling.held, h) }

// recycle replaces the guest if its memory is past the mark. It is called when the loop has nothing at hand.
func (b *Bridge) recycle() {
	r := &b.recycling
	size := b.iso.Memory()
	if size <= b.o.RecycleAt || b.iso.Dead() != nil {
		return
	}
	if !b.draining() {
		now := b.o.Clock.Now()
		if now.Before(r.before) {
			return
		}
		r.before = now.Add(recycleEvery)
		r.limit = b.o.Clock.AfterFunc(drainLimit, func() { _ = b.Do(b.goOn) })
	}
	if !b.idle() {
		return
	}
	b.log(nil, abi.LogInfo, 0, fmt.Sprintf("the isolate is replaced: its memory has grown to %d MiB", size>>20))
	b.replace()
	b.goOn()
}

// idle tells whether nothing that the guest does would be lost with it but what an eviction ends too.
func (b *Bridge) idle() bool {
	if len(b.events) > 0 {
		return false
	}
	for _, s := range b.scopes {
		if s.object == nil || s.kept() || len(s.blocks)+len(s.bodies)+len(s.streams)+len(s.aborts)+len(s.lent)+s.given+s.open > 0 ||
			s.object.Database().Writing() {
			return false
		}
	}
	return true
}

// replace starts a new guest. Events that were held back wait at their objects' gates again, in their order.
func (b *Bridge) replace() {
	scopes := b.scopes
	b.clear()
	for _, s := range scopes {
		s.release(errRecycled)
		var again []*durable.Event
		b.recycling.held = slices.DeleteFunc(b.recycling.held, func(h held) bool {
			if h.o != s.object {
				return false
			}
			again = append(again, h.e)
			return true
		})
		s.object.Recycled(again...)
	}
	if b.last {
		return
	}
	b.guests.counts.Recycles.Add(1)
	if err := b.iso.Restart(); err != nil { // the next event tries again
		b.log(nil, abi.LogError, 0, err.Error())
	}
}

// goOn lets in what was held back.
func (b *Bridge) goOn() {
	r := &b.recycling
	if !b.draining() {
		return
	}
	r.limit.Stop()
	r.limit = nil
	list := r.held
	r.held = nil
	for _, h := range list {
		if h.begin != nil {
			h.begin()
		} else {
			b.guests.Deliver(h.o, h.e)
		}
	}
}
