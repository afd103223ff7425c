package gate

import (
	"slices"

	"durago.example/host/clock"
)

// Section is a critical section: nothing from outside enters until it has ended.
type Section struct {
	scope scope
	outer *scope // where it began
	state int
	depth int
	held  *Lock // of outer, while it is open
	timer clock.Timer
}

const (
	waiting = iota
	open
	ended // successfully, or with the gate
)

// Begin asks for a section within another, or in the gate itself if outer is nil. begun is called once it is open, with a
// lock of it for its body's first step, which begun releases; it may be called before Begin returns. If the gate is
// broken or breaks, begun gets the reason alone. A section that would be the 65th within each other breaks the gate.
func (g *Input) Begin(outer *Section, begun func(s *Section, l *Lock, broken error)) *Section {
	p := &g.root
	if outer != nil {
		p = outer.place()
	}
	s := &Section{outer: p, depth: 1}
	s.scope.gate, s.scope.section = g, s
	if p.section != nil {
		s.depth = p.section.depth + 1
	}
	if s.depth > MaxDepth {
		g.Break(ErrTooDeep)
	}
	if g.broken == nil {
		g.sections = append(g.sections, s)
	}
	w := &Waiter{f: func(l *Lock, broken error) {
		if broken != nil {
			begun(nil, nil, broken)
			return
		}
		s.open(l)
		begun(s, s.scope.lock(), nil)
	}}
	w.join(&p.sections)
	p.admit(w)
	return s
}

func (s *Section) open(l *Lock) {
	g := s.scope.gate
	s.state, s.held, s.outer = open, l, l.place()
	s.timer = g.o.Clock.AfterFunc(MaxTime, func() {
		_ = g.o.Do(func() {
			if s.state == open {
				g.Break(ErrTooLong)
			}
		})
	})
}

func (s *Section) stop() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// place is the section, or if it has ended the next place around it that has not.
func (s *Section) place() *scope {
	p := &s.scope
	for p.section != nil && p.section.state == ended {
		p = p.section.outer
	}
	return p
}

// Depth is how many sections there are around and including this one.
func (s *Section) Depth() int { return s.depth }

// Open tells whether the section has begun and has not ended.
func (s *Section) Open() bool { return s.state == open }

// Wait has f called with a lock of the section, or of the place around it when the section has ended; otherwise it is as
// Input.Wait. It is not for a section that has not begun.
func (s *Section) Wait(f func(l *Lock, broken error)) *Waiter { return s.place().wait(f) }

// Succeed ends the section. What waits in it and the locks of it belong to the place around it from now on. The lock
// that the section held there is the caller's, who may go on before anything else enters, and releases it. It is nil if
// the section is not open.
func (s *Section) Succeed() *Lock {
	if s.state != open {
		return nil
	}
	s.stop()
	s.state = ended
	g := s.scope.gate
	g.sections = slices.DeleteFunc(g.sections, func(x *Section) bool { return x == s })
	l := s.held
	s.held = nil
	p := l.place()
	s.outer = p
	p.locks += s.scope.locks
	s.scope.locks = 0
	for e := s.scope.sections.Front(); e != nil; e = s.scope.sections.Front() {
		s.scope.sections.Remove(e)
		e.Value.(*Waiter).join(&p.sections)
	}
	for e := s.scope.events.Front(); e != nil; e = s.scope.events.Front() {
		s.scope.events.Remove(e)
		e.Value.(*Waiter).join(&p.events)
	}
	return l
}

// Fail ends the section and breaks the gate.
func (s *Section) Fail(reason error) { s.scope.gate.Break(reason) }
