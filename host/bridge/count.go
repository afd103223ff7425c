package bridge

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"

	"durago.example/host/durable"
	"durago.example/host/metrics"
	"durago.example/wasm/abi"
)

// Counts are what the isolates of a loop have done. It may be read from any goroutine.
type Counts struct {
	Restarts, Recycles atomic.Int64 // of guests that had died, and of those whose memory had grown
	Memory, Isolates   atomic.Int64 // bytes, and how many, when the loop was last asked: see Guests.Measure

	mu      sync.Mutex // to write classes, which only the loop does, and to read it elsewhere
	classes map[*durable.Namespace]*EventCounts
}

// EventCounts are the events of one class, or of the front, by kind, and the ordinary sockets that are open.
type EventCounts struct {
	kinds [abi.EventService + 1]eventCount
	conns atomic.Int64
}

type eventCount struct {
	time   metrics.Histogram
	failed atomic.Int64
}

// of are the counts of a class; nil is the front. Loop only.
func (c *Counts) of(n *durable.Namespace) *EventCounts {
	if e := c.classes[n]; e != nil {
		return e
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.classes == nil {
		c.classes = map[*durable.Namespace]*EventCounts{}
	}
	c.classes[n] = &EventCounts{}
	return c.classes[n]
}

// Conns are the ordinary sockets that a class has open, or the front under nil.
func (c *Counts) Conns(n *durable.Namespace) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.classes[n]; e != nil {
		return e.conns.Load()
	}
	return 0
}

// Events calls f for each kind of event that a class, or the front under nil, has had.
func (c *Counts) Events(f func(n *durable.Namespace, kind string, time *metrics.Histogram, failed int64)) {
	c.mu.Lock()
	classes := maps.Clone(c.classes)
	c.mu.Unlock()
	for n, e := range classes {
		for kind, name := range eventNames {
			if k := &e.kinds[kind]; k.time.Count() > 0 {
				f(n, name, &k.time, k.failed.Load())
			}
		}
	}
}

// count counts an event that has been answered, or never will be.
func (b *Bridge) count(e *event, failed bool) {
	if e.counted || e.kind == abi.EventBlock {
		return
	}
	e.counted = true
	k := &e.s.counts.kinds[e.kind]
	k.time.Observe(b.o.Clock.Now().Sub(e.began))
	if failed {
		k.failed.Add(1)
	}
}

// Counts are what the isolates of the loop have done.
func (g *Guests) Counts() *Counts { return &g.counts }

// Measure asks the loop how much memory its isolates have, and waits for that until ctx ends.
func (g *Guests) Measure(ctx context.Context) {
	done := make(chan struct{})
	if g.Do(func() {
		total := uint64(0)
		for b := range g.bridges {
			total += b.Memory()
		}
		g.counts.Memory.Store(int64(total))
		g.counts.Isolates.Store(int64(len(g.bridges)))
		close(done)
	}) != nil {
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}
