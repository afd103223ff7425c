package ratelimit_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/objects"
	"durago.example/objects/driver"
	"durago.example/objects/ratelimit"
)

// limiter stands for the object: it answers what a test tells it to, and remembers what it was asked.
type limiter struct {
	answer   func(ctx context.Context, q ratelimit.Request) (ratelimit.Decision, error)
	asked    []ratelimit.Request
	released []string
	objects  []string
	instance driver.Instance
}

func (l *limiter) take(ctx context.Context, q ratelimit.Request) (ratelimit.Decision, error) {
	l.asked = append(l.asked, q)
	return l.answer(ctx, q)
}

func (l *limiter) release(_ context.Context, q ratelimit.Request) (ratelimit.Decision, error) {
	l.released = append(l.released, q.Lease)
	return ratelimit.Decision{Allowed: true}, nil
}

func newLimiter(t *testing.T, answer func(ctx context.Context, q ratelimit.Request) (ratelimit.Decision, error)) *limiter {
	l := &limiter{answer: answer}
	c := objects.NewClass("L", func(*objects.State) (*limiter, error) { return l, nil },
		objects.Impl1(ratelimit.Take, (*limiter).take), objects.Impl1(ratelimit.Release, (*limiter).release))
	var err error
	l.instance, err = objects.Program{Classes: []*objects.Class{c}}.Driver().Classes[0].New(nil, driver.ID{})
	require.NoError(t, err)
	return l
}

func (l *limiter) CallRPC(ctx context.Context, method string, args []byte) ([]byte, error) {
	return l.instance.Call(ctx, method, args)
}

// always answers the same.
func always(d ratelimit.Decision) func(context.Context, ratelimit.Request) (ratelimit.Decision, error) {
	return func(context.Context, ratelimit.Request) (ratelimit.Decision, error) { return d, nil }
}

// front is a handler behind the middleware.
type front struct {
	*limiter
	handler http.Handler
	served  int
}

func newFront(t *testing.T, o ratelimit.MiddlewareOptions, answer func(context.Context, ratelimit.Request) (ratelimit.Decision, error)) *front {
	f := &front{limiter: newLimiter(t, answer)}
	if o.Key == nil {
		o.Key = ratelimit.ClientIP()
	}
	o.Caller = func(_ context.Context, object string) objects.Caller {
		f.objects = append(f.objects, object)
		return f.limiter
	}
	o.WaitUntil = func(ctx context.Context, g func(context.Context) error) {
		require.NoError(t, g(context.WithoutCancel(ctx)))
	}
	f.handler = ratelimit.Middleware(o)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.served++
		if r.URL.Path == "/panic" {
			panic("handler")
		}
	}))
	return f
}

func (f *front) do(path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", path, nil)
	r.RemoteAddr = "203.0.113.9:1234"
	f.handler.ServeHTTP(w, r)
	return w
}
