package durable

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"durago.example/host/clock"
	"durago.example/host/gate"
	"durago.example/host/storage"
)

// Object is one Durable Object, in memory or not. It belongs to its loop.
type Object struct {
	ns   *Namespace
	id   string
	name *string
	loop int
	db   *storage.Database

	// Context is the guest's own, while the object is started.
	Context any

	started   bool // the guest has it
	outdated  int  // the update since which its code is not the present one, or 0
	broken    *Error
	fault     bool     // it broke because of its storage, which its code is not to blame for
	inflight  int      // events that the guest has not answered
	delivered uint64   // events, ever
	again     []*Event // that were given back, in the order in which they were delivered
	work      int      // other work that keeps it in memory
	idle      clock.Timer
	used      time.Time // when it last came to rest

	input    *gate.Input
	queued   int         // bytes of the events that wait at it
	building *Section    // its constructor runs, in this section
	output   gate.Output // what leaves waits for the commits that must be confirmed
	commits  gate.Output // Sync waits for all
	late     *gate.Lock  // events wait for the disk to let go of the database
	asked    bool        // a checkpoint waits for the gate
	results  int         // of storage, that are on their way to the guest: see Await
	awaiting *gate.Lock
	open     *commit // of the implicit transaction, if something waits for it
	tx       *Transaction
	explicit int // transactions around tx, and it, that may last longer than a turn

	resting   []func() // wait for the database to have nothing under way
	restoring bool

	alarm   alarmState
	Sockets *Sockets
}

// Bounds of the events that wait for an object. Messages and closes of sockets have none here: each socket's reader waits.
const (
	maxQueued      = 10_000
	maxQueuedBytes = 128 << 20 // one alone may be larger
	maxQueuedTime  = time.Minute
)

func newObject(n *Namespace, loop int, id string) *Object {
	o := &Object{ns: n, id: id, loop: loop, db: n.e.databases[loop].Database(n.UniqueKey, id)}
	o.input = gate.NewInput(gate.Options{Clock: n.e.o.Clock, Do: o.Do, Broken: func(reason error) { o.Break(broken(reason)) }})
	return o
}

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

// Waiting is how many events wait at the input gate.
func (o *Object) Waiting() int { return o.input.Waiting() }

// Busy tells whether events or work are under way.
func (o *Object) Busy() bool {
	return o.inflight > 0 || o.work > 0 || o.building != nil || o.input.Waiting() > 0
}

func (o *Object) watch() *watch { return o.ns.e.watches[o.loop] }

func (o *Object) guest() Guest { return o.ns.e.o.Guest[o.loop] }

// Do runs f on the object's loop.
func (o *Object) Do(f func()) error { return o.ns.e.o.Loops[o.loop].Do(f) }

// Deliver has the object handle an event, after those that wait. If 10,000 wait, or as many bytes as an isolate has
// memory, the object is overloaded and the event fails; and so does one that has waited for a minute when its turn comes.
func (o *Object) Deliver(e *Event) {
	if o.ns.shards[o.loop].closed {
		e.leave()
		e.Done(nil, errClosed)
		return
	}
	if o.broken != nil {
		e.leave()
		e.Done(nil, o.broken)
		return
	}
	if n := o.input.Waiting(); n > 0 && !e.patient {
		var reason string
		switch {
		case n >= maxQueued:
			reason = tooMany
		case o.queued > 0 && o.queued+e.Size > maxQueuedBytes:
			reason = tooMuch
		}
		if reason != "" {
			e.Done(nil, overloaded(reason))
			return
		}
	}
	o.start()
	if o.broken == nil && o.input.Open() {
		o.deliver(e)
		return
	}
	e.at, e.asked = o, o.ns.e.o.Clock.Now().UnixNano()
	o.wait(e, 1)
	e.waiter = o.input.Wait(func(l *gate.Lock, broken error) {
		e.waiter = nil
		o.wait(e, -1)
		if broken != nil {
			e.leave()
			e.Done(nil, o.broken)
			return
		}
		o.deliver(e)
		l.Release()
	})
}

// errClosed is what an event gets that comes after the end.
var errClosed = errors.New("durable: the engine is closed")

// leave tells whoever is held back that the event does not wait any more.
func (e *Event) leave() {
	if f := e.taken; f != nil {
		e.taken = nil
		f()
	}
}

// start has the guest make the object, in a critical section as on the platform: events wait for its constructor.
func (o *Object) start() {
	shard := &o.ns.shards[o.loop]
	if o.started || o.late != nil || shard.closed || shard.objects[o.id] != o || !o.free() { // another may be the one of its id by now
		return
	}
	o.setStarted(true)
	if o.Sockets == nil {
		o.Sockets = newSockets(o)
	}
	o.input.Begin(nil, func(in *gate.Section, l *gate.Lock, broken error) {
		if broken != nil {
			return
		}
		s := &Section{o: o, in: in}
		o.building = s
		o.guest().Start(o, func(err error) {
			if o.broken == nil && o.building == s {
				s.Leave(err, func(error) { o.building = nil })
				o.settle()
			}
		})
		l.Release()
	})
}

// free tells whether the object may be started now. If its database is still being copied, it is started later.
func (o *Object) free() bool {
	free := o.db.Free(func() {
		_ = o.Do(func() {
			l := o.late
			o.late = nil
			if o.broken == nil && o.input.Waiting() > 0 {
				o.start()
			}
			l.Release()
		})
	})
	if !free {
		o.late = o.input.Hold()
	}
	return free
}

// deliver gives an event to the guest. It may find that it has nothing to give any more.
func (o *Object) deliver(e *Event) {
	e.leave()
	if o.ns.shards[o.loop].closed { // it has waited until the end
		e.Done(nil, errClosed)
		return
	}
	if e.cancelled {
		e.Done(nil, errCancelled)
		return
	}
	if e.arm != nil && !e.arm() {
		return
	}
	if e.asked != 0 && !e.patient && o.ns.e.o.Clock.Now().UnixNano()-e.asked > int64(maxQueuedTime) {
		e.Done(nil, overloaded(tooLong))
		return
	}
	e.asked = 0
	o.inflight++
	o.delivered++
	e.order = o.delivered
	done := e.Done
	once := false
	e.undelivered = func() {
		once = true
		o.inflight--
		e.Done = done
	}
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

// settle has the object leave memory when it has been idle for long enough. An object that was not even started needs no clock.
func (o *Object) settle() {
	if o.resting != nil {
		o.rested()
	}
	if o.broken != nil || o.Busy() {
		return
	}
	if !o.started {
		if err := o.retire(); err != nil {
			o.ns.e.o.Log(o, err.Error())
		}
		return
	}
	o.used = o.ns.e.o.Clock.Now()
	if o.idle == nil && o.ns.e.o.IdleAfter >= 0 {
		o.idles(o.ns.e.o.IdleAfter)
	}
}

// idles looks in a while whether the object has been used since: one timer for all events in between is cheaper than one each.
func (o *Object) idles(d time.Duration) {
	o.idle = o.ns.e.o.Clock.AfterFunc(d, func() {
		_ = o.Do(func() {
			if o.idle == nil { // it has left meanwhile
				return
			}
			o.idle = nil
			if o.Busy() {
				return
			}
			if left := o.ns.e.o.IdleAfter - o.ns.e.o.Clock.Now().Sub(o.used); left > 0 {
				o.idles(left)
				return
			}
			_ = o.Evict()
		})
	})
}

var errCancelled = &Error{Name: "AbortError", Message: "The operation was aborted", Retryable: true}

// ErrBusy says that an object cannot leave memory because something is under way.
var ErrBusy = errors.New("the object has events or work under way")

// Evict takes an idle object out of memory; its sockets stay. Of one that has left before nothing is touched: its database may be
// open for the next one of its id.
func (o *Object) Evict() error {
	if o.ns.shards[o.loop].objects[o.id] != o {
		return nil
	}
	if o.Busy() {
		return ErrBusy
	}
	return o.retire()
}

// retire is unload of an object of which all is durable: nobody needs its log as a trace (reconcile.go).
func (o *Object) retire() error { return errors.Join(o.unload(), o.db.Retire()) }

// unload ends the object's stay in memory.
func (o *Object) unload() error {
	if o.idle != nil {
		o.idle.Stop()
		o.idle = nil
	}
	if o.started {
		o.setStarted(false)
		o.guest().Gone(o)
	}
	err := o.db.Close()
	o.reset().Release()
	o.work, o.inflight = 0, 0
	o.adopt()
	if o.Sockets == nil || o.Sockets.Len() == 0 {
		o.forget()
	}
	return err
}

func (o *Object) forget() {
	objects := o.ns.shards[o.loop].objects
	if objects[o.id] == o && o.output.Idle() && o.commits.Idle() {
		delete(objects, o.id)
	}
}

// Lost is told that the guest has died: the object is not in memory any more, and nothing of it was lost but that. It is
// made anew for the events that wait, and for those of the guest's that had not begun, which come first.
func (o *Object) Lost(again ...*Event) {
	o.setStarted(false)
	o.adopt()
	l := o.reset()
	for _, e := range again {
		o.giveBack(e)
	}
	if o.input.Waiting() == 0 {
		l.Release()
		return
	}
	_ = o.Do(func() {
		if o.broken == nil && o.input.Waiting() > 0 { // they may have been cancelled, and the object evicted
			o.start()
		}
		l.Release()
		o.settle()
	})
}

// Recycled is Lost of a guest that was replaced between events. Those that it was to be given and was not do not lose their one
// chance to be given back.
func (o *Object) Recycled(again ...*Event) {
	before := make([]bool, len(again))
	for i, e := range again {
		before[i], e.returned = e.returned, false
	}
	o.Lost(again...)
	for i, e := range again {
		e.returned = before[i]
	}
}

// Return gives an event back that was delivered and has not begun, because its guest has died.
func (o *Object) Return(e *Event) {
	switch {
	case o.broken != nil:
		e.Done(nil, o.broken)
	case o.started:
		o.giveBack(e)
	default:
		o.Lost(e)
	}
}

// giveBack has an event wait again, before those that were delivered later and those that were not.
func (o *Object) giveBack(e *Event) {
	if e.returned {
		e.Done(nil, &Error{Name: "Error", Message: "the isolate ended twice before the event began"})
		return
	}
	e.returned = true
	e.undelivered() // it may find that there is nothing to be done any more
	k, _ := slices.BinarySearchFunc(o.again, e.order, func(e *Event, order uint64) int { return cmp.Compare(e.order, order) })
	o.again = slices.Insert(o.again, k, e)
	o.input.WaitFirst(func(l *gate.Lock, broken error) {
		e := o.again[0]
		o.again = o.again[1:]
		if broken != nil {
			e.Done(nil, o.broken)
			return
		}
		o.deliver(e)
		l.Release()
	})
}

// reset forgets the sections and transactions of a guest that is gone; events go on waiting until the lock is released.
func (o *Object) reset() *gate.Lock {
	o.building, o.tx, o.explicit = nil, nil, 0
	l := o.input.Reset()
	if o.late != nil {
		o.late = o.input.Hold()
	}
	return l
}

// Break resets the object: uncommitted writes are undone, sockets dropped, everything that waits fails with the reason.
// This Object stays broken; the next one of its id is new.
func (o *Object) Break(reason error) {
	if o.broken == nil {
		o.breakFor(asReset(reason))
	}
}

func (o *Object) breakFor(reason *Error) {
	o.broken, o.outdated = reason, 0
	if objects := o.ns.shards[o.loop].objects; objects[o.id] == o {
		delete(objects, o.id)
	}
	if o.idle != nil {
		o.idle.Stop()
		o.idle = nil
	}
	_ = o.db.Rollback()
	if o.started {
		o.setStarted(false)
		o.guest().Gone(o)
	}
	if o.Sockets != nil {
		o.Sockets.drop()
	}
	o.building, o.tx, o.explicit, o.open = nil, nil, 0, nil
	o.alarm.touched = false
	o.input.Break(o.broken)
	o.output.Break(o.broken)
	o.commits.Break(o.broken)
	o.rested()
	_ = o.db.Close()
	if o.alarm.untold && !o.alarm.active { // else the end of its run does the same
		o.ns.alarms.again(o.id, false) // the row of the alarm before may wait for nothing any more, and this one is nowhere else
	}
}

// Broken is why the object was reset, or nil.
func (o *Object) Broken() error {
	if o.broken == nil {
		return nil
	}
	return o.broken
}
