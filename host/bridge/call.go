package bridge

import (
	"errors"
	"fmt"
	"math"
	"time"

	"durago.example/host/durable"
	"durago.example/wasm/abi"
)

// Call performs one operation of the guest.
func (b *Bridge) Call(ctx uint32, op abi.Op, token uint32, frame, dst []byte) (answer []byte, ok bool) {
	b.inCall = true
	answer, err := b.perform(ctx, op, token, frame, dst)
	b.inCall = false
	if err != nil {
		return appendError(dst[:0], err), false
	}
	return answer, true
}

func (b *Bridge) perform(ctx uint32, op abi.Op, token uint32, frame, dst []byte) ([]byte, error) {
	switch op {
	case abi.OpWake:
		if b.asked == nil {
			b.asked = b.scopes[token]
		}
		return dst, b.Do(func() {
			if s := b.scopes[token]; s != nil {
				b.post(s, abi.EventWake, 0, nil)
			} else if b.flush(); b.iso.Dead() == nil {
				_ = b.iso.Event(abi.EventGone, token, 0, nil)
			}
		})
	case abi.OpManifest:
		b.manifest = append([]byte(nil), frame...)
		return dst, nil
	case abi.OpLog:
		if len(frame) > 0 {
			b.say(b.scopes[ctx], int(frame[0]), token, string(frame[1:]))
		}
		return dst, nil
	}
	s := b.scopes[ctx]
	switch {
	case s == nil:
		return dst, errors.New("durago: this context is gone")
	case ctx != b.iso.Current(): // nothing would go wrong here, but it would on Workers
		return dst, errors.New("durago: an operation was called for another context")
	}
	switch {
	case op <= abi.OpFail:
		return dst, s.outcome(op, token, frame)
	case op < abi.OpSQLIntern:
		return dst, s.bodyOp(op, token, frame)
	case op < abi.OpBlock && s.object == nil:
		return dst, errors.New("durago: a request to the front has no storage: call an object")
	case op < abi.OpKVGet:
		return s.sqlOp(op, token, frame, dst)
	case op < abi.OpBlock:
		return s.storageOp(op, token, frame, dst)
	case op < abi.OpIDFromName:
		return dst, s.lifecycleOp(op, token, frame)
	case op < abi.OpSocketAccept:
		return s.namespaceOp(op, token, frame, dst)
	case op >= abi.OpTarget:
		return dst, s.linkOp(op, token, frame)
	case op >= abi.OpConnAccept:
		return s.connOp(op, token, frame, dst)
	case s.object != nil:
		return s.socketOp(op, token, frame, dst)
	}
	return dst, fmt.Errorf("durago: unknown operation %d: app.wasm is newer than this host", op)
}

// outcome takes the answer of an event.
func (s *scope) outcome(op abi.Op, token uint32, frame []byte) error {
	b := s.b
	e := b.events[token]
	if e == nil || e.s != s { // its caller has gone
		if op == abi.OpReturn {
			s.discard(frame)
		}
		return nil
	}
	var result any
	var failed error
	switch op {
	case abi.OpReply:
		r, err := s.readResponse(frame)
		if err != nil {
			failed = err
			break
		}
		if p, ok := r.Body.(*pipe); ok && p == s.streams[token] {
			e.pipe = p
		}
		result = r
	case abi.OpReturn:
		result, failed = s.returned(frame)
	case abi.OpFail:
		err := readError(frame)
		if err.Stack != "" {
			b.say(s, abi.LogError, token, err.Message+"\n"+err.Stack)
		}
		err.Stack = ""
		failed = err
	}
	b.count(e, failed != nil)
	switch e.kind {
	case abi.EventBlock:
		if bl := s.blocks[token]; failed != nil && bl != nil && bl.section.Transaction() == nil {
			s.abort = failed // a failed critical section resets the object, with what this turn wrote
		}
		delete(b.events, token)
		s.live--
		return b.Do(func() { s.leave(e, failed) })
	case abi.EventConstruct: // it answers the object's gate, not somebody outside
		if failed != nil {
			s.abort = failed
		}
		delete(b.events, token)
		s.live--
		return b.Do(func() { e.done(nil, failed) })
	}
	for _, h := range e.landed {
		s.dropStub(h)
	}
	done := e.done
	e.done = func(any, error) {}
	if e.pipe != nil && s.object != nil {
		e.hold = s.object.Hold()
		e.pipe.watch(func() { _ = b.Do(func() { b.cancel(s, token) }) })
	}
	if e.pipe == nil {
		delete(b.events, token)
		s.live--
	}
	if e.conn != 0 {
		s.handled(e.conn)
	}
	s.output(func(err error) {
		if err != nil {
			letGo(result)
			done(nil, err)
			return
		}
		done(result, failed)
	})
	return nil
}

// output has f wait for the object's writes; a request has none.
func (s *scope) output(f func(error)) {
	if s.object == nil {
		f(nil)
		return
	}
	s.object.Output(f)
}

// later completes an asynchronous operation from any goroutine.
func (s *scope) later(token uint32, frame []byte, err error) {
	_ = s.b.Do(func() { s.complete(token, frame, err) })
}

// complete completes an asynchronous operation, on the loop with the guest off the stack.
func (s *scope) complete(token uint32, frame []byte, err error) {
	if !s.here() {
		return
	}
	f := append(make([]byte, 0, len(frame)+1), 1)
	if err != nil {
		f = appendError(append(f[:0], 0), err)
	} else {
		f = append(f, frame...)
	}
	s.b.post(s, abi.EventDone, token, f)
}

func (s *scope) bodyOp(op abi.Op, token uint32, frame []byte) error {
	r := abi.NewReader(frame)
	switch op {
	case abi.OpBodyRead:
		h := r.U32()
		body := s.bodies[h]
		if body == nil {
			return errors.New("this body has been read or cancelled")
		}
		body.Pull(func(chunk []byte, err error) {
			chunk = append([]byte(nil), chunk...)
			_ = s.b.Do(func() {
				if len(chunk) == 0 || err != nil { // that was all
					delete(s.bodies, h)
				}
				s.complete(token, chunk, err)
			})
		})
	case abi.OpBodyCancel:
		if body := s.bodies[token]; body != nil {
			delete(s.bodies, token)
			body.Cancel()
		}
	case abi.OpBodyWrite:
		p := s.stream(r.U32())
		chunk := append([]byte(nil), r.Rest()...)
		s.output(func(err error) {
			if err != nil {
				s.later(token, nil, err)
				return
			}
			p.write(chunk, func(err error) { s.later(token, nil, err) })
		})
	case abi.OpBodyEnd:
		p := s.stream(token)
		delete(s.streams, token)
		var failed error
		if len(frame) > 0 {
			failed = readError(frame)
		}
		s.output(func(err error) { p.end(errors.Join(failed, err)) })
		if e := s.b.events[token]; e != nil && e.pipe == p {
			e.streamed()
			delete(s.b.events, token)
			s.live--
		}
	}
	return nil
}

func (s *scope) lifecycleOp(op abi.Op, token uint32, frame []byte) error {
	switch op {
	case abi.OpBlock:
		return s.enter(token, frame, false)
	case abi.OpAbort:
		s.abort = &durable.Error{Name: "Error", Message: readError(frame).Error()}
		if token&abi.AbandonAlarm != 0 && s.object != nil {
			s.object.AbandonAlarm()
		}
	case abi.OpWaitUntil:
		s.begin(token, len(frame) == 0)
	case abi.OpWorkDone:
		s.workDone(token)
	}
	return nil
}

func millis(t time.Time, ok bool) []byte {
	if !ok {
		return abi.AppendF64(nil, math.NaN())
	}
	return abi.AppendF64(nil, float64(t.UnixMilli()))
}
