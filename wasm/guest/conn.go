package guest

import (
	"context"
	"errors"
	"net/http"
	"runtime"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
)

// conn is an ordinary socket. Of a Receive that is given up the runtime's answer stays, for the next.
type conn struct {
	s         *scope
	handle    uint32
	receiving *signal  // of the Receive that is under way, when it has returned; nil if none is
	waiting   *pending // what a Receive has asked for
	closing   bool     // Close was called
	closed    *driver.CloseError
}

// errSendAfterClose is the platform's.
var errSendAfterClose = &driver.Error{Name: "TypeError", Message: "Can't call WebSocket send() after close()."}

var (
	_ driver.Conn     = (*conn)(nil)
	_ driver.Acceptor = (*responseWriter)(nil)
	_ driver.Dialer   = (*stub)(nil)
	_ driver.Dialer   = platform{}
)

func (s *scope) conn(h uint32) *conn {
	c := &conn{s: s, handle: h}
	if s.class != nil { // a request's sockets end with it
		runtime.AddCleanup(c, drop, handle{s.g, s.id, h, abi.OpConnForget})
		s.g.tellDropped()
	}
	return c
}

func (c *conn) Receive(ctx context.Context) (text bool, data []byte, err error) {
	g := c.s.g
	g.take()
	for c.receiving != nil {
		if !g.park(c.receiving, nil, ctx.Done()) {
			return false, nil, context.Cause(ctx)
		}
	}
	done := newSignal()
	c.receiving = &done
	defer func() {
		c.receiving = nil
		g.fire(&done)
		g.settle()
	}()
	if c.closed != nil {
		return false, nil, c.closed
	}
	if c.waiting == nil {
		p, err := c.s.begin(ctx, abi.OpConnReceive, g.nextToken(), func() []byte { return abi.AppendU32(g.scratch(), c.handle) })
		if err != nil {
			return false, nil, err
		}
		c.waiting = p
	}
	if !g.park(&c.waiting.done, nil, ctx.Done()) {
		return false, nil, context.Cause(ctx)
	}
	p := c.waiting
	if c.waiting = nil; p.err != nil {
		return false, nil, p.err
	}
	r := abi.NewReader(p.answer)
	switch r.U8() {
	case abi.ConnClosed:
		c.closed = &driver.CloseError{Code: int(r.U16()), Clean: r.U8() == 1, Reason: r.Str()}
		return false, nil, c.closed
	case abi.ConnText:
		return true, r.Rest(), nil
	}
	return false, r.Rest(), nil
}

func (c *conn) Send(text bool, data []byte) error {
	if c.closed != nil && (c.closing || c.closed.Clean) {
		return errSendAfterClose
	}
	if err := c.s.enter(); err != nil {
		return err
	}
	b := append(abi.AppendBool(c.s.g.scratch(), text), data...)
	_, err := c.s.g.call(c.s.id, abi.OpConnSend, c.handle, b, nil)
	c.s.g.discard(b)
	c.s.g.settle()
	return err
}

func (c *conn) Close(code int, reason string) error {
	_, err := c.s.do(abi.OpConnClose, c.handle, abi.AppendStr(abi.AppendU16(nil, uint16(code)), reason))
	c.closing = c.closing || err == nil
	return err
}

func (c *conn) ReadyState() (int, error) {
	a, err := c.s.do(abi.OpConnState, c.handle, nil)
	r := abi.NewReader(a)
	return int(r.U8()), err
}

// Accept answers the event; its handler goes on.
func (w *responseWriter) Accept(header http.Header) (driver.Conn, error) {
	if w.state != buffering || w.status != 0 {
		return nil, errors.New("objects: Accept after the response was begun")
	}
	a, err := w.e.scope.do(abi.OpConnAccept, w.e.label.event, appendHeader(nil, header))
	if err != nil {
		return nil, err
	}
	r := abi.NewReader(a)
	w.state, w.conn = accepted, w.e.scope.conn(r.U32())
	return w.conn, r.Err()
}

func (p platform) Dial(ctx context.Context, r *http.Request) (driver.Conn, *http.Response, error) {
	return p.s.dial(ctx, abi.OpFetch, r, nil)
}

func (t *stub) Dial(ctx context.Context, r *http.Request) (driver.Conn, *http.Response, error) {
	if t.disposed {
		return nil, nil, errDisposed
	}
	return t.s.dial(ctx, abi.OpStubFetch, r, t)
}

func (s *scope) dial(ctx context.Context, op abi.Op, r *http.Request, t *stub) (driver.Conn, *http.Response, error) {
	answer, err := s.request(ctx, op, r, t, abi.RequestUpgrade)
	if err != nil {
		return nil, nil, err
	}
	resp, socket, err := s.readResponse(r, answer)
	if err != nil || socket == 0 {
		return nil, resp, err
	}
	return s.conn(socket), resp, nil
}
