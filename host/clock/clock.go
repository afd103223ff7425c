// Package clock is the host's time: real, or virtual for tests. The guest's clocks, its timers and alarms all go
// through it.
package clock

import (
	"container/heap"
	"sync"
	"time"
)

// Clock tells and keeps time. Its methods may be called from any goroutine.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f once, d from now, on a goroutine of the clock's own.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is a call that is due.
type Timer interface {
	// Stop withdraws the call; false says that it was too late.
	Stop() bool
}

// Real is the machine's clock.
var Real Clock = realClock{}

type realClock struct{}

func (realClock) Now() time.Time                            { return time.Now() }
func (realClock) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

// Virtual is a clock that stands still until Advance.
type Virtual struct {
	mu    sync.Mutex
	now   time.Time
	queue queue
	seq   int
}

// NewVirtual makes a clock that stands at start.
func NewVirtual(start time.Time) *Virtual { return &Virtual{now: start} }

// Now is where the clock stands.
func (v *Virtual) Now() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.now
}

// AfterFunc calls f when Advance reaches its time.
func (v *Virtual) AfterFunc(d time.Duration, f func()) Timer {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seq++
	t := &timer{clock: v, at: v.now.Add(max(d, 0)), seq: v.seq, f: f}
	heap.Push(&v.queue, t)
	return t
}

// Next is when the next call is due.
func (v *Virtual) Next() (at time.Time, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.queue) == 0 {
		return time.Time{}, false
	}
	return v.queue[0].at, true
}

// Step moves the clock to the next call that is due by the given time and makes it; false says that there is none and
// the clock stands at that time.
func (v *Virtual) Step(by time.Time) bool {
	v.mu.Lock()
	if len(v.queue) == 0 || v.queue[0].at.After(by) {
		if by.After(v.now) {
			v.now = by
		}
		v.mu.Unlock()
		return false
	}
	t := heap.Pop(&v.queue).(*timer)
	if t.at.After(v.now) {
		v.now = t.at
	}
	v.mu.Unlock()
	t.f()
	return true
}

type timer struct {
	clock *Virtual
	at    time.Time
	seq   int
	index int
	f     func()
}

func (t *timer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	if t.index < 0 {
		return false
	}
	heap.Remove(&t.clock.queue, t.index)
	return true
}

type queue []*timer

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].seq < q[j].seq
}
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}
func (q *queue) Push(x any) {
	t := x.(*timer)
	t.index = len(*q)
	*q = append(*q, t)
}
func (q *queue) Pop() any {
	old := *q
	t := old[len(old)-1]
	*q = old[:len(old)-1]
	t.index = -1
	return t
}
