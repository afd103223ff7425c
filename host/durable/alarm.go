package durable

import (
	"math"
	"time"

	"durago.example/host/gate"
)

// alarmState is an object's side of its alarm.
type alarmState struct {
	active bool // its event is under way
	due    bool // and the time of the next has come
	alarmMark
	abandoned bool   // it is not to be tried again
	told      uint64 // changes that the scheduler was told of, or is to be
	untold    bool   // it is to be told of the last one when that is durable
	running   bool   // the handler runs: its own alarm is not to be seen
}

// alarmMark is what a transaction that is undone puts back.
type alarmMark struct {
	changed bool // the running handler has set or deleted an alarm
	touched bool // the scheduler is to be told with the commit
}

func (a *alarmState) mark() alarmMark     { return a.alarmMark }
func (a *alarmState) restore(m alarmMark) { a.alarmMark = m }

// SetAlarm sets the alarm; nil deletes it. A time in the past is now. Setting what is set already writes nothing.
func (o *Object) SetAlarm(at *time.Time) error {
	if at != nil {
		if !o.ns.hasAlarm.Load() {
			return &Error{Name: "TypeError", Message: "Your Durable Object class must have an alarm() handler in order to call setAlarm()"}
		}
		if at.UnixMilli() <= 0 {
			return &Error{Name: "TypeError", Message: "setAlarm() cannot be called with an alarm time <= 0"}
		}
		if at.UnixMilli() > maxAlarm {
			return &Error{Name: "TypeError", Message: "This API doesn't support dates after 2189."}
		}
		if now := o.ns.e.o.Clock.Now(); at.Before(now) {
			at = &now
		}
	}
	if !o.alarm.running {
		switch old, ok, err := o.db.Alarm(); {
		case err != nil:
			return err
		case ok == (at != nil) && (!ok || old.UnixMilli() == at.UnixMilli()):
			return nil
		}
	}
	if err := o.db.SetAlarm(at); err != nil {
		return err
	}
	o.alarm.changed, o.alarm.touched = o.alarm.running, true
	return nil
}

// maxAlarm is in milliseconds: what is later does not fit the row, which has nanoseconds as on the platform. Its text is
// the platform's too; the year is 2262.
const maxAlarm = math.MaxInt64 / 1_000_000

// DeleteAll removes everything that the object has stored, and its alarm.
func (o *Object) DeleteAll() error {
	if err := o.db.DeleteAll(); err != nil {
		return err
	}
	o.alarm.changed, o.alarm.touched = o.alarm.running, true
	return nil
}

// Alarm is the alarm that is set.
func (o *Object) Alarm() (time.Time, bool, error) {
	if o.alarm.running && !o.alarm.changed {
		return time.Time{}, false, nil
	}
	return o.db.Alarm()
}

// RunAlarm runs the alarm now if one is set, and tells whether one was.
func (o *Object) RunAlarm(done func(ran bool, err error)) {
	if _, ok, err := o.db.Alarm(); err != nil || !ok {
		done(false, err)
		return
	}
	o.ns.alarms.take(o.id)
	now := func() (time.Time, bool) {
		at, ok, err := o.db.Alarm()
		return at, ok && err == nil
	}
	o.startAlarm(now, func(err error) { done(true, err) })
}

// runAlarm is called when the scheduler's time has come. done is called when the run has ended, or there is none.
func (o *Object) runAlarm(done func()) {
	if o.restoring { // which tells the scheduler what there is then
		o.ns.alarms.again(o.id, false)
		done()
		return
	}
	if !o.started && !o.db.Free(func() { _ = o.ns.Visit(o.id, o.name, func(o *Object) { o.runAlarm(done) }) }) {
		return
	}
	if !o.started { // nothing can be uncommitted: no need to start it for an alarm that has been deleted
		if _, ok := o.dueAlarm(); !ok {
			o.settle()
			done()
			return
		}
	}
	o.startAlarm(o.dueAlarm, func(error) { done() })
}

// dueAlarm is the alarm that is to run. The object's own row decides; if the scheduler was wrong it is told.
func (o *Object) dueAlarm() (at time.Time, ok bool) {
	at, ok, err := o.db.Alarm()
	var row *time.Time
	switch {
	case err != nil:
		o.ns.e.o.Log(o, "alarm: "+err.Error())
		o.ns.alarms.again(o.id, false)
		return at, false
	case ok && !at.After(o.ns.e.o.Clock.Now()):
		return at, true
	case ok:
		row = &at
	}
	if err := o.ns.alarms.set(o, row, func(error) {}); err != nil {
		o.ns.e.o.Log(o, "alarm: "+err.Error())
	}
	return at, false
}

// startAlarm delivers the alarm that due finds when the gate is open, or has it wait for the one that is under way.
func (o *Object) startAlarm(due func() (time.Time, bool), done func(error)) {
	if o.alarm.active {
		o.alarm.due = true
		done(nil)
		return
	}
	o.alarm.active = true
	delivered := false
	e := &Event{patient: true}
	e.arm = func() bool {
		at, ok := due()
		if !ok {
			o.alarm.active = false
			done(nil)
			return false
		}
		if !o.ns.hasAlarm.Load() {
			o.ns.e.o.Log(o, "Attempted to run a scheduled alarm without a handler, did you remember to export an alarm() function?")
			o.alarm.active = false
			o.dropAlarm()
			o.EndTurn()
			done(nil)
			return false
		}
		e.Payload = Alarm{Scheduled: at, Retries: o.ns.alarms.retries(o.id)}
		delivered = true
		return true
	}
	e.Done = func(_ any, err error) {
		if !delivered || o.broken != nil { // the next object of this id tries again
			o.alarm.active = false
			o.retryAlarm(delivered && !o.fault)
			done(err)
			return
		}
		// After the turn, and outside the sections of others. The object must not leave memory before.
		release := o.Hold()
		_ = o.Do(func() {
			o.input.Wait(func(l *gate.Lock, broken error) {
				defer release()
				if broken != nil {
					o.retryAlarm(!o.fault)
				} else {
					o.endAlarm(err)
					l.Release()
				}
				done(err)
			})
		})
	}
	o.Deliver(e)
}

// BeginAlarm is called by the guest when the alarm's event starts.
func (o *Object) BeginAlarm() { o.alarm.running, o.alarm.changed = true, false }

// AbandonAlarm says, before a reset, that the alarm whose handler runs is not to be tried again.
func (o *Object) AbandonAlarm() { o.alarm.abandoned = true }

// retryAlarm has the next object of this id run the alarm again, or drop it after too many failures.
func (o *Object) retryAlarm(counts bool) {
	if o.alarm.abandoned { // as in workerd the object's own row stays as it is
		if !o.ns.alarms.waits(o.id) {
			if err := o.ns.alarms.set(o, nil, func(error) {}); err != nil {
				o.ns.e.o.Log(o, "alarm: "+err.Error())
			}
		}
		return
	}
	if o.ns.alarms.again(o.id, counts) {
		return
	}
	_ = o.ns.Visit(o.id, o.name, func(o *Object) {
		o.input.Wait(func(l *gate.Lock, broken error) {
			if broken != nil {
				o.ns.alarms.again(o.id, false)
				return
			}
			if at, ok, err := o.db.Alarm(); err == nil && ok && !at.After(o.ns.e.o.Clock.Now()) {
				o.dropAlarm()
				o.EndTurn()
			}
			l.Release()
			o.settle()
		})
	})
}

// endAlarm is called when the handler has returned and what it wrote is durable.
func (o *Object) endAlarm(failed error) {
	changed := o.alarm.changed
	o.alarm.active, o.alarm.running, o.alarm.changed = false, false, false
	if failed != nil {
		o.ns.e.o.Log(o, "alarm: "+failed.Error())
	}
	if !changed && (failed == nil || !o.ns.alarms.again(o.id, true)) {
		o.dropAlarm()
	}
	o.EndTurn()
	if o.alarm.due && o.broken == nil {
		o.alarm.due = false
		o.runAlarm(func() {})
	}
}

// dropAlarm deletes the alarm that has run, or never will.
func (o *Object) dropAlarm() {
	if err := o.SetAlarm(nil); err != nil {
		o.ns.e.o.Log(o, "alarm: "+err.Error())
	}
}
