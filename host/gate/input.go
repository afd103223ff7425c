package gate

import (
	"container/list"
	"errors"
	"time"

	"durago.example/host/clock"
)

// Limits of critical sections.
const (
	MaxDepth = 64
	MaxTime  = 30 * time.Second
)

// Reasons for which a gate breaks by itself.
var (
	ErrTooDeep = errors.New("gate: critical sections are nested more than 64 deep")
	ErrTooLong = errors.New("gate: a critical section has been open for 30 seconds")
)

// Options of an input gate. All must be set.
type Options struct {
	Clock  clock.Clock
	Do     func(f func()) error // runs f on the loop of the gate; may be called from any goroutine
	Broken func(reason error)   // is told once that the gate is broken, before those who wait are
}

// Input is an object's input gate.
type Input struct {
	root   scope
	o      Options
	broken error

	life     int        // one more with each Reset
	sections []*Section // that have not ended, in the order of asking
	freed    []*scope   // whose last lock was released and whose next waiter is to be looked at
	flushing bool
}

// scope is a place that gives out locks: the gate itself, or a critical section.
type scope struct {
	gate     *Input
	section  *Section // nil for the gate itself
	locks    int
	sections list.List // of *Waiter: sections that want to begin here; they come first
	events   list.List // of *Waiter
}

// NewInput makes a gate that is open.
func NewInput(o Options) *Input {
	g := &Input{o: o}
	g.root.gate = g
	return g
}

// Open tells whether nothing holds the gate and nobody waits for it, so that an event may be delivered without a lock.
// That is only good for an event whose delivery ends before the loop goes on.
func (g *Input) Open() bool { return g.broken == nil && g.root.locks == 0 && !g.flushing }

// Waiting is how many events wait for the gate itself.
func (g *Input) Waiting() int { return g.root.events.Len() }

// Wait has f called with a lock once there is no other; f releases it. It may be called before Wait returns. If the gate
// is broken, or breaks, f gets the reason and no lock.
func (g *Input) Wait(f func(l *Lock, broken error)) *Waiter { return g.root.wait(f) }

// WaitFirst is Wait before all who wait so far.
func (g *Input) WaitFirst(f func(l *Lock, broken error)) *Waiter {
	w := &Waiter{f: f, in: &g.root.events}
	w.here = w.in.PushFront(w)
	g.root.admit(w)
	return w
}

// Hold gives out a lock at once, for something that goes on inside the gate: others wait until it is released.
func (g *Input) Hold() *Lock { return g.root.lock() }

// Break breaks the gate: everyone who waits, in whatever section, gets the reason.
func (g *Input) Break(reason error) {
	if g.broken != nil {
		return
	}
	g.broken = reason
	g.o.Broken(reason)
	all := g.drop()
	g.root.take(&all)
	for _, w := range all {
		w.fail(reason)
	}
}

// Broken is why the gate is broken, or nil.
func (g *Input) Broken() error { return g.broken }

// Reset forgets all sections and locks: whoever had them does not exist any more. Events that wait for the gate itself go
// on waiting, for the lock that Reset returns first of all; no others do.
func (g *Input) Reset() *Lock {
	g.drop()
	g.life++
	g.root.sections.Init()
	g.root.locks = 0
	return g.root.lock()
}

// drop ends all sections and returns what waits in them.
func (g *Input) drop() (waiting []*Waiter) {
	open := g.sections
	g.sections, g.freed = nil, nil
	for _, s := range open {
		s.stop()
		s.state = ended
		s.outer, s.held, s.scope.locks = &g.root, nil, 0
		s.scope.take(&waiting)
	}
	return waiting
}

// take moves what waits here to a list.
func (p *scope) take(to *[]*Waiter) {
	for _, l := range []*list.List{&p.sections, &p.events} {
		for e := l.Front(); e != nil; e = e.Next() {
			*to = append(*to, e.Value.(*Waiter))
		}
		l.Init()
	}
}

// Waiter is someone who waits for a lock.
type Waiter struct {
	f    func(*Lock, error)
	in   *list.List
	here *list.Element
}

// Cancel has the waiter wait no longer; its function is not called. It may have been called already.
func (w *Waiter) Cancel() {
	if w.here != nil {
		w.in.Remove(w.here)
		w.here = nil
	}
}

func (w *Waiter) fail(reason error) {
	w.here = nil
	w.f(nil, reason)
}

func (w *Waiter) join(l *list.List) { w.in, w.here = l, l.PushBack(w) }

// wait has f wait as an event.
func (p *scope) wait(f func(*Lock, error)) *Waiter {
	w := &Waiter{f: f}
	w.join(&p.events)
	p.admit(w)
	return w
}

// admit lets a new waiter pass if it may.
func (p *scope) admit(w *Waiter) {
	switch {
	case p.gate.broken != nil:
		w.Cancel()
		w.f(nil, p.gate.broken)
	case p.locks == 0:
		p.release(0)
	}
}

// lock gives out a lock.
func (p *scope) lock() *Lock {
	p.locks++
	return &Lock{at: p, life: p.gate.life}
}

// release gives n locks back, and lets pass whoever comes next, unless someone who is doing that does it.
func (p *scope) release(n int) {
	p.locks -= n
	if p.locks > 0 {
		return
	}
	g := p.gate
	g.freed = append(g.freed, p)
	if g.flushing {
		return
	}
	g.flushing = true
	defer func() { g.flushing = false }()
	for len(g.freed) > 0 {
		p := g.freed[0]
		w := p.next()
		if w == nil {
			g.freed = g.freed[1:]
			continue
		}
		w.f(p.lock(), nil)
	}
	g.freed = nil
}

// next takes who may pass next: sections before events.
func (p *scope) next() *Waiter {
	if p.locks > 0 || p.gate.broken != nil {
		return nil
	}
	for _, l := range []*list.List{&p.sections, &p.events} {
		if e := l.Front(); e != nil {
			w := e.Value.(*Waiter)
			w.Cancel()
			return w
		}
	}
	return nil
}

// Lock holds back all others while it exists.
type Lock struct {
	at   *scope
	life int
}

// place is where a lock is one of: if its section has succeeded, the next place around that has not.
func (l *Lock) place() *scope {
	for s := l.at.section; s != nil && s.state == ended; s = l.at.section {
		l.at = s.outer
	}
	return l.at
}

// Share gives out the lock a second time; the gate stays shut until both are released.
func (l *Lock) Share() *Lock { return l.place().lock() }

// Release gives the lock back. A second call does nothing.
func (l *Lock) Release() {
	if l.at == nil {
		return
	}
	p := l.place()
	l.at = nil
	if p.gate.broken == nil && p.gate.life == l.life {
		p.release(1)
	}
}

// Section is the section that the lock is one of, or nil.
func (l *Lock) Section() *Section { return l.place().section }
