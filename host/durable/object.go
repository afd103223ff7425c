package durable

import (
	"errors"
	"fmt"
	"time"

	"durago.example/host/clock"
	"durago.example/host/storage"
)

// Object is one Durable Object, in memory or not. It belongs to its loop.
type Object struct {
	ns   *Namespace
	id   string
	name *string
	loop int
	db   *storage.Database

	// Context is the guest's own number for the object while it is started.
	Context uint32

	started  bool // the guest has it
	starting bool // its constructor runs
	broken   *Error
	queue    []*Event // events that wait for the constructor or for a critical section
	inflight int      // events that the guest has not answered
	work     int      // other work that keeps it in memory
	sections []*Section
	idle     clock.Timer

	asked bool // a checkpoint is to begin between two turns
	lent  bool // a checkpoint has the database

	position uint64 // commits so far
	durable  uint64 // of them on disk, with all before them
	syncing  []bool // of each commit after those: whether it is
	outputs  []output

	alarm   alarmState
	Sockets *Sockets
}

type output struct {
	position uint64
	f        func(error)
}

const maxQueued = 10_000

// ID is the object's id.
func (o *Object) ID() string { return o.id }

// Name is the name that the object was reached by; ok is false if none is known.
func (o *Object) Name() (name string, ok bool) {
	if o.name == nil {
		return "", false
	}
	return *o.name, true
}

// Namespace is the object's namespace.
func (o *Object) Namespace() *Namespace { return o.ns }

// Database is the object's database.
func (o *Object) Database() *storage.Database { return o.db }

// Started tells whether the object is in memory.
func (o *Object) Started() bool { return o.started }

// Busy tells whether events or work are under way.
func (o *Object) Busy() bool { return o.inflight > 0 || o.work > 0 || o.starting || len(o.queue) > 0 }

func (o *Object) guest() Guest { return o.ns.e.o.Guest[o.loop] }

// Do runs f on the object's loop.
func (o *Object) Do(f func()) error { return o.ns.e.o.Loops[o.loop].Do(f) }

// Deliver has the object handle an event, after those that wait.
func (o *Object) Deliver(e *Event) {
	if o.broken != nil {
		e.Done(nil, o.broken)
		return
	}
	if len(o.queue) >= maxQueued {
		e.Done(nil, overloaded())
		return
	}
	if o.idle != nil {
		o.idle.Stop()
		o.idle = nil
	}
	if !o.started || o.starting || o.lent || len(o.sections) > 0 || len(o.queue) > 0 {
		o.queue = append(o.queue, e)
		o.start()
		return
	}
	o.deliver(e)
}

func (o *Object) start() {
	if o.started || o.starting || !o.db.Free(func() { _ = o.Do(o.startLate) }) {
		return
	}
	o.starting, o.started = true, true
	if o.Sockets == nil {
		o.Sockets = newSockets(o)
	}
	o.guest().Start(o, func(err error) {
		if o.broken != nil {
			return
		}
		o.starting = false
		if err != nil {
			o.Break(err)
			return
		}
		o.drain()
		o.settle()
	})
}

// startLate starts an object whose database was being checkpointed.
func (o *Object) startLate() {
	if o.broken == nil && len(o.queue) > 0 {
		o.start()
	}
}

// drain delivers what waits, as far as the gate is open.
func (o *Object) drain() {
	for len(o.queue) > 0 && o.started && !o.starting && !o.lent && len(o.sections) == 0 && o.broken == nil {
		e := o.queue[0]
		o.queue[0] = nil
		o.queue = o.queue[1:]
		o.deliver(e)
	}
	if len(o.queue) == 0 {
		o.queue = nil
	}
}

func (o *Object) deliver(e *Event) {
	if e.cancelled {
		e.Done(nil, errCancelled)
		return
	}
	o.inflight++
	done := e.Done
	once := false
	e.Done = func(result any, err error) {
		if once {
			return
		}
		once = true
		o.inflight--
		done(result, err)
		o.settle()
	}
	o.guest().Deliver(o, e)
}

// Hold counts work that keeps the object in memory; release it once.
func (o *Object) Hold() (release func()) {
	o.work++
	once := false
	return func() {
		if !once {
			once = true
			o.work--
			o.settle()
		}
	}
}

// settle starts the idle clock when nothing is under way.
func (o *Object) settle() {
	if !o.started || o.broken != nil || o.Busy() || o.idle != nil || o.ns.e.o.IdleAfter < 0 {
		return
	}
	o.idle = o.ns.e.o.Clock.AfterFunc(o.ns.e.o.IdleAfter, func() {
		_ = o.Do(func() {
			o.idle = nil
			if !o.Busy() {
				_ = o.Evict()
			}
		})
	})
}

var errCancelled = &Error{Name: "AbortError", Message: "The operation was aborted", Retryable: true}

// ErrBusy says that an object cannot leave memory because something is under way.
var ErrBusy = errors.New("the object has events or work under way")

// Evict takes an idle object out of memory; its sockets stay.
func (o *Object) Evict() error {
	if o.Busy() {
		return ErrBusy
	}
	err := o.unload()
	// All is durable, also in the scheduler's table: nobody needs the log as a trace (reconcile.go).
	return errors.Join(err, o.db.Retire())
}

// unload ends the object's stay in memory.
func (o *Object) unload() error {
	if o.idle != nil {
		o.idle.Stop()
		o.idle = nil
	}
	if o.started {
		o.started, o.starting = false, false
		o.guest().Gone(o)
	}
	err := o.db.Close()
	o.closeSections()
	o.work, o.inflight = 0, 0
	if o.Sockets == nil || o.Sockets.Len() == 0 {
		o.forget()
	}
	return err
}

func (o *Object) forget() {
	objects := o.ns.shards[o.loop].objects
	if objects[o.id] == o && len(o.outputs) == 0 {
		delete(objects, o.id)
	}
}

// Lost is told that the guest has died: the object is not in memory any more, and nothing of it was lost but that.
func (o *Object) Lost() {
	o.started, o.starting = false, false
	o.closeSections()
	if len(o.queue) > 0 {
		_ = o.Do(func() { o.start() })
	}
}

// Break resets the object: uncommitted writes are undone, sockets dropped, everything that waits fails with the reason.
// This Object stays broken; the next one of its id is new.
func (o *Object) Break(reason error) {
	if o.broken != nil {
		return
	}
	o.broken = asReset(reason)
	delete(o.ns.shards[o.loop].objects, o.id)
	if o.idle != nil {
		o.idle.Stop()
		o.idle = nil
	}
	_ = o.db.Rollback()
	if o.started {
		o.started = false
		o.guest().Gone(o)
	}
	if o.Sockets != nil {
		o.Sockets.drop()
	}
	o.closeSections()
	queue, outputs := o.queue, o.outputs
	o.queue, o.outputs = nil, nil
	for _, e := range queue {
		e.Done(nil, o.broken)
	}
	for _, p := range outputs {
		p.f(o.broken)
	}
	_ = o.db.Close()
	o.alarm.touched = false
}

// Broken is why the object was reset, or nil.
func (o *Object) Broken() error {
	if o.broken == nil {
		return nil
	}
	return o.broken
}

// Output calls f once all writes so far are durable, in order; f gets the reason if they never will be.
func (o *Object) Output(f func(error)) {
	if o.broken != nil {
		f(o.broken)
		return
	}
	position := o.position
	if o.db.Writing() {
		position++
	}
	if position <= o.durable && len(o.outputs) == 0 {
		f(nil)
		return
	}
	o.outputs = append(o.outputs, output{position, f})
}

// EndTurn commits what the turn wrote. While a transaction is open its writes stay uncommitted.
func (o *Object) EndTurn() {
	if o.broken != nil || !o.db.Writing() || o.db.Savepoints() > 0 {
		return
	}
	position := o.position + 1
	report := func(err error) { _ = o.Do(func() { o.reached(position, err) }) }
	if tell := o.alarm.tell(o); tell != nil {
		report = o.ns.alarms.after(o, tell, report)
	}
	if _, err := o.db.Commit(report); err != nil {
		o.Break(err)
		report(err)
		return
	}
	o.position = position
	o.syncing = append(o.syncing, false)
	o.work++
	o.checkpoint()
}

// checkpoint has a log that has become long copied into the database, between two turns. Events wait meanwhile; what is
// under way already and reads or writes makes the loop wait, so that it begins with nothing under way, if that comes
// before the log is far too long.
func (o *Object) checkpoint() {
	if o.asked || o.lent || !o.db.Due(true) {
		return
	}
	o.asked = true
	_ = o.Do(func() {
		o.asked = false
		if o.broken != nil || !o.db.Due(o.inflight == 0) {
			return
		}
		o.lent = true
		release := o.Hold()
		o.db.Checkpoint(func() {
			_ = o.Do(func() {
				o.lent = false
				if o.broken == nil {
					o.drain()
				}
				release()
			})
		})
	})
}

// reached is told that the commit at position is durable, with its alarm. Reports come in any order; a commit counts when
// all before it do.
func (o *Object) reached(position uint64, err error) {
	if o.broken != nil {
		return
	}
	if err != nil {
		o.Break(err)
		return
	}
	o.syncing[position-o.durable-1] = true
	for len(o.syncing) > 0 && o.syncing[0] {
		o.syncing = o.syncing[1:]
		o.durable++
		o.work--
	}
	for len(o.outputs) > 0 && o.outputs[0].position <= o.durable {
		f := o.outputs[0].f
		o.outputs[0] = output{}
		o.outputs = o.outputs[1:]
		f(nil)
	}
	if len(o.outputs) == 0 {
		o.outputs = nil
	}
	o.settle()
}

// Section is an open critical section of the input gate.
type Section struct {
	o           *Object
	transaction bool
	timer       clock.Timer
}

// sectionLimit is how long a critical section may stay open.
const sectionLimit = 30 * time.Second

const maxSections = 64

// Enter opens a critical section within those that are open: no event is delivered until Leave.
func (o *Object) Enter(transaction bool) (*Section, error) {
	if o.broken != nil {
		return nil, o.broken
	}
	if len(o.sections) >= maxSections {
		err := &Error{Name: "Error", Message: "blockConcurrencyWhile() calls are nested too deeply."}
		o.Break(err)
		return nil, err
	}
	s := &Section{o: o, transaction: transaction}
	if transaction {
		if o.db.Savepoints() == 0 {
			o.EndTurn()
		}
		if err := o.db.Savepoint(); err != nil {
			return nil, err
		}
	}
	s.timer = o.ns.e.o.Clock.AfterFunc(sectionLimit, func() {
		_ = o.Do(func() {
			for _, open := range o.sections {
				if open == s {
					o.Break(&Error{Name: "Error", Overloaded: true, Message: "A call to blockConcurrencyWhile() in a Durable Object waited for too long. The call was canceled and the Durable Object was reset."})
					return
				}
			}
		})
	})
	o.sections = append(o.sections, s)
	return s, nil
}

// Transaction tells whether a failure undoes the section's writes and spares the object.
func (s *Section) Transaction() bool { return s.transaction }

func (s *Section) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

func (o *Object) closeSections() {
	for _, s := range o.sections {
		s.stop()
	}
	o.sections = nil
}

// Leave closes the section. If what it protected failed, a transaction is undone and any other section breaks the object.
func (s *Section) Leave(failed error) error {
	o := s.o
	s.stop()
	if o.broken != nil {
		return o.broken
	}
	for i, open := range o.sections {
		if open == s {
			o.sections = append(o.sections[:i:i], o.sections[i+1:]...)
			break
		}
	}
	if s.transaction {
		if err := o.db.Release(failed != nil); err != nil {
			o.Break(fmt.Errorf("transaction: %w", err))
			return err
		}
	} else if failed != nil {
		o.Break(failed)
		return o.broken
	}
	_ = o.Do(o.drain) // after the turn that leaves
	return nil
}
