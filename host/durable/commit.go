package durable

import (
	"time"

	"durago.example/host/gate"
)

// commit is one commit on its way to the disk.
type commit struct {
	parts     int        // reports to come: the object's, and that of the scheduler's table
	confirmed *gate.Hold // of the output gate, if a write must be confirmed
	all       *gate.Hold

	o             *Object
	round         int // of the watch, when it was added
	before, after *commit
}

// Output calls f once the writes so far that must be confirmed are durable, in order; f gets the reason if they never
// will be. Within a transaction that may last longer than a turn nothing of it is committed, and f waits for what was
// committed before.
func (o *Object) Output(f func(error)) {
	if o.broken != nil {
		f(o.broken)
		return
	}
	o.shut()
	o.output.Wait(f)
}

// Sync is Output for all writes so far, also those that need not be confirmed.
func (o *Object) Sync(f func(error)) {
	if o.broken != nil {
		f(o.broken)
		return
	}
	o.shut()
	o.commits.Wait(f)
}

// shut has the gates wait for the commit of the implicit transaction that is open.
func (o *Object) shut() {
	if o.db.Broken() != nil { // until the end of the turn, which resets the object
		o.output.Hold()
		o.commits.Hold()
		return
	}
	if !o.db.Writing() || o.explicit > 0 {
		return
	}
	if o.open == nil {
		o.open = &commit{o: o, all: o.commits.Hold()}
	}
	if o.open.confirmed == nil && o.db.Confirmed() {
		o.open.confirmed = o.output.Hold()
	}
}

// Await says that a result of storage is on its way to the guest, which nothing holds up. Until done is called, when the
// guest has it, the turn goes on: as on the platform, waiting for storage alone neither commits nor lets another event in
// between.
func (o *Object) Await() (done func()) {
	if o.results == 0 {
		o.awaiting = o.input.Hold()
	}
	o.results++
	return func() {
		if o.results--; o.results == 0 {
			_ = o.Do(o.awaiting.Release) // after the turn that it begins
		}
	}
}

// EndTurn commits what the turn wrote, unless it goes on. While a transaction is open its writes stay uncommitted. A
// database that has not survived an error resets the object, and so does a commit that fails.
//
// The alarm and the scheduler's row are in two databases. One that fires earlier than the scheduler knows is told to it
// before the commit, any other when it is durable, so that whatever is lost between leaves the scheduler waking the object
// too early and never too late. The commit counts as durable when an earlier alarm is durable in both.
func (o *Object) EndTurn() {
	if o.results == 0 {
		o.commit()
	}
}

func (o *Object) commit() {
	if o.broken != nil {
		return
	}
	if err := o.db.Broken(); err != nil {
		o.fail(err)
		return
	}
	if !o.db.Writing() || o.tx != nil {
		return
	}
	o.shut()
	c := o.open
	o.open = nil
	c.parts = 1
	report := func(err error) { _ = o.Do(func() { o.reached(c, err) }) }
	after, err := o.tellAlarm(c, report)
	if err != nil {
		o.fail(err)
		return
	}
	if after != nil {
		report = o.ns.alarms.after(o, after, report)
	}
	if _, err := o.db.Commit(report); err != nil { // which workerd does not flag as a reset
		o.fault = true
		o.breakFor(&Error{Name: "Error", Message: err.Error()})
		report(err)
		return
	}
	if c.confirmed != nil && c.parts > 0 {
		o.watch().add(c)
	}
	o.work++
	o.checkpoint()
}

// checkpoint has a log that has become long copied into the database, between two turns. Events wait meanwhile; what is
// under way already and reads or writes makes the loop wait, so that it begins with nothing under way, if that comes
// before the log is far too long.
func (o *Object) checkpoint() {
	if o.asked || !o.db.Due(true) {
		return
	}
	o.asked = true
	_ = o.Do(func() {
		o.input.Wait(func(l *gate.Lock, broken error) {
			o.asked = false
			if broken != nil {
				return
			}
			if !o.started || !o.db.Due(o.inflight == 0) {
				l.Release()
				return
			}
			release := o.Hold()
			o.db.Checkpoint(func() {
				_ = o.Do(func() {
					l.Release()
					release()
				})
			})
		})
	})
}

// tellAlarm tells the scheduler of an alarm that was set to fire earlier; after, if it is not nil, tells it of any other
// change, and comes when the commit is durable. What a later turn has told by then counts.
func (o *Object) tellAlarm(c *commit, report func(error)) (after func(), err error) {
	if !o.alarm.touched {
		return nil, nil
	}
	o.alarm.touched = false
	o.alarm.told++
	// What was set in a transaction may have been undone: the object's own row says what there is now.
	at, ok, err := o.db.Alarm()
	if err != nil {
		return nil, err
	}
	if ok && o.ns.alarms.later(o.id, at) {
		c.parts++
		o.alarm.untold = false
		return nil, o.ns.alarms.set(o, &at, report)
	}
	var now *time.Time
	if ok {
		now = &at
	}
	told := o.alarm.told
	o.alarm.untold = true
	return func() {
		if o.broken != nil || o.alarm.told != told {
			return
		}
		o.alarm.untold = false
		logged := func(err error) {
			if err != nil { // the alarm comes too early then, and is put right
				_ = o.Do(func() { o.ns.e.o.Log(o, "alarm: "+err.Error()) })
			}
		}
		if err := o.ns.alarms.set(o, now, logged); err != nil {
			logged(err)
		}
	}, nil
}

// fail resets the object for what its storage has done.
func (o *Object) fail(err error) {
	o.fault = true
	o.Break(err)
}

// reached is told that a part of a commit is durable.
func (o *Object) reached(c *commit, err error) {
	if err != nil || c.parts == 1 {
		o.watch().remove(c)
	}
	if o.broken != nil {
		c.parts--
		return
	}
	if err != nil {
		o.fail(err)
		return
	}
	if c.parts--; c.parts > 0 {
		return
	}
	o.work--
	if c.confirmed != nil {
		c.confirmed.Release(nil)
	}
	c.all.Release(nil)
	o.settle()
}
