package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"durago.example/host/bridge"
	"durago.example/host/durable"
	"durago.example/host/ws"
	"durago.example/wasm/abi"
)

// next spreads requests over the isolates.
type next struct{ n atomic.Uint32 }

// of takes the loops in turn, those that are busy after those that are not, and one that is held up last: a request to the
// worker's own handler may go to any.
func (x *next) of(guests []*bridge.Guests) *bridge.Guests {
	first := int(x.n.Add(1) % uint32(len(guests)))
	best, least := guests[first], guests[first].Busy()
	for i := 1; i < len(guests) && least > 0; i++ {
		g := guests[(first+i)%len(guests)]
		if b := g.Busy(); b < least {
			best, least = g, b
		}
	}
	return best
}

// maxInline is how much of a request's body is read before the guest sees the request.
const maxInline = 16 << 10

// Handler serves the worker's own fetch handler. In any server a client may keep it waiting for Options.BodyTimeout at a time,
// with the body of a request and with that of a response; what comes before and after is the server's to limit: see NewServer. A
// request that is cancelled before it is answered ends with 503, for who is there still.
func (h *Host) Handler() http.Handler { return http.HandlerFunc(h.serve) }

type answer struct {
	resp *bridge.Response
	err  error
}

// send delivers a request and calls done once; cancel says that nobody waits for the answer any more.
type send func(q *bridge.Request, done func(*bridge.Response, error)) (cancel func(), err error)

func (h *Host) serve(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	if status := refused(r); status != 0 {
		h.patience(w)
		w.Header().Set("Connection", "close")
		http.Error(w, http.StatusText(status), status)
		return
	}
	if strings.HasPrefix(path, observePrefix) && h.observe(w, r, path) {
		return
	}
	if h.assets != nil && h.assets.Takes(r) {
		h.patience(w)
		h.assets.ServeHTTP(w, r)
		return
	}
	routes := h.code.Load().routes
	for i := range routes {
		if name, ok := routes[i].Match(r.Method, path); ok {
			h.serveRoute(w, r, routes[i].binding, name)
			return
		}
	}
	h.serveVia(w, r, h.nextGuests().Front)
}

// refused is the status of a request that is no worker's: it asks for no path, or for another protocol. 0 is one that is.
func refused(r *http.Request) int {
	switch {
	case r.ProtoMajor == 2 && r.Method == "PRI": // what HTTP/2 begins with, where it is not spoken
		return http.StatusHTTPVersionNotSupported
	case r.Method == http.MethodConnect:
		return http.StatusMethodNotAllowed
	case r.URL.Scheme != "" && r.URL.Scheme != "http" && r.URL.Scheme != "https", !strings.HasPrefix(r.URL.Path, "/") && r.URL.Host == "":
		return http.StatusBadRequest
	}
	return 0
}

// serveRoute serves an object that a route names.
func (h *Host) serveRoute(w http.ResponseWriter, r *http.Request, binding, name string) {
	ns, err := h.namespaceOf(binding)
	if err != nil { // of another worker, which does not run
		h.log(Line{Level: abi.LogError, Class: "front", Event: "fetch", Text: err.Error()})
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	h.serveObject(w, r, ns, name)
}

// ObjectHandler serves one object's own fetch handler, past the worker's: for tests and operators, not for strangers.
func (h *Host) ObjectHandler(binding, name string) (http.Handler, error) {
	ns, err := h.namespaceOf(binding)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.serveObject(w, r, ns, name) }), nil
}

func (h *Host) serveObject(w http.ResponseWriter, r *http.Request, ns *durable.Namespace, name string) {
	id := ns.IDFromName(name)
	h.serveVia(w, r, func(q *bridge.Request, done func(*bridge.Response, error)) (func(), error) {
		e := &durable.Event{Payload: q, Size: q.Size(), Done: func(v any, err error) {
			resp, _ := v.(*bridge.Response)
			done(resp, err)
		}}
		return func() { _ = ns.On(id, e.Cancel) }, ns.Visit(id, &name, func(o *durable.Object) { o.Deliver(e) })
	})
}

func (h *Host) serveVia(w http.ResponseWriter, r *http.Request, send send) {
	body := &countedBody{ReadCloser: http.NoBody, c: http.NewResponseController(w), timeout: h.o.BodyTimeout}
	q, err := h.request(w, r, body)
	if err != nil {
		h.patience(w)
		if body.over.Load() {
			h.refuseBody(w)
			return
		}
		if body.late.Load() {
			refuseLate(w)
			return
		}
		w.Header().Set("Connection", "close")
		http.Error(w, "the request's body could not be read", http.StatusBadRequest)
		return
	}
	if q.Body != nil {
		defer func() {
			bridge.Stop(q.Body, body.stop)
			h.patience(w) // the end of the answer is still to be written
		}()
	}
	answered := make(chan answer, 1)
	var left atomic.Bool
	discard := func() {
		select {
		case a := <-answered:
			if a.resp != nil {
				a.resp.Drop()
			}
		default:
		}
	}
	cancel, err := send(q, func(resp *bridge.Response, err error) {
		answered <- answer{resp, err}
		if left.Load() {
			discard()
		}
	})
	if err != nil {
		h.patience(w)
		http.Error(w, "the worker is shutting down", http.StatusServiceUnavailable)
		return
	}
	select {
	case a := <-answered:
		h.patience(w)
		if body.over.Load() { // whatever the guest makes of half a body
			cancel()
			h.refuseBody(w)
			return
		}
		if body.late.Load() {
			cancel()
			refuseLate(w)
			return
		}
		h.write(w, r, body, a, cancel)
		if !body.ended.Load() { // the answer does not wait for the rest of it
			_ = body.c.Flush()
		}
	case <-r.Context().Done(): // the client has gone, or its body is late, or who serves has had enough
		left.Store(true)
		cancel()
		discard()
		if q.Body != nil {
			bridge.Stop(q.Body, body.stop)
		}
		h.patience(w)
		if body.late.Load() {
			refuseLate(w)
			return
		}
		w.Header().Set("Connection", "close") // the server may think that the client of all later requests has gone, too
		http.Error(w, "the request was cancelled before it was answered", http.StatusServiceUnavailable)
	}
}

// request makes the guest's view of r. A small body goes along; a larger one is read when the guest asks.
func (h *Host) request(w http.ResponseWriter, r *http.Request, body *countedBody) (*bridge.Request, error) {
	header := r.Header
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		ip = r.RemoteAddr
	}
	header.Set("Cf-Connecting-Ip", ip)
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	target := r.URL.RequestURI()
	if strings.HasPrefix(target, "/") {
		target = scheme + r.Host + target
	}
	q := &bridge.Request{Method: r.Method, URL: target, Header: bridge.AppendHeader(make([]byte, 0, 256), header)}
	if r.Body == nil || r.ContentLength == 0 {
		body.ended.Store(true)
		return q, nil
	}
	body.ReadCloser = http.MaxBytesReader(w, r.Body, h.o.MaxBody)
	if r.ContentLength > 0 && r.ContentLength <= maxInline {
		body.due = time.Now().Add(h.o.BodyTimeout)
		q.Inline, err = io.ReadAll(body)
		return q, err
	}
	if r.ContentLength > h.o.MaxBody {
		body.over.Store(true)
		return nil, &http.MaxBytesError{Limit: h.o.MaxBody}
	}
	_ = http.NewResponseController(w).EnableFullDuplex() // the guest may answer while it reads; HTTP/2 always may
	q.Body = bridge.NewStream(body)
	return q, nil
}

// countedBody is the body of a request. It remembers how far it has been read, and waits only so long for more of it.
type countedBody struct {
	io.ReadCloser
	c       *http.ResponseController
	timeout time.Duration
	due     time.Time // when all of it must be there; zero if each read may take timeout
	over    atomic.Bool
	ended   atomic.Bool // all of it has been read
	late    atomic.Bool // it did not come in time

	mu      sync.Mutex
	stopped bool // nothing more may be read
}

// stop has a read that is under way fail, unless that has come to the end: then the server reads on by itself, to learn when the
// client goes, and a deadline would tell it that it has.
func (b *countedBody) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped = true; !b.ended.Load() {
		_ = b.c.SetReadDeadline(time.Now())
	}
}

func (b *countedBody) Read(p []byte) (int, error) {
	due := b.due
	if due.IsZero() {
		due = time.Now().Add(b.timeout)
	}
	b.mu.Lock()
	if !b.stopped {
		_ = b.c.SetReadDeadline(due)
	}
	b.mu.Unlock()
	n, err := b.ReadCloser.Read(p)
	if err == nil || err == io.EOF { // else nothing more is read of this connection, also by the server
		_ = b.c.SetReadDeadline(time.Time{})
	}
	var large *http.MaxBytesError
	switch {
	case err == io.EOF:
		b.ended.Store(true)
	case errors.Is(err, os.ErrDeadlineExceeded): // or it was stopped
		b.late.Store(true)
	case errors.As(err, &large):
		b.over.Store(true)
	}
	return n, err
}

// linger is how long the rest of a body is waited for that nobody wants, so that the client reads the answer before its
// connection breaks.
const linger = time.Second

func (b *countedBody) Close() error {
	b.mu.Lock()
	if !b.stopped && !b.ended.Load() {
		_ = b.c.SetReadDeadline(time.Now().Add(min(linger, b.timeout)))
	}
	b.mu.Unlock()
	return b.ReadCloser.Close()
}

// patience says how long the client may take to accept what is written next.
func (h *Host) patience(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(h.o.BodyTimeout))
}

func (h *Host) refuseBody(w http.ResponseWriter) {
	w.Header().Set("Connection", "close")
	http.Error(w, fmt.Sprintf("the request's body is larger than %d bytes", h.o.MaxBody), http.StatusRequestEntityTooLarge)
}

func refuseLate(w http.ResponseWriter) {
	w.Header().Set("Connection", "close")
	http.Error(w, "the request's body did not come in time", http.StatusRequestTimeout)
}

func (h *Host) write(w http.ResponseWriter, r *http.Request, body *countedBody, a answer, cancel func()) {
	if !body.ended.Load() { // and may never end, or not where it says: what follows it is no request
		w.Header().Set("Connection", "close")
	}
	if a.err != nil {
		h.log(Line{Level: abi.LogError, Class: "front", Event: "fetch", Trace: TraceID(r.Header), Text: "uncaught: " + a.err.Error()})
		status := http.StatusInternalServerError
		var e *durable.Error
		if errors.As(a.err, &e) && e.Overloaded {
			status = http.StatusServiceUnavailable
		}
		http.Error(w, http.StatusText(status), status)
		return
	}
	if a.resp.Socket != nil {
		h.upgrade(w, r, a.resp.Socket, bridge.Header(a.resp.Header))
		return
	}
	bridge.SetHeader(w.Header(), a.resp.Header, "Connection") // that is the server's
	w.WriteHeader(a.resp.Status)
	if a.resp.Body == nil {
		_, _ = w.Write(a.resp.Inline)
		return
	}
	defer context.AfterFunc(r.Context(), func() { // also while there is nothing to write
		a.resp.Body.Cancel()
		cancel()
	})()
	stream := bridge.NewReader(a.resp.Body)
	buf := make([]byte, 64<<10)
	for {
		n, err := stream.Read(buf)
		if n > 0 {
			h.patience(w)
			if _, werr := w.Write(buf[:n]); werr != nil {
				a.resp.Body.Cancel()
				cancel()
				return
			}
			_ = http.NewResponseController(w).Flush()
		}
		if err == io.EOF {
			return
		}
		if err != nil { // the head has left: break the connection off
			panic(http.ErrAbortHandler)
		}
	}
}

// upgrade gives the client's connection to the program's socket. It is served when the handler has returned: what a request
// took, its buffers and the stack of its goroutine, is free then.
func (h *Host) upgrade(w http.ResponseWriter, r *http.Request, socket durable.Side, header http.Header) {
	if r.ContentLength != 0 { // the client's first frames would be looked for in it
		socket.Refuse()
		w.Header().Set("Connection", "close")
		http.Error(w, "a WebSocket's request has no body", http.StatusBadRequest)
		return
	}
	h.sockets.enter() // while the server still counts the request
	c, err := ws.Upgrade(w, r, header)
	if err != nil { // gorilla has answered
		h.sockets.leave(nil)
		socket.Refuse()
		return
	}
	c.Within(h.sockets.budget, &h.sockets.writers)
	h.sockets.add(c)
	go func() {
		defer h.sockets.leave(c)
		c.Join(socket)
	}()
}
