package limiter

import (
	"fmt"
	"net/http"
	"time"

	"durago.example/objects"
	"durago.example/objects/ratelimit"
	"durago.example/objects/ratelimit/ratelimitserver"
)

// config has a rule for each of the handlers below, and some for tests that call the object.
func config(*objects.State) (ratelimitserver.Config, error) {
	const hour = 3_600_000
	one := func(name string, l ratelimit.Limit) ratelimit.Rule {
		return ratelimit.Rule{Name: name, Limits: []ratelimit.Limit{l}}
	}
	hot := one("hot", ratelimit.Limit{Algorithm: ratelimit.TokenBucket, Quota: 100, PeriodMS: hour})
	hot.Loan, hot.LoanMS = 40, 600_000
	return ratelimitserver.Config{Rules: []ratelimit.Rule{
		{Name: "exact", Limits: []ratelimit.Limit{
			{Algorithm: ratelimit.GCRA, Quota: 3, PeriodMS: hour},
			{Algorithm: ratelimit.Month, Quota: 1000, Name: "plan"},
		}},
		hot,
		one("job", ratelimit.Limit{Algorithm: ratelimit.Concurrency, Quota: 1, PeriodMS: 60_000}),
		one("tenant", ratelimit.Limit{Algorithm: ratelimit.SlidingWindow, Quota: 4, PeriodMS: hour}),
		one("user", ratelimit.Limit{Algorithm: ratelimit.SlidingLog, Quota: 2, PeriodMS: hour}),
	}}, nil
}

// limited are handlers behind the middleware, a rule each. A user is whom the query names.
func limited() http.Handler {
	key := ratelimit.FirstOf(ratelimit.User(func(r *http.Request) string { return r.URL.Query().Get("user") }), ratelimit.ClientIP())
	mux := http.NewServeMux()
	handle := func(path string, o ratelimit.MiddlewareOptions, f http.HandlerFunc) {
		mux.Handle(path, ratelimit.Middleware(o)(f))
	}
	ok := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }
	handle("/limited/exact", ratelimit.MiddlewareOptions{Rule: "exact", Key: key}, ok)
	handle("/limited/hot", ratelimit.MiddlewareOptions{Rule: "hot", Key: key, Loan: 10}, ok)
	handle("/limited/job", ratelimit.MiddlewareOptions{Rule: "job", Key: key}, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Second)
		ok(w, r)
	})
	handle("/limited/closed", ratelimit.MiddlewareOptions{Rule: "exact", Key: key, Binding: "NOWHERE", FailClosed: true}, ok)
	handle("/limited/open", ratelimit.MiddlewareOptions{Rule: "exact", Key: key, Binding: "NOWHERE"}, ok)
	mux.HandleFunc("/limited/code", func(w http.ResponseWriter, r *http.Request) {
		q := ratelimit.Request{Descriptors: []ratelimit.Descriptor{{Rule: r.URL.Query().Get("rule"), Key: "k"}}}
		_, err := ratelimit.Take.Call(r.Context(), objects.NamespaceOf(r.Context(), "RATE_LIMITER").GetByName("code"), q)
		fmt.Fprintf(w, "%s: %v", ratelimit.Code(err), err)
	})
	return mux
}
