package guest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
)

// exchange is a request and its answer.
type exchange struct {
	event   event
	request http.Request
	url     url.URL
	values  [8]string // of headers
	answer  responseWriter
}

// responseWriter answers an EventFetch. Small answers leave whole when the handler returns; Flush, or more than
// maxInline bytes, turns it into a stream with back-pressure.
type responseWriter struct {
	e      *event
	url    url.URL // as it came, whatever the handler makes of r.URL
	header http.Header
	status int
	buf    []byte
	body   [256]byte
	state  writerState
	socket uint32
	conn   *conn // once accepted
	err    error
}

type writerState int

const (
	buffering writerState = iota
	streaming
	upgraded
	accepted
	forwarded
)

var (
	_ http.Flusher     = (*responseWriter)(nil)
	_ driver.Upgrader  = (*responseWriter)(nil)
	_ driver.Forwarder = (*responseWriter)(nil)
)

func (e *event) fetch() (err error) {
	s, x := e.scope, e.exchange
	if x == nil { // an entrypoint's
		x = &exchange{}
	}
	r := &x.request
	if err := e.readRequest(x); err != nil {
		return err
	}
	w := &x.answer
	w.e, w.url, w.header = e, x.url, http.Header{}
	w.buf = w.body[:0]
	returned := false
	in, _ := r.Body.(*incoming) // whatever the handler makes of r.Body
	defer func() {
		if in != nil {
			in.release()
		}
		if w.conn != nil && !returned {
			_ = w.conn.Close(1011, "")
		}
		if w.state != streaming {
			return
		}
		if p := recover(); p != nil { // the head has left: the body breaks off
			s.endStream(e.label.event, panicError(p))
			panic(p)
		}
	}()
	if s.class == nil && s.instance == nil {
		if s.g.program.Fetch == nil {
			return errors.New("Handler does not export a fetch() function.")
		}
		s.g.program.Fetch.ServeHTTP(w, r)
	} else if s.class == nil {
		s.instance.Fetch(w, r)
	} else {
		i, err := s.ensure()
		if err != nil {
			return err
		}
		i.Fetch(w, r)
	}
	returned = true
	w.finish()
	return nil
}

func (w *responseWriter) Header() http.Header { return w.header }

func (w *responseWriter) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("invalid WriteHeader code %d", status))
	}
	if status >= 200 {
		w.status = status
	}
}

func (w *responseWriter) Write(p []byte) (int, error) {
	switch w.state {
	case upgraded, accepted:
		return 0, http.ErrHijacked
	case forwarded:
		return 0, errors.New("objects: the response was forwarded to another object")
	}
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if !bodyAllowed(w.status) {
		return 0, http.ErrBodyNotAllowed
	}
	if w.state == buffering {
		if len(w.buf)+len(p) <= maxInline {
			w.buf = append(w.buf, p...)
			return len(p), nil
		}
		w.stream(p)
	}
	if w.err != nil {
		return 0, w.err
	}
	w.err = w.e.scope.writeStream(w.e, w.e.label.event, p)
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// Flush sends what there is; later writes wait for the client.
func (w *responseWriter) Flush() {
	if w.state == buffering {
		if w.status == 0 {
			w.status = http.StatusOK
		}
		w.stream(w.buf)
	}
}

// stream sends the head and what was buffered; sniff is what the content type is guessed from.
func (w *responseWriter) stream(sniff []byte) {
	w.state = streaming
	if len(w.buf) > 0 {
		sniff = w.buf
	}
	head := w.head(nil, sniff)
	head = abi.AppendU32(append(head, abi.BodyStream), w.e.label.event)
	_, w.err = w.e.scope.do(abi.OpReply, w.e.label.event, head)
	if w.err == nil && len(w.buf) > 0 {
		w.err = w.e.scope.writeStream(w.e, w.e.label.event, w.buf)
	}
	w.buf = nil
}

func (w *responseWriter) head(b, sniff []byte) []byte {
	if len(sniff) > 0 && w.header["Content-Type"] == nil && w.header["Content-Encoding"] == nil {
		w.header["Content-Type"] = []string{detect(sniff)}
	}
	b = abi.AppendU16(b, uint16(w.status))
	b = abi.AppendU32(b, w.socket)
	return appendHeader(b, w.header)
}

func (w *responseWriter) finish() {
	s, ev := w.e.scope, w.e.label.event
	switch w.state {
	case forwarded, accepted:
		s.answer(ev, abi.OpReturn, nil) // the answer has left; this says that the handler has returned
		return
	case streaming:
		s.endStream(ev, w.err)
		return
	case upgraded:
		w.status, w.buf = http.StatusSwitchingProtocols, nil
	}
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if err := s.enter(); err != nil {
		return
	}
	b := w.head(s.g.scratch(), w.buf)
	if len(w.buf) > 0 {
		b = append(append(b, abi.BodyInline), w.buf...)
	} else {
		b = append(b, abi.BodyNone)
	}
	_, _ = s.g.call(s.id, abi.OpReply, ev, b, nil)
	s.g.discard(b)
}

func (w *responseWriter) Upgrade(tags []string, header http.Header) (uint32, error) {
	if w.state != buffering || w.status != 0 {
		return 0, errors.New("objects: AcceptWebSocket after the response was begun")
	}
	if w.e.scope.class == nil {
		return 0, errors.New("objects: only an object accepts hibernatable sockets; forward the request to one")
	}
	b := abi.AppendU16(nil, uint16(len(tags)))
	for _, t := range tags {
		b = abi.AppendStr(b, t)
	}
	a, err := w.e.scope.do(abi.OpSocketAccept, w.e.label.event, b)
	if err != nil {
		return 0, err
	}
	r := abi.NewReader(a)
	w.socket = r.U32()
	w.state = upgraded
	w.header = http.Header{}
	for k, v := range header {
		w.header[k] = v
	}
	return w.socket, r.Err()
}

func (w *responseWriter) Forward(to driver.Stub, r *http.Request) error {
	if w.state != buffering || w.status != 0 {
		return errors.New("objects: Forward after the response was begun")
	}
	t, ok := to.(*stub)
	if !ok {
		return errors.New("objects: Forward to a stub of another runtime")
	}
	in, same := r.Body.(*incoming)
	if r.Body != nil && r.Body != http.NoBody && (!same || in.touched && in.handle != 0) {
		return w.relay(t, r)
	}
	if same {
		in.pass()
	}
	_, err := t.s.await(r.Context(), abi.OpForward, func() []byte {
		b := abi.AppendU32(t.s.g.scratch(), t.handle)
		b = abi.AppendU32(b, w.e.label.event)
		if w.unchanged(r) {
			return b
		}
		return appendRequest(b, r, outgoing{}, 0, 0)
	})
	if err == nil {
		w.state = forwarded
	}
	return err
}

// unchanged tells whether r still says what the event's frame says.
func (w *responseWriter) unchanged(r *http.Request) bool {
	f := abi.NewReader(w.e.frame)
	if r.Method != view(f.Bytes()) || *r.URL != w.url {
		return false
	}
	f.Bytes()
	f.U8()
	n, values := int(f.U16()), 0
	for _, v := range r.Header {
		values += len(v)
	}
	if values != n {
		return false
	}
	var seen map[string]int // of names that come more than once
	for range n {
		name, v := http.CanonicalHeaderKey(view(f.Bytes())), view(f.Bytes())
		have, i := r.Header[name], 0
		if len(have) > 1 {
			if seen == nil {
				seen = map[string]int{}
			}
			i = seen[name]
			seen[name]++
		}
		if i >= len(have) || have[i] != v {
			return false
		}
	}
	return true
}

// relay is Forward for a body that middleware replaced: it goes through Go.
func (w *responseWriter) relay(t *stub, r *http.Request) error {
	resp, err := t.Fetch(r.Context(), r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for k, v := range resp.Header {
		w.header[k] = v
	}
	if resp.ContentLength >= 0 && w.header["Content-Length"] == nil && resp.ContentLength > maxInline {
		w.header.Set("Content-Length", strconv.FormatInt(resp.ContentLength, 10))
	}
	w.WriteHeader(resp.StatusCode)
	_, err = io.Copy(w, resp.Body)
	w.err = err
	return nil
}
