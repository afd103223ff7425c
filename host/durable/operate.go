package durable

import (
	"context"
	"errors"
	"iter"
	"time"

	"durago.example/host/gate"
	"durago.example/host/storage"
)

// What an operator does to an object, beside its own code: look at it, change what it has stored, reset or delete it.

// Beside has f called between two of the object's turns, outside of its critical sections, with its database free; what f
// writes is committed as a turn's writes are. Without a database f is not called: ErrNoData. done is called on the loop
// with the error of f, or once what f wrote is durable.
func (o *Object) Beside(ctx context.Context, f func() error, done func(error)) {
	release := o.Hold()
	end := func(err error) {
		release()
		done(err)
	}
	var try func()
	try = func() {
		o.input.Wait(func(l *gate.Lock, broken error) {
			if broken != nil {
				end(o.broken)
				return
			}
			err := ctx.Err()
			if err == nil && !o.db.Free(func() { o.doOrHere(try) }) {
				l.Release()
				return
			}
			if err == nil && !o.db.Exists() {
				err = ErrNoData
			}
			if err == nil {
				err = f()
				o.EndTurn()
			}
			l.Release()
			if err != nil {
				end(err)
				return
			}
			o.Sync(end)
		})
	}
	try()
}

// Together undoes what f wrote if it fails.
func (o *Object) Together(f func() error) error {
	t, err := o.Begin()
	if err != nil {
		return err
	}
	if err := f(); err != nil {
		return errors.Join(err, t.End(true))
	}
	return t.End(false)
}

// Peek runs f on the loop with the object of an id, or nil if nothing of it is in memory, not even a socket.
func (n *Namespace) Peek(id string, f func(o *Object)) error {
	i := n.place(id)
	return n.e.o.Loops[i].Do(func() { f(n.shards[i].objects[id]) })
}

// Presence is what of an object is in memory.
type Presence struct {
	Name    *string // nil if none is known
	Started bool
	Active  int // events that its code has begun and not answered
	Waiting int // events
	Sockets int
	Used    time.Time // when the last event ended; now while there are any
}

// Presence is what of the object is in memory.
func (o *Object) Presence() Presence {
	p := Presence{Name: o.name, Started: o.started, Active: o.inflight, Waiting: o.input.Waiting(), Used: o.used}
	if o.Sockets != nil {
		p.Sockets = o.Sockets.Len()
	}
	if o.Busy() {
		p.Used = o.ns.e.o.Clock.Now()
	}
	return p
}

// Present is the presence of all objects of which something is in memory, by id. Each loop is asked in turn; it must not be
// called on one.
func (n *Namespace) Present(ctx context.Context) (map[string]Presence, error) {
	all := map[string]Presence{}
	for i, l := range n.e.o.Loops {
		part := make(chan map[string]Presence, 1)
		err := l.Do(func() {
			m := make(map[string]Presence, len(n.shards[i].objects))
			for id, o := range n.shards[i].objects {
				m[id] = o.Presence()
			}
			part <- m
		})
		if err != nil {
			return nil, err
		}
		select {
		case m := <-part:
			for id, p := range m {
				all[id] = p
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return all, nil
}

// NextAlarm is when the scheduler will wake an object, and the name that it will give to it, or nil. It may be called from
// any goroutine.
func (n *Namespace) NextAlarm(id string) (at *time.Time, name *string) {
	s := n.alarms
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byID[id]
	if e == nil {
		return nil, nil
	}
	due := e.due
	if e.row.Named {
		named := e.row.Name
		name = &named
	}
	return &due, name
}

var (
	errDeleted = &Error{Name: "Error", Message: "Durable Object was reset because it was deleted by its operator."}
	errAborted = &Error{Name: "Error", Message: "Durable Object was reset by its operator."}
)

// Abort resets the object, as its own code may.
func (o *Object) Abort() { o.Break(errAborted) }

// Delete resets the object of an id and removes all that it has stored, its alarm included: it exists no more, as on the
// platform an object that has stored nothing. Its events wait meanwhile, for the next object of the id. done is called when
// that is durable and its file is gone, or with the reason why nothing was removed, from any goroutine.
func (n *Namespace) Delete(id string, done func(error)) error {
	loop := n.place(id)
	return n.e.o.Loops[loop].Do(func() {
		old := n.shards[loop].objects[id]
		var name *string
		if old != nil {
			name = old.name
			old.Break(errDeleted)
		}
		d := &deleting{o: n.object(loop, id, name), was: old != nil, done: done}
		d.o.restoring = true
		d.lock, d.release = d.o.input.Hold(), d.o.Hold()
		d.begin()
	})
}

// deleting is an object on its way out.
type deleting struct {
	o       *Object
	was     bool // something of it was in memory
	lock    *gate.Lock
	release func()
	done    func(error)
}

func (d *deleting) begin() {
	o := d.o
	if !o.db.Free(func() { o.doOrHere(d.begin) }) {
		return
	}
	if !o.db.Exists() {
		if d.was {
			d.end(nil)
		} else {
			d.end(ErrNoData)
		}
		return
	}
	if err := o.DeleteAll(); err != nil {
		_ = o.db.Rollback()
		d.end(err)
		return
	}
	o.EndTurn()
	o.Sync(d.end)
}

func (d *deleting) end(err error) {
	d.o.restoring = false
	d.lock.Release()
	d.release()
	if err != nil {
		d.done(err)
		return
	}
	d.o.db.Tidied(func() { d.done(nil) }) // with its file, unless an event has begun with another
}

// Stored are the databases of the objects. See storage.Store.Walk.
func (n *Namespace) Stored() iter.Seq2[storage.Stored, error] { return n.e.o.Store.Walk(n.UniqueKey) }
