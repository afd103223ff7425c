package bridge

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"durago.example/host/durable"
	"durago.example/wasm/abi"
)

func typeError(message string) error { return &durable.Error{Name: "TypeError", Message: message} }

// stub is a channel to one object. After the object breaks it fails with the same error.
type stub struct {
	ns     *durable.Namespace
	id     string
	name   *string
	object *durable.Object // that it last reached; on its own loop only
	broken error           // likewise
}

func (s *scope) namespace(binding string) (*durable.Namespace, error) {
	if n := s.b.o.Namespaces[binding]; n != nil {
		return n, nil
	}
	return nil, fmt.Errorf("no Durable Object namespace is bound as %s: add it to durable_objects.bindings", binding)
}

func (s *scope) namespaceOp(op abi.Op, token uint32, frame, dst []byte) ([]byte, error) {
	r := abi.NewReader(frame)
	switch op {
	case abi.OpIDFromName, abi.OpIDUnique, abi.OpIDParse, abi.OpStub:
		n, err := s.namespace(r.Str())
		if err != nil {
			return dst, err
		}
		arg := r.Str()
		switch op {
		case abi.OpIDFromName:
			return abi.AppendStr(dst, n.IDFromName(arg)), nil
		case abi.OpIDUnique:
			if arg != "" {
				return dst, &durable.Error{Name: "Error", Message: "Jurisdiction restrictions are not implemented in workerd."}
			}
			return abi.AppendStr(dst, n.NewUniqueID()), nil
		case abi.OpIDParse:
			id, err := n.ParseID(arg)
			return abi.AppendStr(dst, id), err
		}
		t := &stub{ns: n, id: arg}
		if r.U8() == 1 {
			name := r.Str()
			t.name = &name
		}
		if s.stubs == nil {
			s.stubs = map[uint32]*stub{}
		}
		s.stubs[token] = t
		return dst, r.Err()
	case abi.OpStubDrop:
		delete(s.stubs, token)
		return dst, nil
	case abi.OpFetch:
		s.fetch(token, s.readRequest(&r, frame))
		return dst, r.Err()
	case abi.OpFetchAbort:
		if f := s.aborts[token]; f != nil {
			f()
		}
		return dst, nil
	}
	t := s.stubs[r.U32()]
	if t == nil {
		return dst, typeError("this stub has been disposed")
	}
	switch op {
	case abi.OpStubCall:
		method := r.Str()
		args := append([]byte(nil), r.Rest()...)
		if len(args) > maxRPC {
			return dst, tooLarge(len(args))
		}
		t.send(s, Call{method, args}, func(v any, err error) {
			result, _ := v.([]byte)
			if len(result) > maxRPC {
				err = tooLarge(len(result))
			}
			s.later(token, result, err)
		})
	case abi.OpStubFetch:
		q := s.readRequest(&r, frame)
		s.abortable(token, t, t.send(s, q, func(v any, err error) {
			_ = s.b.Do(func() {
				delete(s.aborts, token)
				resp, ok := v.(*Response)
				if err == nil && !ok {
					err = typeError("Incorrect type for Promise: the Promise did not resolve to 'Response'.")
				}
				if err != nil || s.b.scopes[s.id] != s {
					s.complete(token, nil, err)
					return
				}
				s.complete(token, s.responseFrame(nil, resp), nil)
			})
		}))
	case abi.OpForward:
		e := s.b.events[r.U32()]
		if e == nil || e.request == nil {
			return dst, typeError("the request to forward has been answered")
		}
		q := e.request
		if r.Len() > 0 {
			q = s.readRequest(&r, frame)
			q.Inline, q.Body = e.request.Inline, e.request.Body
		}
		if q.Body != nil { // the guest's handle to it ends here
			for h, body := range s.bodies {
				if body == q.Body {
					delete(s.bodies, h)
				}
			}
		}
		s.abortable(token, t, t.send(s, q, func(v any, err error) {
			_ = s.b.Do(func() {
				delete(s.aborts, token)
				if err == nil && s.b.scopes[s.id] == s {
					done := e.done
					e.done = func(any, error) {}
					s.output(func(err error) { done(v, err) })
				}
				s.complete(token, nil, err)
			})
		}))
	}
	return dst, r.Err()
}

// maxRPC bounds arguments and results.
const maxRPC = 32 << 20

func tooLarge(n int) error {
	return &durable.Error{Name: "Error", Message: fmt.Sprintf("Serialized RPC arguments or return values are limited to 32MiB, but the size of this value was: %d bytes.", n)}
}

var reservedMethods = map[string]bool{"fetch": true, "connect": true, "alarm": true, "webSocketMessage": true, "webSocketClose": true,
	"webSocketError": true, "dup": true, "constructor": true}

// send delivers a payload to the stub's object once the caller's writes are durable. done is called on the object's loop.
func (t *stub) send(s *scope, payload any, done func(any, error)) *durable.Event {
	e := &durable.Event{Payload: payload}
	if c, ok := payload.(Call); ok && reservedMethods[c.Method] {
		done(nil, typeError("'"+c.Method+"' is a reserved method and cannot be called over RPC."))
		return e
	}
	s.output(func(err error) {
		if err != nil {
			done(nil, err)
			return
		}
		if err := t.ns.Visit(t.id, t.name, func(o *durable.Object) { t.deliver(o, e, done) }); err != nil {
			done(nil, err)
		}
	})
	return e
}

// abortable has the event cancelled when the guest gives the operation up, or ends.
func (s *scope) abortable(token uint32, t *stub, e *durable.Event) {
	if s.aborts == nil {
		s.aborts = map[uint32]context.CancelFunc{}
	}
	s.aborts[token] = func() { _ = t.ns.On(t.id, e.Cancel) }
}

// deliver runs on the object's loop.
func (t *stub) deliver(o *durable.Object, e *durable.Event, done func(any, error)) {
	if t.object != nil && t.object.Broken() != nil && t.broken == nil {
		t.broken = t.object.Broken()
	}
	if t.broken != nil {
		done(nil, t.broken)
		return
	}
	t.object = o
	_, rpc := e.Payload.(Call)
	e.Done = func(v any, err error) {
		if e, ok := err.(*durable.Error); ok && !e.Reset && err != o.Broken() {
			c := *e
			c.Remote = true
			if c.ObjectID == "" && rpc {
				c.ObjectID = o.ID()
			}
			err = &c
		}
		done(v, err)
	}
	o.Deliver(e)
}

// fetch sends a request to the network.
func (s *scope) fetch(token uint32, q *Request) {
	ctx, cancel := context.WithCancel(context.Background())
	if s.aborts == nil {
		s.aborts = map[uint32]context.CancelFunc{}
	}
	s.aborts[token] = cancel
	s.output(func(err error) {
		if err != nil {
			s.later(token, nil, err)
			return
		}
		go func() {
			resp, err := s.b.roundTrip(ctx, q)
			_ = s.b.Do(func() {
				delete(s.aborts, token)
				if err != nil {
					cancel()
					s.complete(token, nil, &durable.Error{Name: "Error", Message: "Network connection lost.", Retryable: true, Props: nil, Stack: err.Error()})
					return
				}
				if s.b.scopes[s.id] != s {
					resp.Body.Cancel()
					return
				}
				s.complete(token, s.responseFrame(nil, resp), nil)
			})
		}()
	})
}

func (b *Bridge) roundTrip(ctx context.Context, q *Request) (*Response, error) {
	var body io.Reader
	switch {
	case q.Body != nil:
		body = &streamReader{s: q.Body}
	case len(q.Inline) > 0:
		body = bytes.NewReader(q.Inline)
	}
	r, err := http.NewRequestWithContext(ctx, q.Method, q.URL, body)
	if err != nil {
		return nil, err
	}
	r.Header = Header(q.Header)
	resp, err := b.o.HTTP.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	return &Response{Status: resp.StatusCode, Header: AppendHeader(nil, resp.Header), Body: &reader{r: resp.Body}}, nil
}

// Header reads abi Headers.
func Header(b []byte) http.Header {
	r := abi.NewReader(b)
	h := http.Header{}
	for n := r.U16(); n > 0 && r.Err() == nil; n-- {
		k := r.Str()
		h.Add(k, r.Str())
	}
	return h
}

// AppendHeader appends abi Headers.
func AppendHeader(b []byte, h http.Header) []byte {
	n := 0
	for _, v := range h {
		n += len(v)
	}
	b = abi.AppendU16(b, uint16(n))
	for k, vs := range h {
		for _, v := range vs {
			b = abi.AppendStr(abi.AppendStr(b, k), v)
		}
	}
	return b
}

// streamReader reads a Stream as an io.Reader.
type streamReader struct {
	s     Stream
	chunk []byte
	err   error
}

// NewReader reads a stream.
func NewReader(s Stream) io.Reader { return &streamReader{s: s} }

// NewStream makes a stream of a body that is read when it is asked for.
func NewStream(r io.ReadCloser) Stream { return &reader{r: r} }

func (r *streamReader) Read(p []byte) (int, error) {
	for len(r.chunk) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		type result struct {
			chunk []byte
			err   error
		}
		c := make(chan result, 1)
		r.s.Pull(func(chunk []byte, err error) { c <- result{chunk, err} })
		got := <-c
		r.chunk, r.err = got.chunk, got.err
		if len(r.chunk) == 0 && r.err == nil {
			r.err = io.EOF
		}
	}
	n := copy(p, r.chunk)
	r.chunk = r.chunk[n:]
	return n, nil
}
