package durable

import (
	"container/heap"
	"math/rand/v2"
	"sync"
	"time"

	"durago.example/host/clock"
	"durago.example/host/storage"
)

// alarmState is an object's side of its alarm.
type alarmState struct {
	active  bool // its event is under way
	due     bool // and the time of the next has come
	running bool // the handler runs: its own alarm is not to be seen
	changed bool // the handler has set or deleted one
	touched bool // the scheduler is to be told with the commit
}

// Alarm retries: 2, 4, 8 … seconds with up to a quarter more, six times.
const (
	maxAlarmRetries = 6
	firstRetry      = 2 * time.Second
)

// SetAlarm sets the alarm; nil deletes it. A time in the past is now.
func (o *Object) SetAlarm(at *time.Time) error {
	if at != nil {
		if !o.ns.HasAlarm {
			return &Error{Name: "TypeError", Message: "Your Durable Object class must have an alarm() handler in order to call setAlarm()"}
		}
		if at.UnixMilli() <= 0 {
			return &Error{Name: "TypeError", Message: "setAlarm() cannot be called with an alarm time <= 0"}
		}
		if now := o.ns.e.o.Clock.Now(); at.Before(now) {
			at = &now
		}
	}
	if err := o.db.SetAlarm(at); err != nil {
		return err
	}
	if o.alarm.running {
		o.alarm.changed = true
	}
	o.alarm.touched = true
	return nil
}

// Alarm is the alarm that is set.
func (o *Object) Alarm() (time.Time, bool, error) {
	if o.alarm.running && !o.alarm.changed {
		return time.Time{}, false, nil
	}
	return o.db.Alarm()
}

// tell is what the scheduler must be told of a turn that is about to commit, or nil. It is told when the commit is durable,
// so that its table is never ahead of the object; and the commit is acknowledged when the table is durable too.
//
// What was set in a transaction may have been undone: the object's own row says what there is now.
func (a *alarmState) tell(o *Object) func(report func(error)) {
	if !a.touched {
		return nil
	}
	a.touched = false
	at, ok, err := o.db.Alarm()
	return func(report func(error)) {
		switch {
		case err != nil:
			report(err)
		case ok:
			o.ns.alarms.set(o, &at, report)
		default:
			o.ns.alarms.set(o, nil, report)
		}
	}
}

// scheduler fires the alarms of a namespace.
type scheduler struct {
	ns    *Namespace
	table *storage.Alarms

	untold sync.WaitGroup // commits that are not durable, or of which the table does not know

	mu     sync.Mutex
	queue  alarmQueue
	byID   map[string]*alarmEntry
	timer  clock.Timer
	closed bool
}

type alarmEntry struct {
	row     storage.AlarmRow
	index   int // in the queue; negative while it runs
	retries int // of the failures that count
	delays  int // of all
}

func newScheduler(n *Namespace) *scheduler {
	return &scheduler{ns: n, table: n.e.o.Store.Alarms(n.UniqueKey), byID: map[string]*alarmEntry{}}
}

func (s *scheduler) load() error {
	if err := s.ns.e.o.Store.MakeNamespace(s.ns.UniqueKey); err != nil {
		return err
	}
	rows, err := s.table.Load()
	if err != nil {
		return err
	}
	for _, r := range rows {
		s.put(r)
	}
	if err := s.reconcile(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arm()
	return nil
}

// close comes when no object commits any more.
func (s *scheduler) close() error {
	s.untold.Wait()
	s.mu.Lock()
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	return s.table.Close()
}

// after is a report of an object's commit that has the table told first. The commit must follow.
func (s *scheduler) after(o *Object, tell func(report func(error)), report func(error)) func(error) {
	s.untold.Add(1)
	return func(err error) {
		if err == nil {
			err = o.Do(func() {
				defer s.untold.Done()
				tell(report)
			})
		}
		if err != nil {
			s.untold.Done()
			report(err)
		}
	}
}

// set changes an object's alarm, in memory and in the table.
func (s *scheduler) set(o *Object, at *time.Time, report func(error)) {
	row := storage.AlarmRow{ID: o.id}
	row.Name, row.Named = o.Name()
	var err error
	if at == nil {
		err = s.table.Delete(o.id, report)
	} else {
		row.At = *at
		err = s.table.Put(row, report)
	}
	if err != nil {
		report(err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if at == nil {
		s.remove(o.id)
	} else {
		s.put(row)
	}
	s.arm()
}

func (s *scheduler) put(r storage.AlarmRow) {
	if e := s.byID[r.ID]; e != nil {
		e.row, e.retries, e.delays = r, 0, 0
		if e.index >= 0 {
			heap.Fix(&s.queue, e.index)
			return
		}
		heap.Push(&s.queue, e)
		return
	}
	e := &alarmEntry{row: r}
	s.byID[r.ID] = e
	heap.Push(&s.queue, e)
}

func (s *scheduler) remove(id string) {
	if e := s.byID[id]; e != nil {
		if e.index >= 0 {
			heap.Remove(&s.queue, e.index)
		}
		delete(s.byID, id)
	}
}

// arm sets the timer for the earliest alarm.
func (s *scheduler) arm() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if len(s.queue) == 0 || s.closed {
		return
	}
	s.timer = s.ns.e.o.Clock.AfterFunc(s.queue[0].row.At.Sub(s.ns.e.o.Clock.Now()), s.fire)
}

// burst is how many alarms are handed out at once: thousands that are due at start come in steps.
const burst = 64

func (s *scheduler) fire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.ns.e.o.Clock.Now()
	for n := 0; n < burst && len(s.queue) > 0 && !s.queue[0].row.At.After(now); n++ {
		e := heap.Pop(&s.queue).(*alarmEntry)
		row := e.row
		var name *string
		if row.Named {
			name = &row.Name
		}
		_ = s.ns.Visit(row.ID, name, func(o *Object) { o.runAlarm(row.At) })
	}
	s.arm()
}

// again has a failed alarm run later: after 2, 4, 8 … seconds. A failure counts if the handler is to blame; after six of
// those there is no retry.
func (s *scheduler) again(id string, counts bool) (retry bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byID[id]
	if e == nil || e.index >= 0 {
		return true // deleted or set anew
	}
	if counts {
		if e.retries >= maxAlarmRetries {
			return false
		}
		e.retries++
	}
	e.row.At = s.ns.e.o.Clock.Now().Add(backOff(e.delays))
	e.delays++
	heap.Push(&s.queue, e)
	s.arm()
	return true
}

// wait has an alarm that came too early run at its time.
func (s *scheduler) wait(id string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.byID[id]; e != nil && e.index < 0 {
		e.row.At = at
		heap.Push(&s.queue, e)
		s.arm()
	}
}

func (s *scheduler) retries(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.byID[id]; e != nil {
		return e.retries
	}
	return 0
}

// RunAlarm runs the alarm now if one is set, and tells whether one was.
func (o *Object) RunAlarm(done func(ran bool, err error)) {
	at, ok, err := o.db.Alarm()
	if err != nil || !ok {
		done(false, err)
		return
	}
	o.ns.alarms.mu.Lock()
	if e := o.ns.alarms.byID[o.id]; e != nil && e.index >= 0 {
		heap.Remove(&o.ns.alarms.queue, e.index)
		o.ns.alarms.arm()
	}
	o.ns.alarms.mu.Unlock()
	o.startAlarm(at, func(err error) { done(true, err) })
}

// runAlarm is called when the scheduler's time has come; the object's own row decides.
func (o *Object) runAlarm(scheduled time.Time) {
	if !o.db.Free(func() { _ = o.ns.Visit(o.id, o.name, func(o *Object) { o.runAlarm(scheduled) }) }) {
		return
	}
	own, ok, err := o.db.Alarm()
	switch {
	case err != nil:
		o.ns.e.o.Log(o, "alarm: "+err.Error())
		return
	case !ok:
		o.ns.alarms.set(o, nil, func(error) {})
		return
	case own.After(o.ns.e.o.Clock.Now()) && own.After(scheduled):
		o.ns.alarms.wait(o.id, own)
		return
	}
	o.startAlarm(own, func(error) {})
}

// startAlarm delivers the alarm, or has it wait for the one that is under way.
func (o *Object) startAlarm(at time.Time, done func(error)) {
	if o.alarm.active {
		o.alarm.due = true
		done(nil)
		return
	}
	o.alarm.active = true
	o.Deliver(&Event{Payload: Alarm{Scheduled: at, Retries: o.ns.alarms.retries(o.id)}, Done: func(_ any, err error) {
		o.alarm.active = false
		if o.broken != nil { // the next object of this id tries again
			o.ns.alarms.again(o.id, false)
			done(err)
			return
		}
		o.endAlarm(err)
		done(err)
		if o.alarm.due {
			o.alarm.due = false
			o.runAlarm(at)
		}
	}})
}

// BeginAlarm is called by the guest when the alarm's event starts.
func (o *Object) BeginAlarm() { o.alarm.running, o.alarm.changed = true, false }

func (o *Object) endAlarm(failed error) {
	changed := o.alarm.changed
	o.alarm.running, o.alarm.changed = false, false
	if changed || failed != nil && o.ns.alarms.again(o.id, true) {
		return
	}
	if err := o.SetAlarm(nil); err != nil {
		o.ns.e.o.Log(o, "alarm: "+err.Error())
	}
	o.EndTurn()
}

func backOff(retries int) time.Duration {
	d := firstRetry << min(retries, 8)
	return d + time.Duration(rand.Int64N(int64(d/4)))
}

type alarmQueue []*alarmEntry

func (q alarmQueue) Len() int           { return len(q) }
func (q alarmQueue) Less(i, j int) bool { return q[i].row.At.Before(q[j].row.At) }
func (q alarmQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}
func (q *alarmQueue) Push(x any) {
	e := x.(*alarmEntry)
	e.index = len(*q)
	*q = append(*q, e)
}
func (q *alarmQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	e.index = -1
	return e
}
