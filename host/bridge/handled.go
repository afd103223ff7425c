package bridge

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"

	"durago.example/host/durable"
)

// handle has a handler of this process answer what a service binding is sent.
func (t *serviceStub) handle(s *scope, payload any, done func(any, error)) sent {
	q, ok := payload.(*Request)
	if !ok {
		done(nil, typeError(fmt.Sprintf("The RPC receiver does not implement the method %q.", payload.(Call).Method)))
		return sent{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.output(func(err error) {
		if err != nil {
			cancel()
			done(nil, err)
			return
		}
		go func() {
			resp, err := answerOf(ctx, cancel, t.Handler, q)
			if s.b.Do(func() { done(resp, err) }) != nil && resp != nil {
				resp.Drop()
			}
		}()
	})
	return sent{end: cancel}
}

// answerOf is what a handler answers. The response comes with its head; the handler goes on as its body is read.
func answerOf(ctx context.Context, cancel context.CancelFunc, h http.Handler, q *Request) (*Response, error) {
	r, err := q.http(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	r.RequestURI = r.URL.RequestURI()
	read, write := io.Pipe()
	w := &pipedResponse{header: http.Header{}, body: write, ready: make(chan struct{})}
	go func() {
		defer cancel()
		defer func() {
			if p := recover(); p != nil {
				w.fail(&durable.Error{Name: "Error", Message: fmt.Sprint("the service's handler panicked: ", p)})
			}
		}()
		h.ServeHTTP(w, r)
		w.WriteHeader(http.StatusOK)
		_ = write.Close()
	}()
	<-w.ready
	if w.err != nil {
		return nil, w.err
	}
	return &Response{Status: w.status, Header: AppendHeader(nil, w.sent), Body: &reader{r: read, gone: func() { _ = read.Close() }}}, nil
}

// pipedResponse is a response that is read while it is written.
type pipedResponse struct {
	header, sent http.Header
	status       int
	err          error
	body         *io.PipeWriter
	ready        chan struct{}
	once         sync.Once
}

func (w *pipedResponse) Header() http.Header { return w.header }

func (w *pipedResponse) WriteHeader(status int) {
	if status < 200 {
		return
	}
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.ready)
	})
}

func (w *pipedResponse) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

func (w *pipedResponse) fail(err error) {
	_ = w.body.CloseWithError(err)
	w.once.Do(func() {
		w.err = err
		close(w.ready)
	})
}
