package ratelimit_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects"
	"durago.example/objects/ratelimit"
)

var (
	status  = []ratelimit.LimitStatus{{Rule: "api", Key: "k", Name: "api", Quota: 10, WindowMS: 60_000, Remaining: 3, ResetInMS: 1500}}
	allowed = ratelimit.Decision{Allowed: true, Limits: status}
	refused = ratelimit.Decision{Reason: ratelimit.Exceeded, RetryInMS: 4200, Limits: []ratelimit.LimitStatus{
		{Rule: "api", Key: "k", Name: "api", Quota: 10, WindowMS: 60_000, ResetInMS: 4200, Exceeded: true},
		{Rule: "api", Key: "k", Name: "trial", Quota: 10, WindowMS: 60_000, ResetInMS: 4200, Exceeded: true, Shadow: true},
		{Rule: "api", Key: "k", Name: "daily", Quota: 1000, WindowMS: 86_400_000, Remaining: 17, ResetInMS: 86_000_000},
	}}
)

func TestMiddleware_allowed(t *testing.T) {
	f := newFront(t, ratelimit.MiddlewareOptions{Rule: "api", Cost: func(*http.Request) int64 { return 4 }}, always(allowed))
	w := f.do("/")
	require.Equal(t, 200, w.Code)
	require.Equal(t, `"api";q=10;w=60`, w.Header().Get("RateLimit-Policy"))
	require.Equal(t, `"api";r=3;t=2`, w.Header().Get("RateLimit"))
	require.Equal(t, 1, f.served)
	require.Equal(t, []ratelimit.Request{{Descriptors: []ratelimit.Descriptor{{Rule: "api", Key: "ip:203.0.113.9"}}, Cost: 4}}, f.asked)
	require.Equal(t, []string{"ip:203.0.113.9"}, f.objects)
}

func TestMiddleware_refused(t *testing.T) {
	f := newFront(t, ratelimit.MiddlewareOptions{Blocked: -1, Partition: func(key string) []byte { return []byte(key) }}, always(refused))
	w := f.do("/")
	require.Equal(t, 429, w.Code)
	require.Zero(t, f.served)
	require.Equal(t, "5", w.Header().Get("Retry-After"), "not before the end of t")
	require.Equal(t, `"api";q=10;w=60;pk=:aw==:, "daily";q=1000;w=86400;pk=:aw==:`, w.Header().Get("RateLimit-Policy"))
	require.Equal(t, `"api";r=0;t=5;pk=:aw==:, "daily";r=17;t=86000;pk=:aw==:`, w.Header().Get("RateLimit"))
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	require.JSONEq(t, `{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","status":429,
		"title":"Request cannot be satisfied as assigned quota has been exceeded","violated-policies":["api"]}`, w.Body.String())
	f.do("/")
	require.Len(t, f.asked, 2, "nothing is remembered")

	for _, row := range []struct {
		d           ratelimit.Decision
		status      int
		kind, retry string
	}{
		{ratelimit.Decision{Reason: ratelimit.Denied, RetryInMS: -1}, 403, "about:blank", ""},
		{ratelimit.Decision{Reason: ratelimit.Locked, RetryInMS: 1}, 429, "https://iana.org/assignments/http-problem-types#abnormal-usage-detected", "1"},
		{ratelimit.Decision{Reason: ratelimit.Exceeded, RetryInMS: -1}, 429, "https://iana.org/assignments/http-problem-types#quota-exceeded", ""},
	} {
		w := newFront(t, ratelimit.MiddlewareOptions{}, always(row.d)).do("/")
		require.Equal(t, row.status, w.Code)
		require.Contains(t, w.Body.String(), `{"type":"`+row.kind+`",`)
		require.Equal(t, row.retry, w.Header().Get("Retry-After"))
	}
}

// TestMiddleware_blocked answers what is blocked anyway without the object, until it need not be.
func TestMiddleware_blocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cost := int64(2)
		f := newFront(t, ratelimit.MiddlewareOptions{Cost: func(*http.Request) int64 { return cost }}, always(refused))
		require.Equal(t, "5", f.do("/").Header().Get("Retry-After"))
		time.Sleep(2 * time.Second)
		w := f.do("/")
		require.Equal(t, 429, w.Code)
		require.Equal(t, "3", w.Header().Get("Retry-After"))
		require.Contains(t, w.Header().Get("RateLimit"), `"api";r=0;t=3`)
		require.Len(t, f.asked, 1)
		cost = 1
		f.do("/")
		require.Len(t, f.asked, 2, "a lower cost may pass")
		time.Sleep(4200 * time.Millisecond)
		f.do("/")
		require.Len(t, f.asked, 3)

		f.answer = always(ratelimit.Decision{Reason: ratelimit.Denied, RetryInMS: -1})
		time.Sleep(time.Minute)
		for range 3 {
			require.Equal(t, 403, f.do("/").Code)
		}
		require.Len(t, f.asked, 4)
		time.Sleep(10 * time.Second)
		f.do("/")
		require.Len(t, f.asked, 5, "it is asked again after ten seconds")
	})
}

func TestMiddleware_blocked_bound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t, ratelimit.MiddlewareOptions{Blocked: 2, Key: func(r *http.Request) (string, bool) { return r.URL.Path, true }}, always(refused))
		for _, path := range []string{"/a", "/b", "/c", "/a", "/b", "/c"} {
			f.do(path)
		}
		require.Len(t, f.asked, 4, "two are remembered, the third is asked for each time")
		time.Sleep(5 * time.Second)
		f.do("/c")
		f.do("/c")
		require.Len(t, f.asked, 5, "those that are over make room")
	})
}

func TestMiddleware_failure(t *testing.T) {
	for _, row := range []struct {
		name   string
		closed bool
		err    error // nil: no answer at all
		status int
	}{
		{"no answer", false, nil, 200},
		{"no answer, closed", true, nil, 503},
		{"an error", false, errors.New("overloaded"), 200},
		{"an error, closed", true, errors.New("overloaded"), 503},
		{"full", false, &objects.Error{Name: "RangeError", Props: map[string]any{"code": ratelimit.Full}}, 200},
		{"full, closed", true, &objects.Error{Name: "RangeError", Props: map[string]any{"code": ratelimit.Full}}, 503},
		{"a rule that is not there", false, &objects.Error{Name: "RangeError", Props: map[string]any{"code": ratelimit.UnknownRule}}, 500},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told error
				o := ratelimit.MiddlewareOptions{FailClosed: row.closed, Timeout: 3 * time.Second,
					Report: func(_ *http.Request, _ ratelimit.Decision, err error) { told = err }}
				f := newFront(t, o, func(ctx context.Context, _ ratelimit.Request) (d ratelimit.Decision, err error) {
					if row.err != nil {
						return d, row.err
					}
					<-ctx.Done()
					return d, ctx.Err()
				})
				start := time.Now()
				w := f.do("/")
				require.Equal(t, row.status, w.Code)
				require.Error(t, told)
				require.Empty(t, w.Header().Get("RateLimit"))
				if row.err == nil {
					require.Equal(t, 3*time.Second, time.Since(start))
				}
				if row.status == 503 {
					require.Equal(t, "1", w.Header().Get("Retry-After"))
					require.Contains(t, w.Body.String(), "#temporary-reduced-capacity")
				}
			})
		})
	}
}

// TestMiddleware_lease gives back what a request held, however it ends.
func TestMiddleware_lease(t *testing.T) {
	d := allowed
	d.Lease = "abc"
	f := newFront(t, ratelimit.MiddlewareOptions{}, always(d))
	f.do("/")
	require.Equal(t, []string{"abc"}, f.released)
	require.Panics(t, func() { f.do("/panic") })
	require.Equal(t, []string{"abc", "abc"}, f.released)

	f.answer = always(ratelimit.Decision{Reason: ratelimit.Exceeded, RetryInMS: 30_000, Limits: []ratelimit.LimitStatus{
		{Name: "jobs", Unit: "concurrent-requests", Quota: 2, Exceeded: true}}})
	w := f.do("/")
	require.Equal(t, `"jobs";q=2;qu="concurrent-requests"`, w.Header().Get("RateLimit-Policy"))
	f.do("/")
	require.Len(t, f.asked, 4, "what is held may be released: the refusal is not remembered")
}

func TestMiddleware_keys(t *testing.T) {
	long := strings.Repeat("k", 257)
	for path, want := range map[string]string{"/": "-", "/short": "/short", "/" + long: "sha256:", "/%ff": "sha256:"} {
		f := newFront(t, ratelimit.MiddlewareOptions{Key: func(r *http.Request) (string, bool) { return r.URL.Path, r.URL.Path != "/" }}, always(allowed))
		f.do(path)
		require.True(t, strings.HasPrefix(f.asked[0].Descriptors[0].Key, want), path)
		require.LessOrEqual(t, len(f.asked[0].Descriptors[0].Key), 256)
	}
	f := newFront(t, ratelimit.MiddlewareOptions{Descriptors: func(r *http.Request) []ratelimit.Descriptor {
		if r.URL.Path == "/free" {
			return nil
		}
		return ratelimit.Hierarchy("tenant", "acme", "route", r.URL.Path)
	}}, always(allowed))
	require.Equal(t, 200, f.do("/free").Code)
	require.Empty(t, f.asked)
	f.do("/paid")
	require.Equal(t, []ratelimit.Descriptor{{Rule: "tenant", Key: "acme"}, {Rule: "route", Key: "acme|/paid"}}, f.asked[0].Descriptors)
	require.Equal(t, []string{"acme"}, f.objects)
	require.Panics(t, func() { ratelimit.Middleware(ratelimit.MiddlewareOptions{}) })
}
