package main

import (
	"net/http"
	"strconv"
	"time"

	"durago.example/objects"
	"durago.example/objects/ratelimit"
	"durago.example/objects/ratelimit/ratelimitserver"
)

// rateClass is the ready limiter, with buckets that deny nothing during a run.
var rateClass = ratelimitserver.Class("Rate", func(*objects.State) (ratelimitserver.Config, error) {
	return ratelimitserver.Config{MaxTokens: 1_000_000_000, RefillEvery: time.Second, Rules: []ratelimit.Rule{{
		Name: "hot", Limits: []ratelimit.Limit{{Algorithm: ratelimit.TokenBucket, Quota: 1, PeriodMS: 1000, Burst: 1_000_000_000}},
		Loan: 2_000_000_000, LoanMS: 10_000,
	}}}, nil
})

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
