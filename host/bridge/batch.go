package bridge

import (
	"time"

	"durago.example/host/durable"
	"durago.example/wasm/abi"
)

// batch is what an object's guest has been given and has not run. Events that wait for the loop together run together,
// in their order and with one commit: entering the guest and ending a turn cost as much as a small handler. It stays
// short, since the first answer leaves no earlier than the last one's writes: about a millisecond by what events have
// cost so far.
type batch struct {
	s      *scope
	events []*event
	cost   time.Duration // of an event, averaged
}

const (
	maxBatch  = 32
	batchTime = time.Millisecond
)

// room makes room for one more event of a context.
func (b *Bridge) room(ctx uint32) {
	g := &b.batch
	if n := len(g.events); g.s != nil && (g.s.id != ctx || n >= maxBatch || time.Duration(n)*g.cost >= batchTime) {
		b.flush()
	}
	b.tell()
}

// gather gives an event to the guest, to run with those before it when the loop has nothing more at hand.
func (b *Bridge) gather(s *scope, kind abi.Event, frame []byte, r *Request, source *durable.Event) *event {
	b.batch.s = s
	e := b.expect(s, kind, r, source.Done)
	e.source = source
	b.batch.events = append(b.batch.events, e)
	b.willRest()
	_ = b.iso.Notify(kind, s.id, e.id, frame) // a death is told to Died
	return e
}

// flush runs what was gathered.
func (b *Bridge) flush() {
	g := &b.batch
	s, n := g.s, len(g.events)
	if s == nil {
		return
	}
	g.s = nil
	b.current = s
	b.took = 0
	_ = b.iso.Run(s.id) // a death is told to Died
	g.cost += (b.took/time.Duration(n) - g.cost) / 8
	b.current = nil
	g.drop()
}

// Begins has what was gathered run before what the guest has asked for.
func (b *Bridge) Begins() { b.flush() }

// drop forgets the events: they have run, or will with what ends their scope.
func (g *batch) drop() {
	g.s = nil
	clear(g.events)
	g.events = g.events[:0]
}

// willRest has rest called when the loop has nothing more at hand.
func (b *Bridge) willRest() {
	if !b.paused {
		b.paused = true
		b.guests.loop.AtRest(b.pause)
	}
}

// rest runs what was gathered, and looks whether the guest is to be replaced or to end.
func (b *Bridge) rest() {
	b.paused = false
	b.flush()
	if b.o.RecycleAt > 0 && !b.old {
		b.recycle()
	}
	if b.last && len(b.scopes) == 0 && !b.draining() {
		b.close()
	}
}

// unbegun takes the events out that the guest, now dead, was given and did not begin. One whose body streams, or that
// came with stubs or streams, cannot be delivered again.
func (b *Bridge) unbegun() (list []*event) {
	last := b.iso.Begun()
	for _, e := range b.batch.events {
		if e.id > last && b.events[e.id] == e && (e.request == nil || e.request.Body == nil) && e.landed == nil {
			delete(b.events, e.id)
			list = append(list, e)
		}
	}
	b.batch.s = nil
	return list
}
