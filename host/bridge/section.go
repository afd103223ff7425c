package bridge

import (
	"errors"

	"durago.example/host/durable"
	"durago.example/wasm/abi"
)

// block is a critical section or transaction that the guest asked for.
type block struct {
	section *durable.Section
	token   uint32
}

// enter asks for a section, within the one that the frame names, and starts its body with an event when it is open.
func (s *scope) enter(token uint32, frame []byte, transaction bool) error {
	if s.object == nil {
		return errors.New("durago: a request to the front has no critical sections")
	}
	r := abi.NewReader(frame)
	var outer *durable.Section
	if bl := s.blocks[r.U32()]; bl != nil {
		outer = bl.section
	}
	if r.Err() != nil {
		return r.Err()
	}
	s.object.Enter(outer, transaction, func(section *durable.Section, err error) {
		if !s.here() {
			return
		}
		if err != nil {
			s.complete(token, nil, err)
			return
		}
		s.b.lastEvent = s.b.nextEvent()
		e := &event{id: s.b.lastEvent, kind: abi.EventBlock, s: s, done: func(any, error) {}}
		s.b.events[e.id] = e
		if s.blocks == nil {
			s.blocks = map[uint32]*block{}
		}
		s.blocks[e.id] = &block{section, token}
		s.live++
		s.b.post(s, abi.EventBlock, e.id, abi.AppendU32(nil, token))
	})
	return nil
}

// leave ends the section of an event, after the turn that answered it.
func (s *scope) leave(e *event, failed error) {
	bl := s.blocks[e.id]
	if bl == nil || !s.here() {
		return
	}
	bl.section.Leave(failed, func(err error) {
		delete(s.blocks, e.id)
		s.complete(bl.token, nil, err)
	})
}

// rollback undoes the transaction of an event, whose body goes on.
func (s *scope) rollback(ev uint32) error {
	bl := s.blocks[ev]
	if bl == nil || bl.section.Transaction() == nil {
		return errors.New("durago: no such transaction")
	}
	return bl.section.Transaction().Rollback()
}

// transactionSync runs the body between savepoints, below the guest's own call.
func (s *scope) transactionSync(token uint32, dst []byte) ([]byte, error) {
	t, err := s.object.Begin()
	if err != nil {
		return dst, err
	}
	rollback, finished, err := s.b.iso.Transaction(token)
	s.b.inCall = true // the body's own calls have cleared it
	if err == nil && !finished {
		err = errors.New("a TransactionSync body waited")
	}
	if err != nil {
		s.b.iso.Kill(err)
		return dst, err
	}
	if s.object.Database().Broken() != nil {
		if rollback { // the body knows why
			return abi.AppendBool(dst, true), nil
		}
		return dst, errCritical
	}
	return abi.AppendBool(dst, rollback), t.End(rollback)
}

var errCritical = &durable.Error{Name: "Error", Message: "Cannot commit transaction due to an earlier SQL critical error"}
