package durable

import (
	"errors"

	"durago.example/host/gate"
)

// Section is a critical section of an object, or a transaction that may last longer than a turn.
type Section struct {
	o  *Object
	in *gate.Section
	tx *Transaction // nil if it is none
}

// Enter asks for a section within another, or nil, and has begun called when it is open: after the turn that asks, and
// after the sections that were asked for before it. From then on no event is delivered until Leave. A transaction begins
// with what was written before it committed.
//
// If the object breaks first, begun gets the reason. Nesting too deeply breaks it.
func (o *Object) Enter(outer *Section, transaction bool, begun func(*Section, error)) {
	if outer == nil {
		outer = o.building
	}
	var in *gate.Section
	if outer != nil {
		in = outer.in
	}
	o.input.Begin(in, func(in *gate.Section, l *gate.Lock, broken error) {
		_ = o.Do(func() {
			if o.broken != nil {
				begun(nil, o.broken)
				return
			}
			if in == nil || !in.Open() {
				return // who asked has gone
			}
			s := &Section{o: o, in: in}
			if transaction {
				var err error
				if s.tx, err = o.begin(true); err != nil {
					o.fail(err)
					begun(nil, o.broken)
					return
				}
			}
			begun(s, nil)
			l.Release()
		})
	})
}

// Transaction is the section's transaction, or nil.
func (s *Section) Transaction() *Transaction { return s.tx }

// Leave ends the section, once those that were begun in it have ended. If what it protected failed, a transaction is
// undone and any other section breaks the object. What a transaction wrote is committed with the outermost. then is
// called before any event from outside is delivered, with failed or the reason for which the object broke.
func (s *Section) Leave(failed error, then func(error)) {
	o := s.o
	if s.tx == nil && failed != nil {
		o.Break(failed)
	}
	if o.broken != nil {
		then(o.broken)
		return
	}
	s.in.Wait(func(l *gate.Lock, broken error) {
		if broken != nil {
			then(o.broken)
			return
		}
		defer l.Release()
		if s.tx != nil {
			if err := s.tx.End(failed != nil); err != nil {
				o.fail(err)
			}
			o.EndTurn()
		}
		if o.broken != nil {
			then(o.broken)
			return
		}
		outer := s.in.Succeed()
		if outer == nil {
			then(errLeft)
			return
		}
		then(failed)
		outer.Release()
	})
}

var errLeft = errors.New("durable: the section has been left")
