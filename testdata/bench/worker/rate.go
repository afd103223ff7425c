package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"durago.example/objects"
	"durago.example/objects/ratelimit"
	"durago.example/objects/ratelimit/ratelimitserver"
)

// Rate is the ready limiter with a route for each algorithm, a clock that a request may set, and two verbs that prepare
// an object for a measurement.
type Rate struct {
	*ratelimitserver.Server
	storage *objects.Storage
	at      int64 // ?now= of the last decision, in ms since 1970; 0 is the clock's
}

var _ objects.AlarmHandler = (*Rate)(nil)

var rateClass = objects.NewClass("Rate", newRate, objects.Embed(func(r *Rate) *ratelimitserver.Server { return r.Server }, ratelimitserver.Methods()...))

func newRate(state *objects.State) (r *Rate, err error) {
	r = &Rate{storage: state.Storage()}
	r.Server, err = ratelimitserver.New(state, ratelimitserver.Config{MaxTokens: 1_000_000_000, RefillEvery: time.Second, Rules: rateRules(), Now: r.now})
	return r, err
}

func (r *Rate) now() time.Time {
	if r.at != 0 {
		return time.UnixMilli(r.at)
	}
	return time.Now()
}

// rateRules are two of each algorithm: one that denies nothing during a run, and a small one whose answers are verified.
// What is remembered one by one is remembered for 16 ms, so that it does not depend on the rate how much that is.
func rateRules() []ratelimit.Rule {
	rules := []ratelimit.Rule{{
		Name: "hot", Limits: []ratelimit.Limit{{Algorithm: ratelimit.TokenBucket, Quota: 1, PeriodMS: 1000, Burst: 1_000_000_000}},
		Loan: 2_000_000_000, LoanMS: 10_000,
	}}
	for _, l := range []ratelimit.Limit{
		{Algorithm: ratelimit.TokenBucket, Quota: 1, PeriodMS: 1000, Burst: 1_000_000_000},
		{Algorithm: ratelimit.GCRA, Quota: 1_000_000_000, PeriodMS: 1000},
		{Algorithm: ratelimit.FixedWindow, Quota: 1_000_000_000, PeriodMS: 60_000},
		{Algorithm: ratelimit.SlidingWindow, Quota: 1_000_000_000, PeriodMS: 60_000},
		{Algorithm: ratelimit.SlidingLog, Quota: 4096, PeriodMS: 16},
		{Algorithm: ratelimit.Concurrency, Quota: 4096, PeriodMS: 16},
		{Algorithm: ratelimit.Month, Quota: 1_000_000_000_000},
	} {
		small := l
		if small.Quota = 3; small.PeriodMS > 0 {
			small.PeriodMS = 1000
		}
		if small.Burst > 0 {
			small.Burst = 5
		}
		rules = append(rules, ratelimit.Rule{Name: l.Algorithm, Limits: []ratelimit.Limit{l}},
			ratelimit.Rule{Name: "small-" + l.Algorithm, Limits: []ratelimit.Limit{small}})
	}
	return rules
}

// ServeHTTP answers /decide/{object}/{rule}, /fill/{object} and /purge/{object}; the Server has the rest.
func (r *Rate) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	kind, _, _ := strings.Cut(req.URL.Path[1:], "/")
	switch kind {
	case "decide":
		r.decide(w, req)
	case "fill":
		q := req.URL.Query()
		n, err := r.fill(req.Context(), q.Get("from"), q.Get("to"), q.Get("expires"))
		answer(w, http.StatusOK, map[string]int{"filled": n}, err)
	case "purge":
		answer(w, http.StatusOK, map[string]bool{"purging": true}, r.startPurge(req.Context()))
	default:
		r.Server.ServeHTTP(w, req)
	}
}

// decision answers /decide.
type decision struct {
	Allowed   bool  `json:"allowed"`
	Remaining int64 `json:"remaining"`
	RetryInMS int64 `json:"retry_in_ms"`
	ResetInMS int64 `json:"reset_in_ms"`
}

// decide takes ?cost= units of the key k, or of one of so many as ?among= says.
func (r *Rate) decide(w http.ResponseWriter, req *http.Request) {
	rule := req.URL.Path[strings.LastIndexByte(req.URL.Path, '/')+1:]
	key, cost := "k", int64(1)
	if req.URL.RawQuery != "" {
		q := req.URL.Query()
		cost = int64(number(q.Get("cost"), 1))
		if n := int(number(q.Get("among"), 0)); n > 0 {
			key += strconv.Itoa(rand.IntN(n))
		}
		r.at = int64(number(q.Get("now"), 0))
	}
	d, err := r.Take(req.Context(), ratelimit.Request{Descriptors: []ratelimit.Descriptor{{Rule: rule, Key: key}}, Cost: cost})
	if err != nil {
		answer(w, 0, nil, err)
		return
	}
	status := http.StatusOK
	if !d.Allowed {
		status = http.StatusTooManyRequests
	}
	l := &d.Limits[0]
	answer(w, status, decision{d.Allowed, l.Remaining, d.RetryInMS, l.ResetInMS}, nil)
}

// fill makes the keys from k<from> to before k<to> of the rule token_bucket, each used once.
func (r *Rate) fill(ctx context.Context, from, to, expires string) (n int, err error) {
	_, err = r.Take(ctx, ratelimit.Request{Descriptors: []ratelimit.Descriptor{{Rule: ratelimit.TokenBucket, Key: "k"}}, Cost: 1})
	if err != nil {
		return 0, err
	}
	first, last := number(from, 0), number(to, 0)
	_, err = r.storage.SQL().Exec(`WITH RECURSIVE c(n) AS (SELECT ? UNION ALL SELECT n + 1 FROM c WHERE n + 1 < ?)
		INSERT OR IGNORE INTO ratelimit_keys SELECT 'token_bucket/k' || CAST(n AS INTEGER), state, ?
		FROM c, (SELECT state FROM ratelimit_keys WHERE id = 'token_bucket/k')`, first, last, number(expires, 0))
	return int(last - first), err
}

// startPurge has the purge begin now, not in five minutes.
func (r *Rate) startPurge(ctx context.Context) error {
	res, err := r.storage.SQL().Exec(`UPDATE durago_alarms SET at = 0, due = 0`)
	if err != nil {
		return err
	}
	if res.RowsWritten == 0 {
		return fmt.Errorf("nothing was taken from this object, so that it has no purge")
	}
	return r.storage.SetAlarm(ctx, time.Now())
}

// decide answers POST /exact/{key} and /leased/{key}: the front makes ?n= decisions about a key, one after another, and
// tells how many passed. What a is lent it spends by itself.
func decide(a *ratelimit.Allowance) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.URL.Query().Get("n"))
		name := r.PathValue("key")
		limiter := objects.NamespaceOf(r.Context(), "RATE").GetByName(name)
		q := ratelimit.Request{Descriptors: []ratelimit.Descriptor{{Rule: "hot", Key: name}}, Cost: 1}
		passed := 0
		for range n {
			var d ratelimit.Decision
			if d, err = a.Take(r.Context(), limiter, q); err != nil {
				break
			}
			if d.Allowed {
				passed++
			}
		}
		answer(w, http.StatusOK, map[string]int{"passed": passed}, err)
	}
}
