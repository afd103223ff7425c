package durable

import "sync/atomic"

// Counts are what a class has now. They may be read from any goroutine.
type Counts struct {
	Objects atomic.Int64 // whose code is in memory
	Waiting atomic.Int64 // events
	Sockets atomic.Int64
}

// Counts are the class's.
func (n *Namespace) Counts() *Counts { return &n.counts }

// Alarms is how many objects have one. It may be called from any goroutine.
func (n *Namespace) Alarms() int {
	n.alarms.mu.Lock()
	defer n.alarms.mu.Unlock()
	return len(n.alarms.byID)
}

// setStarted notes whether the guest has the object.
func (o *Object) setStarted(started bool) {
	if o.started == started {
		return
	}
	if o.started = started; started {
		o.ns.counts.Objects.Add(1)
	} else {
		o.ns.counts.Objects.Add(-1)
	}
}

// wait notes that an event waits for the object, or does so no more.
func (o *Object) wait(e *Event, more int) {
	o.queued += more * e.Size
	o.ns.counts.Waiting.Add(int64(more))
}
