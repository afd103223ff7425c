package bridge

import (
	"errors"

	"durago.example/host/durable"
	"durago.example/host/storage"
	"durago.example/wasm/abi"
)

var errClientGone = &durable.Error{Name: "AbortError", Message: "The operation was aborted", Retryable: true}

// appendError appends err as an Error frame.
func appendError(b []byte, err error) []byte {
	w := abi.Error{Name: "Error", Message: err.Error()}
	var e *durable.Error
	var s *storage.Error
	switch {
	case errors.As(err, &e):
		w = abi.Error{Name: e.Name, Message: e.Message, ObjectID: e.ObjectID, Props: e.Props}
		for _, f := range [...]struct {
			set bool
			bit byte
		}{{e.Remote, abi.ErrorRemote}, {e.Retryable, abi.ErrorRetryable}, {e.Overloaded, abi.ErrorOverloaded}, {e.Reset, abi.ErrorReset}} {
			if f.set {
				w.Flags |= f.bit
			}
		}
	case errors.As(err, &s):
		w.Message = s.Message
	}
	if w.Name == "" {
		w.Name = "Error"
	}
	return w.Append(b)
}

func readError(frame []byte) *durable.Error {
	w, err := abi.ReadError(frame)
	if err != nil {
		return &durable.Error{Name: "Error", Message: "the guest sent a malformed error"}
	}
	return &durable.Error{Name: w.Name, Message: w.Message, ObjectID: w.ObjectID, Stack: w.Stack, Props: w.Props,
		Remote: w.Flags&abi.ErrorRemote != 0, Retryable: w.Flags&abi.ErrorRetryable != 0,
		Overloaded: w.Flags&abi.ErrorOverloaded != 0, Reset: w.Flags&abi.ErrorReset != 0}
}

// requestFrame appends a Request; a stream becomes a handle of the scope.
func (s *scope) requestFrame(f []byte, r *Request) []byte {
	if f == nil {
		f = make([]byte, 0, len(r.URL)+len(r.Header)+len(r.Inline)+32)
	}
	f = abi.AppendStr(abi.AppendStr(f, r.Method), r.URL)
	f = append(append(f, 0), r.Header...)
	return s.appendBody(f, r.Inline, r.Body)
}

// responseFrame appends a Response, of whose socket the guest has the other side under a handle, or 0.
func (s *scope) responseFrame(f []byte, r *Response, socket uint32) []byte {
	f = abi.AppendU32(abi.AppendU16(f, uint16(r.Status)), socket)
	f = append(f, r.Header...)
	return s.appendBody(f, r.Inline, r.Body)
}

func (s *scope) appendBody(f, inline []byte, body Stream) []byte {
	switch {
	case body != nil:
		if s.bodies == nil {
			s.bodies = map[uint32]Stream{}
		}
		s.handles++
		s.bodies[s.handles] = body
		return abi.AppendU32(append(f, abi.BodyStream), s.handles)
	case len(inline) > 0:
		return append(append(f, abi.BodyInline), inline...)
	}
	return append(f, abi.BodyNone)
}

// readHeaders takes an abi Headers off r, as the bytes they are.
func readHeaders(r *abi.Reader, frame []byte) []byte {
	from := len(frame) - r.Len()
	for n := r.U16(); n > 0 && r.Err() == nil; n-- {
		r.Bytes()
		r.Bytes()
	}
	return append([]byte(nil), frame[from:len(frame)-r.Len()]...)
}

// readBody takes a Body off r.
func (s *scope) readBody(r *abi.Reader) (inline []byte, body Stream) {
	switch r.U8() {
	case abi.BodyInline:
		return append([]byte(nil), r.Rest()...), nil
	case abi.BodyStream:
		return nil, s.stream(r.U32())
	case abi.BodyPass:
		h := r.U32()
		body = s.bodies[h]
		delete(s.bodies, h)
		return nil, body
	}
	return nil, nil
}

// stream is the pipe of an id that the guest gave.
func (s *scope) stream(id uint32) *pipe {
	p := s.streams[id]
	if p == nil {
		if s.streams == nil {
			s.streams = map[uint32]*pipe{}
		}
		p = &pipe{}
		s.streams[id] = p
	}
	return p
}

func (s *scope) readRequest(r *abi.Reader, frame []byte) *Request {
	q := &Request{Method: r.Str(), URL: r.Str(), depth: s.depth}
	q.upgrade = r.U8()&abi.RequestUpgrade != 0
	q.Header = readHeaders(r, frame)
	q.Inline, q.Body = s.readBody(r)
	return q
}

func (s *scope) readResponse(frame []byte) (*Response, error) {
	r := abi.NewReader(frame)
	resp := &Response{Status: int(r.U16())}
	if socket := r.U32(); socket != 0 && s.object != nil {
		k, err := s.object.Sockets.Get(socket)
		if err != nil {
			return nil, err
		}
		resp.Socket = s.object.Side(k)
	}
	resp.Header = readHeaders(&r, frame)
	resp.Inline, resp.Body = s.readBody(&r)
	return resp, r.Err()
}
