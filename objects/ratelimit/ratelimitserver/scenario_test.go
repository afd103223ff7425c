//go:build !js

package ratelimitserver_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/host/hosttest/native"
	"durago.example/objects/ratelimit"
	"durago.example/testdata/guests/limiter/limiter"
)

const guest = "../../../testdata/guests/limiter/wrangler.toml"

// both runs a scenario of the compiled limiter on the host and on workerd. No limit of it comes back within an hour.
func both(t *testing.T, f func(t *testing.T, h *hosttest.Host)) {
	t.Helper()
	t.Parallel()
	hosttest.Each(t, hosttest.Options{Config: guest, RealTime: true, Native: native.Program(limiter.Program()), Bubble: true}, f)
}

// ask calls a method and records what does not depend on the clock.
func ask(t *testing.T, h *hosttest.Host, o *hosttest.Object, name string, m method, q ratelimit.Request) (d ratelimit.Decision) {
	t.Helper()
	var err error
	h.Unrecorded(func() { d, err = m.Call(t.Context(), o, q) })
	left := []int64{}
	for _, l := range d.Limits {
		left = append(left, l.Remaining)
	}
	if err != nil {
		d.Reason = err.Error()
	}
	h.Record("%s %s cost %d: %t %s, left %v, lent %d", name, q.Descriptors[0].Rule, q.Cost, d.Allowed, d.Reason, left, d.Loan)
	return d
}

// TestScenario_rules is the object by RPC: several limits, descriptors, penalties, the deny list, loans, and errors.
func TestScenario_rules(t *testing.T) {
	both(t, func(t *testing.T, h *hosttest.Host) {
		o := h.Object("RATE_LIMITER", "rules")
		exact := of("exact", "k", 2)
		require.True(t, ask(t, h, o, "take", ratelimit.Take, exact).Allowed)
		require.Equal(t, ratelimit.Exceeded, ask(t, h, o, "take", ratelimit.Take, exact).Reason)
		require.NoError(t, o.Evict())
		require.EqualValues(t, 998, ask(t, h, o, "peek", ratelimit.Peek, exact).Limits[1].Remaining)
		require.EqualValues(t, 3, ask(t, h, o, "refund", ratelimit.Refund, exact).Limits[0].Remaining)

		tree := ratelimit.Request{Descriptors: ratelimit.Hierarchy("tenant", "acme", "user", "ann"), Cost: 1}
		require.True(t, ask(t, h, o, "take", ratelimit.Take, tree).Allowed)
		require.True(t, ask(t, h, o, "take", ratelimit.Take, tree).Allowed)
		d := ask(t, h, o, "take", ratelimit.Take, tree)
		require.False(t, d.Allowed)
		require.EqualValues(t, 2, d.Limits[0].Remaining, "nothing was taken from the tenant")

		lock := of("exact", "k", 1)
		lock.LockMS = 3_600_000
		require.Equal(t, ratelimit.Locked, ask(t, h, o, "penalize", ratelimit.Penalize, lock).Reason)
		require.True(t, ask(t, h, o, "clear", ratelimit.Clear, exact).Allowed)
		lock.LockMS = -1
		require.Equal(t, ratelimit.Denied, ask(t, h, o, "deny", ratelimit.Deny, lock).Reason)
		h = h.Restart()
		o = h.Object("RATE_LIMITER", "rules")
		require.Equal(t, ratelimit.Denied, ask(t, h, o, "take", ratelimit.Take, exact).Reason)

		hot := of("hot", "k", 1)
		hot.Loan = 30
		require.EqualValues(t, 20, ask(t, h, o, "take", ratelimit.Take, hot).Loan, "half of what may be out")
		require.Zero(t, ask(t, h, o, "take", ratelimit.Take, hot).Loan)

		job := ask(t, h, o, "take", ratelimit.Take, of("job", "k", 1))
		require.False(t, ask(t, h, o, "take", ratelimit.Take, of("job", "k", 1)).Allowed)
		held := of("job", "k", 0)
		held.Lease = job.Lease
		require.True(t, ask(t, h, o, "renew", ratelimit.Renew, held).Allowed)
		require.True(t, ask(t, h, o, "release", ratelimit.Release, held).Allowed)
		require.True(t, ask(t, h, o, "take", ratelimit.Take, of("job", "k", 1)).Allowed)

		require.Contains(t, ask(t, h, o, "take", ratelimit.Take, of("exact", "", 1)).Reason, "RangeError: a key must be")
		require.Contains(t, ask(t, h, o, "take", ratelimit.Take, of("exact", "k", -1)).Reason, "RangeError: cost must be")
		_, answer := h.Fetch("GET", "/limited/code?rule=none", "")
		require.Equal(t, `UNKNOWN_RULE: RangeError: there is no rule "none": make it with setRule`, answer, "codes cross")
		require.ErrorContains(t, ratelimit.SetRule.Call(t.Context(), o, ratelimit.Rule{Name: "exact", Limits: []ratelimit.Limit{{Algorithm: "leaky"}}}), "there is no algorithm")
		require.NoError(t, ratelimit.SetRule.Call(t.Context(), o, ratelimit.Rule{Name: "user", Key: "acme|ann", Limits: []ratelimit.Limit{
			{Algorithm: ratelimit.SlidingLog, Quota: 3, PeriodMS: 3_600_000}}}))
		require.True(t, ask(t, h, o, "take", ratelimit.Take, tree).Allowed)
	})
}

// TestScenario_middleware is the middleware before handlers of the compiled worker.
func TestScenario_middleware(t *testing.T) {
	both(t, func(t *testing.T, h *hosttest.Host) {
		get := func(path string) (resp *http.Response) {
			h.Unrecorded(func() {
				resp = h.Do("GET", path, "")
				require.NoError(t, resp.Body.Close())
			})
			h.Record("%s → %d %s, policy %s", path, resp.StatusCode, resp.Header.Get("Content-Type"), resp.Header.Get("RateLimit-Policy"))
			return resp
		}
		for range 3 {
			require.Equal(t, 200, get("/limited/exact?user=ann").StatusCode)
		}
		for range 2 { // the second may be answered from memory
			resp := get("/limited/exact?user=ann")
			require.Equal(t, 429, resp.StatusCode)
			require.Equal(t, `"exact";q=3;w=3600, "plan";q=1000`, resp.Header.Get("RateLimit-Policy"))
			require.Regexp(t, `^"exact";r=0;t=(1200|11\d\d), "plan";r=997;t=\d+$`, resp.Header.Get("RateLimit"))
			require.Regexp(t, `^(1200|11\d\d)$`, resp.Header.Get("Retry-After"))
			require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
		}
		require.Equal(t, 200, get("/limited/exact?user=bob").StatusCode)
		require.Equal(t, 200, get("/limited/exact").StatusCode, "by address")
		for range 3 {
			require.Equal(t, 200, get("/limited/hot?user=ann").StatusCode, "from a loan, where the same isolate answers")
		}
		require.Equal(t, 200, get("/limited/open?user=ann").StatusCode, "a binding that is not there")
		require.Equal(t, 503, get("/limited/closed?user=ann").StatusCode)
		require.Equal(t, 200, get("/limited/job?user=ann").StatusCode)
		h.Unrecorded(func() { // the first has released it, or does in a moment
			require.Eventually(t, func() bool {
				resp := h.Do("GET", "/limited/job?user=ann", "")
				return resp.Body.Close() == nil && resp.StatusCode == 200
			}, 10*time.Second, 10*time.Millisecond)
		})
	})
}

// TestScenario_job has one request hold what another wants.
func TestScenario_job(t *testing.T) {
	t.Parallel()
	h := hosttest.Start(t, hosttest.Options{Config: guest})
	first := make(chan int, 1)
	go func() {
		status, _ := h.Fetch("GET", "/limited/job?user=ann", "")
		first <- status
	}()
	o := h.Object("RATE_LIMITER", "user:ann")
	require.Eventually(t, func() bool {
		d, err := ratelimit.Peek.Call(t.Context(), o, of("job", "user:ann", 1))
		return err == nil && !d.Allowed
	}, 10*time.Second, time.Millisecond)
	status, _ := h.Fetch("GET", "/limited/job?user=ann", "")
	require.Equal(t, 429, status)
	h.Advance(time.Second)
	require.Equal(t, 200, <-first)
	h.Settle()
	d, err := ratelimit.Peek.Call(t.Context(), o, of("job", "user:ann", 1))
	require.NoError(t, err)
	require.True(t, d.Allowed)
}

// TestScenario_hot lives on loans: of eleven requests one reaches the object, and so on.
func TestScenario_hot(t *testing.T) {
	t.Parallel()
	h := hosttest.Start(t, hosttest.Options{Config: guest, Isolates: 1})
	o := h.Object("RATE_LIMITER", "user:ann")
	for i := range 22 {
		status, _ := h.Fetch("GET", "/limited/hot?user=ann", "")
		require.Equal(t, 200, status)
		d, err := ratelimit.Peek.Call(t.Context(), o, of("hot", "user:ann", 0))
		require.NoError(t, err)
		require.EqualValues(t, 100-11*(i/11+1), d.Limits[0].Remaining, "request %d", i)
	}
	h.Advance(10 * time.Minute)
	served := 22
	for ; served < 200; served++ {
		if status, _ := h.Fetch("GET", "/limited/hot?user=ann", ""); status == 429 {
			break
		}
	}
	require.Equal(t, 100, served, "no unit was lost, none was spent twice")
}

// TestScenario_time has hours and months pass for the compiled object, and sees it purged.
func TestScenario_time(t *testing.T) {
	t.Parallel()
	h := hosttest.Start(t, hosttest.Options{Config: guest}) // 2026-01-01
	o := h.Object("RATE_LIMITER", "time")
	take := func(rule string, cost int64) bool {
		d, err := ratelimit.Take.Call(t.Context(), o, of(rule, "k", cost))
		require.NoError(t, err)
		return d.Allowed
	}
	require.True(t, take("exact", 3))
	require.True(t, take("user", 2))
	h.Advance(20*time.Minute - time.Millisecond)
	require.False(t, take("exact", 1))
	h.Advance(time.Millisecond)
	require.True(t, take("exact", 1))
	h.Advance(40*time.Minute - time.Millisecond)
	require.False(t, take("user", 1))
	h.Advance(time.Millisecond)
	require.True(t, take("user", 2))
	rows := func() string {
		n, err := o.SQL(`SELECT count(*) FROM ratelimit_keys`)
		require.NoError(t, err)
		return n[0]
	}
	require.Equal(t, "2", rows())
	h.Advance(2 * time.Hour)
	require.Equal(t, "1", rows(), "the month is remembered")
	require.NoError(t, o.Evict())
	require.NoError(t, o.Evict())
	u, err := ratelimit.GetUsage.Call(t.Context(), o, ratelimit.UsageQuery{Rule: "exact"})
	require.NoError(t, err)
	require.Equal(t, []ratelimit.Usage{{Key: "k", Name: "plan", Quota: 1000, Month: "2026-01", Used: 4}}, u.Usage)
}
