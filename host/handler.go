package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"durago.example/host/bridge"
	"durago.example/host/durable"
	"durago.example/host/ws"
	"durago.example/wasm/abi"
)

// next spreads requests over the isolates.
type next struct{ n atomic.Uint32 }

// maxInline is how much of a request's body is read before the guest sees the request.
const maxInline = 16 << 10

// Handler serves the worker's own fetch handler.
func (h *Host) Handler() http.Handler { return http.HandlerFunc(h.serve) }

type answer struct {
	resp *bridge.Response
	err  error
}

// send delivers a request and calls done once; cancel says that nobody waits for the answer any more.
type send func(q *bridge.Request, done func(*bridge.Response, error)) (cancel func(), err error)

func (h *Host) serve(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	if strings.HasPrefix(path, observePrefix) && h.observe(w, r, path) {
		return
	}
	routes := h.code.Load().routes
	for i := range routes {
		if name, ok := routes[i].Match(r.Method, path); ok {
			h.serveRoute(w, r, routes[i].binding, name)
			return
		}
	}
	g := h.nextGuests()
	h.serveVia(w, r, g.Front)
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
	body := &countedBody{}
	q, err := h.request(w, r, body)
	if err != nil {
		if body.over.Load() {
			h.refuseBody(w)
			return
		}
		http.Error(w, "the request's body could not be read", http.StatusBadRequest)
		return
	}
	if q.Body != nil {
		defer bridge.Stop(q.Body, func() {
			w.Header().Set("Connection", "close")
			_ = http.NewResponseController(w).SetReadDeadline(time.Now())
		})
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
		http.Error(w, "the worker is shutting down", http.StatusServiceUnavailable)
		return
	}
	select {
	case a := <-answered:
		if body.over.Load() { // whatever the guest makes of half a body
			cancel()
			h.refuseBody(w)
			return
		}
		h.write(w, r, a, cancel)
	case <-r.Context().Done():
		left.Store(true)
		cancel()
		discard()
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
		return q, nil
	}
	body.ReadCloser = http.MaxBytesReader(w, r.Body, h.o.MaxBody)
	if r.ContentLength > 0 && r.ContentLength <= maxInline {
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

// countedBody is the body of a request, and remembers that it was longer than it may be.
type countedBody struct {
	io.ReadCloser
	over atomic.Bool
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		b.over.Store(true)
	}
	return n, err
}

func (h *Host) refuseBody(w http.ResponseWriter) {
	w.Header().Set("Connection", "close")
	http.Error(w, fmt.Sprintf("the request's body is larger than %d bytes", h.o.MaxBody), http.StatusRequestEntityTooLarge)
}

func (h *Host) write(w http.ResponseWriter, r *http.Request, a answer, cancel func()) {
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
	header := bridge.Header(a.resp.Header)
	if a.resp.Socket != nil {
		upgrade(w, r, a.resp.Socket, header)
		return
	}
	own := w.Header()
	for k, v := range header {
		own[k] = v
	}
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

// upgrade gives the client's connection to the program's socket and serves it until it ends.
func upgrade(w http.ResponseWriter, r *http.Request, socket durable.Side, header http.Header) {
	c, err := ws.Upgrade(w, r, header)
	if err != nil { // gorilla has answered
		socket.Refuse()
		return
	}
	c.Join(socket)
}
