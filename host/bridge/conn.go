package bridge

import (
	"context"
	"errors"
	"net/http"

	"durago.example/host/durable"
	"durago.example/wasm/abi"
)

// Dial asks a server of the network for a socket. One that answers otherwise makes no connection; nothing but its response's
// body is to be closed.
type Dial func(ctx context.Context, url string, header http.Header) (Dialed, *http.Response, error)

// Dialed is a connection to the network.
type Dialed interface {
	// Join serves the connection, for a program's side of a socket, until it ends.
	Join(s durable.Side)
	// Drop ends a connection that nobody joins.
	Drop()
}

var (
	errConnClosed = errors.New("this WebSocket is closed")
	errConns      = errors.New("only 32768 websockets can be open on a single Durable Object instance")
)

// roomForConn tells whether one more socket may be open: the bound is that of hibernatable ones, counted apart, as on Cloudflare.
func (s *scope) roomForConn() error {
	if s.open >= durable.MaxSockets {
		return errConns
	}
	return nil
}

// newConn makes an ordinary socket of the scope. While it is open its object stays in memory; of a request it is what was
// accepted that makes the context last.
func (s *scope) newConn(accepted bool) (handle uint32, c *durable.Ordinary) {
	release := func() {}
	if s.object != nil {
		release = s.object.Hold()
	}
	lasts := accepted || s.object != nil
	if lasts {
		s.live++
	}
	s.open++
	s.counts.conns.Add(1)
	s.handles++
	handle = s.handles
	c = durable.NewOrdinary(durable.OrdinaryOptions{Do: s.b.Do, Output: s.output, Ended: func() {
		s.open--
		s.counts.conns.Add(-1)
		if c.Lost() {
			delete(s.conns, handle)
		}
		release()
		if lasts {
			s.live--
			if s.object == nil {
				_ = s.b.Do(s.settle)
			}
		}
	}})
	if s.conns == nil {
		s.conns = map[uint32]*durable.Ordinary{}
	}
	s.conns[handle] = c
	return handle, c
}

// settle ends a request's scope if that was all.
func (s *scope) settle() {
	if s.here() {
		s.b.endTurn(s.id)
		s.b.willRest()
	}
}

// dropConns ends the sockets of a scope that is gone.
func (s *scope) dropConns() {
	for _, c := range s.conns {
		c.Drop()
	}
	s.conns = nil
}

func (s *scope) connOp(op abi.Op, token uint32, frame, dst []byte) ([]byte, error) {
	r := abi.NewReader(frame)
	switch op {
	case abi.OpConnAccept:
		return s.acceptConn(token, frame, dst)
	case abi.OpConnReceive:
		h := r.U32()
		c := s.conns[h]
		if c == nil {
			return dst, errConnClosed
		}
		c.Receive(func(m durable.Received) {
			if m.Closed != nil {
				delete(s.conns, h)
			}
			s.b.soon(func() { s.complete(token, receivedFrame(m), nil) }) // before what comes next is looked at
		})
		return dst, r.Err()
	}
	c := s.conns[token]
	if c == nil { // it has ended
		if op == abi.OpConnState {
			dst = append(dst, durable.Closed)
		}
		return dst, nil
	}
	switch op {
	case abi.OpConnSend:
		text := r.U8() == 1
		return dst, c.Send(text, message(text, r.Rest()))
	case abi.OpConnClose:
		code := int(r.U16())
		return dst, c.Close(code, r.Str())
	case abi.OpConnState:
		dst = append(dst, byte(c.State()))
	case abi.OpConnForget:
		c.Forget()
		if c.State() == durable.Closed {
			delete(s.conns, token)
		}
	}
	return dst, nil
}

// acceptConn answers an event with a socket. Its handler goes on.
func (s *scope) acceptConn(token uint32, frame, dst []byte) ([]byte, error) {
	e := s.b.events[token]
	if e == nil || e.s != s || e.request == nil || e.conn != 0 {
		return dst, typeError("the request to accept has been answered")
	}
	r := abi.NewReader(frame)
	resp := &Response{Status: http.StatusSwitchingProtocols, Header: readHeaders(&r, frame)}
	if r.Err() != nil {
		return dst, r.Err()
	}
	if err := s.roomForConn(); err != nil {
		return dst, err
	}
	handle, c := s.newConn(true)
	resp.Socket, e.conn = c, handle
	s.b.count(e, false)
	s.begin(handling(handle), true)
	done := e.done
	e.done = func(any, error) {}
	s.output(func(err error) {
		if err != nil {
			c.Drop()
			done(nil, err)
			return
		}
		done(resp, nil)
	})
	return abi.AppendU32(dst, handle), nil
}

// handling is under which number the handler that accepted a socket counts as work: no token has it.
func handling(conn uint32) uint32 { return abi.LinkGiven | conn }

// handled is told that the handler that accepted a socket has returned.
func (s *scope) handled(conn uint32) { s.workDone(handling(conn)) }

func receivedFrame(m durable.Received) []byte {
	switch {
	case m.Closed != nil:
		f := abi.AppendU16([]byte{abi.ConnClosed}, uint16(m.Closed.Code))
		return abi.AppendStr(abi.AppendBool(f, m.Closed.Clean), m.Closed.Reason)
	case m.Text:
		return append([]byte{abi.ConnText}, m.Data...)
	}
	return append([]byte{abi.ConnBinary}, m.Data...)
}

// answered completes a fetch, from any goroutine. c is the network's side of the socket that was asked for, if it is there.
func (s *scope) answered(token uint32, q *Request, resp *Response, err error, c Dialed) {
	b := s.b
	drop := func() {
		if c != nil {
			c.Drop()
		}
		if resp != nil {
			resp.Drop()
		}
	}
	if b.Do(func() {
		_, wanted := s.aborts[token]
		delete(s.aborts, token)
		switch {
		case !wanted || !s.here():
			drop()
		case err != nil:
			s.complete(token, nil, err)
		case q.upgrade && s.roomForConn() != nil:
			drop()
			s.complete(token, nil, s.roomForConn())
		case q.upgrade && (c != nil || resp.Socket != nil):
			handle, own := s.newConn(false)
			if c != nil {
				b.guests.dialed.Go(func() { c.Join(own) })
			} else {
				durable.Join(own, resp.Socket)
			}
			s.complete(token, s.responseFrame(nil, resp, handle), nil)
		default:
			if resp.Socket != nil { // the guest did not ask for it
				_, own := s.newConn(false)
				own.Forget()
				durable.Join(own, resp.Socket)
				_ = own.Close(0, "")
			}
			s.complete(token, s.responseFrame(nil, resp, 0), nil)
		}
	}) != nil {
		drop()
	}
}
