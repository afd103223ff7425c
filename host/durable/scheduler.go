package durable

import (
	"container/heap"
	"math/rand/v2"
	"sync"
	"time"

	"durago.example/host/clock"
	"durago.example/host/storage"
)

// Alarm retries: 2, 4, 8 … seconds with up to a quarter more. Failures that count end after six retries; those that the
// handler is not to blame for go on for ever, at most about 17 minutes apart.
const (
	maxAlarmRetries = 6
	firstRetry      = 2 * time.Second
	maxBackOff      = 9 // doublings
)

// Thousands of alarms may be due at once, above all at start. So many of a namespace run at a time; one that takes long
// makes room for another after a while, so that those that hang do not hold up the rest.
const (
	maxAlarmRuns = 64
	longAlarmRun = time.Second
)

// scheduler fires the alarms of a namespace. Its methods may be called from any goroutine.
type scheduler struct {
	ns    *Namespace
	table *storage.Alarms

	untold sync.WaitGroup // commits that are not durable, of which the table is to learn

	mu     sync.Mutex
	queue  alarmQueue
	byID   map[string]*alarmEntry
	runs   int
	timer  clock.Timer
	closed bool
}

type alarmEntry struct {
	row     storage.AlarmRow // as in the table
	due     time.Time        // the row's time, or that of a retry
	index   int              // in the queue; negative while it runs
	counted int              // retries of failures that count
	backOff int              // doublings of the next delay
	spared  bool             // the last failure did not count
}

func newScheduler(n *Namespace) *scheduler {
	return &scheduler{ns: n, table: n.e.o.Store.Alarms(n.UniqueKey), byID: map[string]*alarmEntry{}}
}

func (s *scheduler) load() error {
	if err := s.ns.e.o.Store.MakeNamespace(s.ns.UniqueKey); err != nil {
		return err
	}
	rows, err := s.table.Load()
	again, aside := s.table.SetAside(err)
	if aside != nil {
		return aside
	}
	if err != nil {
		s.ns.e.o.Log(&Object{ns: s.ns}, "the table of alarms is damaged, and is made again from the objects: "+err.Error())
	}
	for _, r := range rows {
		s.put(r)
	}
	if err := s.reconcile(again); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arm()
	return nil
}

// after is the report of an object's commit that tells the table first. It must be called, also for a commit that failed.
func (s *scheduler) after(o *Object, tell func(), report func(error)) func(error) {
	s.untold.Add(1)
	return func(err error) {
		told := func() {
			defer s.untold.Done()
			tell()
		}
		if err != nil || o.Do(told) != nil {
			s.untold.Done()
		}
		report(err)
	}
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

// later tells whether the scheduler would wake the object only after at, or never.
func (s *scheduler) later(id string, at time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byID[id]
	return e == nil || at.Before(e.row.At)
}

// set changes an object's alarm, in memory and in the table; report is called once that is durable, unless set fails.
func (s *scheduler) set(o *Object, at *time.Time, report func(error)) error {
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
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if at == nil {
		s.remove(o.id)
	} else {
		s.put(row)
	}
	s.arm()
	return nil
}

func (s *scheduler) put(r storage.AlarmRow) {
	e := s.byID[r.ID]
	if e == nil {
		e = &alarmEntry{index: -1}
		s.byID[r.ID] = e
	} else if !r.Named {
		r.Name, r.Named = e.row.Name, e.row.Named
	}
	*e = alarmEntry{row: r, due: r.At, index: e.index}
	s.enqueue(e)
}

func (s *scheduler) enqueue(e *alarmEntry) {
	if e.index >= 0 {
		heap.Fix(&s.queue, e.index)
		return
	}
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

// waits tells whether an alarm is to fire, beside one that may be running.
func (s *scheduler) waits(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byID[id]
	return e != nil && e.index >= 0
}

// take has an alarm wait for nothing any more: it is run by hand.
func (s *scheduler) take(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.byID[id]; e != nil && e.index >= 0 {
		heap.Remove(&s.queue, e.index)
		s.arm()
	}
}

// arm sets the timer for the earliest alarm.
func (s *scheduler) arm() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if len(s.queue) == 0 || s.closed || s.runs >= maxAlarmRuns {
		return
	}
	s.timer = s.ns.e.o.Clock.AfterFunc(s.queue[0].due.Sub(s.ns.e.o.Clock.Now()), s.fire)
}

func (s *scheduler) fire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.ns.e.o.Clock.Now()
	for !s.closed && s.runs < maxAlarmRuns && len(s.queue) > 0 && !s.queue[0].due.After(now) {
		e := heap.Pop(&s.queue).(*alarmEntry)
		row, done := e.row, s.run()
		var name *string
		if row.Named {
			name = &row.Name
		}
		if s.ns.Visit(row.ID, name, func(o *Object) { o.runAlarm(done) }) != nil {
			return // the loop is closed
		}
	}
	s.arm()
}

// run counts a run until done is called, or it takes long.
func (s *scheduler) run() (done func()) {
	s.runs++
	var once sync.Once
	free := func() {
		once.Do(func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.runs--
			s.arm()
		})
	}
	long := s.ns.e.o.Clock.AfterFunc(longAlarmRun, free)
	return func() {
		long.Stop()
		free()
	}
}

// again has an alarm that failed run later, unless its failures count and were too many, or it was deleted or set anew.
func (s *scheduler) again(id string, counts bool) (retry bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byID[id]
	if e == nil || e.index >= 0 {
		return true
	}
	if counts {
		if e.counted >= maxAlarmRetries {
			return false
		}
		e.counted++
		if e.spared { // a different cause: it begins anew
			e.backOff = 0
		}
	}
	e.spared = !counts
	e.due = s.ns.e.o.Clock.Now().Add(retryDelay(e.backOff))
	e.backOff++
	s.enqueue(e)
	s.arm()
	return true
}

func (s *scheduler) retries(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.byID[id]; e != nil {
		return e.counted
	}
	return 0
}

func retryDelay(backOff int) time.Duration {
	d := firstRetry << min(backOff, maxBackOff)
	return d + time.Duration(rand.Int64N(int64(d/4)))
}

// alarmQueue is a heap, the earliest first.
type alarmQueue []*alarmEntry

func (q alarmQueue) Len() int           { return len(q) }
func (q alarmQueue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
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
