package host

import (
	"context"
	"iter"
	"time"

	"durago.example/host/durable"
	"durago.example/host/storage"
)

// ObjectInfo is what is known of one object without asking it.
type ObjectInfo struct {
	Class   string     `json:"class"`
	ID      string     `json:"id"`
	Name    *string    `json:"name"`      // null if it is not known: see Operator.Objects
	Bytes   int64      `json:"bytes"`     // on disk, the database and its log; 0 while it is in the journal only, or nothing is stored
	Memory  bool       `json:"in_memory"` // its code is
	Active  int        `json:"active"`    // events that its code has begun and not answered
	Waiting int        `json:"waiting"`   // events that wait for it
	Sockets int        `json:"sockets"`
	Alarm   *time.Time `json:"alarm"`    // when it will be woken, retries included; null if no alarm is set
	Used    *time.Time `json:"last_use"` // its last event if something of it is in memory, else its last write; null if neither is known
}

// Objects gives the objects of a class, or of all if class is empty: those that have stored something, and those of which
// something is in memory. They come in no order, and none twice; one that comes or goes meanwhile may be left out. About a
// thousand are in memory at once, besides those that are there anyway.
//
// A name is known while an object that was reached by it is in memory, and of those that have an alarm: an id does not tell
// it, and what is stored is what workerd would store.
func (p *Operator) Objects(ctx context.Context, class string) iter.Seq2[ObjectInfo, error] {
	return func(yield func(ObjectInfo, error) bool) {
		var all []*durable.Namespace
		if class == "" {
			all = sortedNamespaces(p.namespaces)
		} else {
			n, err := p.namespace(class)
			if err != nil {
				yield(ObjectInfo{}, err)
				return
			}
			all = append(all, n)
		}
		for _, n := range all {
			if !objectsOf(ctx, n, yield) {
				return
			}
		}
	}
}

func objectsOf(ctx context.Context, n *durable.Namespace, yield func(ObjectInfo, error) bool) bool {
	present, err := n.Present(ctx)
	if err != nil {
		yield(ObjectInfo{}, err)
		return false
	}
	for s, err := range n.Stored() {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			yield(ObjectInfo{}, err)
			return false
		}
		var here *durable.Presence
		if p, ok := present[s.ID]; ok {
			here = &p
			delete(present, s.ID)
		}
		if !yield(objectInfo(n, s, here), nil) {
			return false
		}
	}
	for id, p := range present {
		if !yield(objectInfo(n, storage.Stored{ID: id}, &p), nil) {
			return false
		}
	}
	return true
}

func objectInfo(n *durable.Namespace, s storage.Stored, here *durable.Presence) ObjectInfo {
	o := ObjectInfo{Class: n.Class, ID: s.ID, Bytes: s.Bytes}
	o.Alarm, o.Name = n.NextAlarm(s.ID)
	used := s.Changed
	if here != nil {
		o.Memory, o.Active, o.Waiting, o.Sockets = here.Started, here.Active, here.Waiting, here.Sockets
		if here.Name != nil {
			o.Name = here.Name
		}
		if !here.Used.IsZero() {
			used = here.Used
		}
	}
	if !used.IsZero() {
		o.Used = &used
	}
	return o
}
