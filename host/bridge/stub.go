package bridge

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"

	"durago.example/host/durable"
	"durago.example/wasm/abi"
)

var errJurisdiction = &durable.Error{Name: "Error", Message: "Jurisdiction restrictions are not implemented in workerd."}

func typeError(message string) error { return &durable.Error{Name: "TypeError", Message: message} }

// stub is what a scope calls others by: an object, an entrypoint, or what somebody has lent.
type stub interface {
	// send delivers a Call or a Request once the caller's writes are durable. done is called once, on any loop.
	send(s *scope, payload any, done func(any, error)) sent
	// dup is another stub of the same.
	dup() stub
	// drop says that it is not used any more.
	drop()
}

// sent is what was sent to an object, or how to end what was sent elsewhere.
type sent struct {
	t   *objectStub
	e   *durable.Event
	end func()
}

// cancel says that nobody waits for the answer any more. It may be called from any goroutine.
func (x sent) cancel() {
	switch {
	case x.e != nil:
		_ = x.t.ns.On(x.t.id, x.e.Cancel)
	case x.end != nil:
		x.end()
	}
}

var (
	_ stub = (*objectStub)(nil)
	_ stub = (*targetStub)(nil)
	_ stub = (*serviceStub)(nil)
)

// objectStub is a channel to one object. After the object breaks it fails with the same error.
type objectStub struct {
	ns     *durable.Namespace
	id     string
	name   *string
	object *durable.Object // that it last reached; on its own loop only
	broken error           // likewise
	passed bool            // it came in a value: who has it does not know whose it is
}

func (t *objectStub) dup() stub {
	return &objectStub{ns: t.ns, id: t.id, name: t.name, passed: t.passed}
}

func (t *objectStub) drop() {}

func (s *scope) namespace(binding string) (*durable.Namespace, error) {
	binding, jurisdiction, _ := strings.Cut(binding, "\x00")
	n, err := s.b.o.Namespace(binding)
	if err == nil && jurisdiction != "" {
		err = errJurisdiction
	}
	return n, err
}

func (s *scope) namespaceOp(op abi.Op, token uint32, frame, dst []byte) ([]byte, error) {
	r := abi.NewReader(frame)
	switch op {
	case abi.OpStubFetch, abi.OpStubCall, abi.OpForward, abi.OpFetch:
		if err := s.subrequest(); err != nil {
			return dst, err
		}
	}
	switch op {
	case abi.OpIDFromName, abi.OpIDUnique, abi.OpIDParse, abi.OpStub:
		n, err := s.namespace(r.Str())
		if err != nil {
			return dst, err
		}
		arg := r.Str()
		switch op {
		case abi.OpIDFromName:
			s.known = known{n, arg, n.IDFromName(arg)}
			return abi.AppendStr(dst, s.known.id), nil
		case abi.OpIDUnique:
			if arg != "" {
				return dst, errJurisdiction
			}
			return abi.AppendStr(dst, n.NewUniqueID()), nil
		case abi.OpIDParse:
			id, err := n.ParseID(arg)
			return abi.AppendStr(dst, id), err
		}
		t := &objectStub{ns: n, id: arg}
		if r.U8() == 1 {
			name := r.Str()
			t.name = &name
		}
		if err := s.check(t); err != nil {
			return dst, err
		}
		s.keep(token, t)
		return dst, r.Err()
	case abi.OpStubDrop:
		s.dropStub(token)
		return dst, nil
	case abi.OpFetch:
		s.fetch(token, s.readRequest(&r, frame))
		return dst, r.Err()
	case abi.OpFetchAbort:
		if f := s.aborts[token]; f != nil {
			delete(s.aborts, token)
			f()
		}
		return dst, nil
	}
	t := s.stubs[r.U32()]
	if t == nil {
		return dst, errDisposed
	}
	switch op {
	case abi.OpStubCall:
		return dst, s.stubCall(t, token, r.Str(), r.Rest())
	case abi.OpStubFetch:
		q := s.readRequest(&r, frame)
		var err error
		if q.URL, err = fetched(q.URL); err != nil {
			s.later(token, nil, err)
			return dst, r.Err()
		}
		s.abortable(token, t.send(s, q, func(v any, err error) {
			resp, ok := v.(*Response)
			if err == nil && !ok {
				err = typeError("Incorrect type for Promise: the Promise did not resolve to 'Response'.")
			}
			s.answered(token, q, resp, err, nil)
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
		q.depth = s.depth
		if q.Body != nil { // the guest's handle to it ends here
			for h, body := range s.bodies {
				if body == q.Body {
					delete(s.bodies, h)
				}
			}
		}
		s.abortable(token, t.send(s, q, func(v any, err error) {
			_ = s.b.Do(func() {
				delete(s.aborts, token)
				if err == nil && s.here() {
					done := e.done
					e.done = func(any, error) {}
					s.output(func(err error) {
						if err != nil {
							letGo(v)
						}
						done(v, err)
					})
				} else {
					letGo(v)
				}
				s.complete(token, nil, err)
			})
		}))
	}
	return dst, r.Err()
}

// letGo lets go of a result that nobody wants.
func letGo(v any) {
	if r, ok := v.(interface{ Drop() }); ok {
		r.Drop()
	}
}

// known is the id that was last made of a name, which usually is what the next stub is for.
type known struct {
	ns       *durable.Namespace
	name, id string
}

// check finds ids of other namespaces.
func (s *scope) check(t *objectStub) error {
	if t.name == nil {
		_, err := t.ns.ParseID(t.id)
		return err
	}
	if s.known != (known{t.ns, *t.name, t.id}) && t.ns.IDFromName(*t.name) != t.id {
		return typeError("Durable Object ID is not valid for this namespace.")
	}
	return nil
}

func (s *scope) keep(handle uint32, t stub) {
	if s.stubs == nil {
		s.stubs = map[uint32]stub{}
	}
	s.stubs[handle] = t
	if _, lent := t.(*targetStub); lent && s.object != nil {
		s.holding.add(s.object)
	}
}

// send has done called on the object's loop.
func (t *objectStub) send(s *scope, payload any, done func(any, error)) sent {
	e := &durable.Event{Payload: payload, Size: size(payload), Nested: true}
	s.output(func(err error) {
		if err != nil {
			done(nil, err)
			return
		}
		if err := t.ns.Visit(t.id, t.name, func(o *durable.Object) { t.deliver(o, e, done) }); err != nil {
			done(nil, err)
		}
	})
	return sent{t: t, e: e}
}

// depthOf is how many services a payload came through.
func depthOf(payload any) int {
	switch p := payload.(type) {
	case Call:
		return p.depth
	case targetCall:
		return p.depth
	case *Request:
		return p.depth
	}
	return 0
}

// size is what a payload holds while it waits, in bytes.
func size(payload any) int {
	switch p := payload.(type) {
	case Call:
		return len(p.Args)
	case *Request:
		return p.Size()
	}
	return 0
}

// abortable has x cancelled when the guest gives the operation up, or ends.
func (s *scope) abortable(token uint32, x sent) {
	if s.aborts == nil {
		s.aborts = map[uint32]context.CancelFunc{}
	}
	s.aborts[token] = x.cancel
}

// deliver runs on the object's loop.
func (t *objectStub) deliver(o *durable.Object, e *durable.Event, done func(any, error)) {
	if t.object != nil && t.object.Broken() != nil && t.broken == nil {
		t.broken = t.object.Broken()
	}
	_, rpc := e.Payload.(Call)
	if t.broken != nil {
		done(nil, t.broken)
		return
	}
	t.object = o
	e.Done = func(v any, err error) {
		if err != nil {
			err = t.failure(err, rpc, o)
		}
		done(v, err)
	}
	o.Deliver(e)
}

// failure is an error of the object as the caller sees it. That of a reset is the object's own: a call has it as it is.
func (t *objectStub) failure(err error, rpc bool, o *durable.Object) error {
	switch {
	case rpc && err == o.Broken():
		return err
	case rpc && !t.passed:
		return remote(err, t.id)
	}
	return remote(err, "")
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
		s.connect(func() {
			resp, c, err := s.b.request(ctx, q)
			if err != nil {
				cancel()
				err = &durable.Error{Name: "Error", Message: "Network connection lost.", Retryable: true, Stack: err.Error()}
			}
			_ = s.b.Do(s.connected)
			s.answered(token, q, resp, err, c)
		})
	})
}

// request sends a request to the network. c is the connection of one that was upgraded.
func (b *Bridge) request(ctx context.Context, q *Request) (resp *Response, c Dialed, err error) {
	if !q.upgrade {
		resp, err = b.roundTrip(ctx, q)
		return resp, nil, err
	}
	c, r, err := b.o.Dial(ctx, q.URL, Header(q.Header))
	if err != nil {
		return nil, nil, err
	}
	resp = &Response{Status: r.StatusCode, Header: AppendHeader(nil, r.Header)}
	if c == nil {
		resp.Body = &reader{r: r.Body}
	}
	return resp, c, nil
}

// http is the request as net/http has it.
func (q *Request) http(ctx context.Context) (*http.Request, error) {
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
	return r, nil
}

func (b *Bridge) roundTrip(ctx context.Context, q *Request) (*Response, error) {
	r, err := q.http(ctx)
	if err != nil {
		return nil, err
	}
	resp, err := b.o.HTTP.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	return &Response{Status: resp.StatusCode, Header: AppendHeader(nil, resp.Header), Body: &reader{r: resp.Body}}, nil
}

// Header reads abi Headers.
func Header(b []byte) http.Header {
	h := http.Header{}
	SetHeader(h, b, "")
	return h
}

// SetHeader has h say what abi Headers say, in place of what it said of the same names; skip is a name that is passed over.
func SetHeader(h http.Header, b []byte, skip string) {
	if len(h) > 0 {
		for k := range Header(b) {
			if k != skip {
				delete(h, k)
			}
		}
	}
	r := abi.NewReader(b)
	n := r.U16()
	values := make([]string, 0, n)
	for ; n > 0 && r.Err() == nil; n-- {
		k := http.CanonicalHeaderKey(r.Str())
		v := r.Str()
		if k == skip {
			continue
		}
		if old := h[k]; old != nil {
			h[k] = append(old, v)
			continue
		}
		values = append(values, v)
		h[k] = values[len(values)-1 : len(values) : len(values)]
	}
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
