package durable

import (
	"context"
	"errors"
	"fmt"

	"durago.example/host/gate"
	"durago.example/host/storage"
)

// ErrNoData says that an object has stored nothing.
var ErrNoData = errors.New("the object has stored nothing: check its name and its class")

// Backup writes all that is committed now to a new file, a plain SQLite database. The object's events wait as for a
// checkpoint, and go on while the file is copied; other objects wait for nothing. done is called when the file is there
// and durable, or there is none, and why: on the loop, unless that has ended.
func (o *Object) Backup(ctx context.Context, to string, done func(error)) {
	release := o.Hold()
	end := func(err error) {
		o.doOrHere(func() {
			release()
			done(err)
		})
	}
	o.rest(ctx, func(l *gate.Lock, err error) {
		if err != nil {
			end(err)
			return
		}
		o.db.Backup(ctx, to, func() { o.doOrHere(l.Release) }, end)
	})
}

// doOrHere runs f on the loop, or at once if the loop has ended.
func (o *Object) doOrHere(f func()) {
	if o.Do(f) != nil {
		f()
	}
}

// rest has f called with the gate locked and the database open with nothing under way in it, no other backup either.
func (o *Object) rest(ctx context.Context, f func(l *gate.Lock, err error)) {
	o.input.Wait(func(l *gate.Lock, broken error) {
		if broken != nil {
			f(nil, o.broken)
			return
		}
		again := func() { _ = o.Do(func() { o.rest(ctx, f) }) }
		err := ctx.Err()
		if err == nil && !o.db.Exists() {
			err = ErrNoData
		}
		ready := false
		if err == nil {
			if !o.db.Still(again) || !o.db.Free(again) {
				l.Release()
				return
			}
			ready, err = o.db.Ready()
		}
		switch {
		case err != nil:
			l.Release()
			f(nil, err)
		case !ready: // an event that waits for something else has a cursor
			o.resting = append(o.resting, again)
			l.Release()
		default:
			f(l, nil)
		}
	})
}

// rested calls those who wait for the database to have nothing under way.
func (o *Object) rested() {
	all := o.resting
	o.resting = nil
	for _, f := range all {
		f()
	}
}

var errRestored = &Error{Name: "Error", Message: "Durable Object was reset because it was restored from a backup."}

// Restore resets the object of an id, and replaces all that it has stored, its alarm included, with what a backup has.
// Its events wait meanwhile, for the next object of the id. done is called when that is durable; or nothing was changed,
// and why: on the loop, unless that has ended.
func (n *Namespace) Restore(id string, name *string, b *storage.Backup, done func(error)) error {
	loop := n.place(id)
	return n.Visit(id, name, func(o *Object) {
		if name == nil {
			name = o.name
		}
		o.Break(errRestored)
		r := &restoring{o: n.object(loop, id, name), backup: b, done: done}
		r.o.restoring = true
		r.lock, r.release = r.o.input.Hold(), r.o.Hold()
		r.begin()
	})
}

// restoring is an object on its way to another state.
type restoring struct {
	o       *Object
	backup  *storage.Backup
	lock    *gate.Lock
	release func()
	done    func(error)
}

// step has f called on the loop after something that is done elsewhere, unless that failed.
func (r *restoring) step(f func()) func(error) {
	return func(err error) {
		r.o.doOrHere(func() {
			if err != nil {
				r.end(err)
			} else {
				f()
			}
		})
	}
}

// begin tells the scheduler of an earlier alarm first, as a commit does.
func (r *restoring) begin() {
	if !r.o.db.Free(func() { r.step(r.begin)(nil) }) {
		return
	}
	at := r.backup.Alarm
	if at == nil || !r.o.ns.alarms.later(r.o.id, *at) {
		r.replace()
		return
	}
	if err := r.o.ns.alarms.set(r.o, at, r.step(r.replace)); err != nil {
		r.end(err)
	}
}

func (r *restoring) replace() {
	if _, err := r.o.db.Ready(); err != nil {
		r.end(fmt.Errorf("cannot restore %s: the object's own database cannot be opened: move %s away while no worker runs, and try again: %w", r.backup.File, r.o.db.File(), err))
		return
	}
	r.o.db.Restore(r.backup, r.step(r.tell))
}

// tell tells the scheduler what the alarm is now.
func (r *restoring) tell() {
	err := r.o.db.Close() // the connection knows what was there before
	if err == nil {
		err = r.o.ns.alarms.set(r.o, r.backup.Alarm, r.step(func() { r.end(nil) }))
	}
	if err != nil {
		r.end(err)
	}
}

func (r *restoring) end(err error) {
	r.o.restoring = false
	r.lock.Release()
	r.release()
	r.done(err)
}
