package ratelimitserver_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects/ratelimit"
	"durago.example/objects/ratelimit/ratelimitserver"
)

// TestServer_clock sets the object's clock back and forward.
func TestServer_clock(t *testing.T) {
	start := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	now := start
	c := ratelimitserver.Config{Now: func() time.Time { return now }}
	bubble(c, func(t *testing.T, o *object) {
		require.True(t, o.consume("a", 10))
		now = start.Add(9 * time.Second)
		require.Zero(t, o.status("a").Remaining)
		now = start.Add(-20 * time.Second)
		require.Equal(t, ratelimit.Status{Limit: 10, ResetInMS: 1000}, o.status("a"), "a small step back: time stands still")
		now = start.Add(10 * time.Second)
		require.EqualValues(t, 1, o.status("a").Remaining, "and no progress is lost")

		now = start.Add(-time.Hour)
		require.Equal(t, ratelimit.Status{Limit: 10, ResetInMS: 10000}, o.status("a"), "a large one is believed: the interval starts over")
		require.False(t, o.consume("a", 1))
		now = now.Add(100 * 365 * 24 * time.Hour)
		require.Equal(t, ratelimit.Status{Limit: 10, Remaining: 10}, o.status("a"), "forward it is full")
		require.True(t, o.consume("a", 10))
		now = start
		require.EqualValues(t, 10000, o.status("a").ResetInMS, "and back again, an interval away at most")
	})(t)
}

// TestServer_clock_random has rules of all algorithms at times without sense: no answer is out of bounds, and every row
// can be read again.
func TestServer_clock_random(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	var now time.Time
	all := ratelimit.Rule{Name: "all", Loan: 10, LoanMS: 100, Limits: []ratelimit.Limit{
		{Algorithm: ratelimit.TokenBucket, Quota: 2, PeriodMS: 70, Burst: 9}, {Algorithm: ratelimit.GCRA, Quota: 10, PeriodMS: 1000},
		{Algorithm: ratelimit.FixedWindow, Quota: 10, PeriodMS: 500}, {Algorithm: ratelimit.SlidingLog, Quota: 10, PeriodMS: 500},
		{Algorithm: ratelimit.SlidingWindow, Quota: 10, PeriodMS: 500}, {Algorithm: ratelimit.Month, Quota: 1000}}}
	held := ratelimit.Rule{Name: "held", Limits: []ratelimit.Limit{{Algorithm: ratelimit.Concurrency, Quota: 10, PeriodMS: 500}}}
	bubble(ratelimitserver.Config{Rules: []ratelimit.Rule{all, held}, Now: func() time.Time { return now }}, func(t *testing.T, o *object) {
		times := []int64{0, -1, math.MinInt64 / 1_000_000, 1, 1_700_000_000_000, 1_700_000_000_001, 1_700_000_000_400, 1 << 51, 1 << 52, 1 << 53, math.MaxInt64 / 1_000_000}
		for range 3000 {
			now = time.UnixMilli(times[r.IntN(len(times))] + r.Int64N(1000))
			q := ratelimit.Request{Descriptors: []ratelimit.Descriptor{{Rule: "all", Key: "k"}, {Rule: "held", Key: "k"}}, Cost: r.Int64N(4)}
			q.Loan, q.LockMS = r.Int64N(5), r.Int64N(3)
			m := []method{ratelimit.Take, ratelimit.Take, ratelimit.Take, ratelimit.Peek, ratelimit.Refund, ratelimit.Penalize, ratelimit.Deny, ratelimit.Clear}[r.IntN(8)]
			d := o.call(m, q)
			require.Len(t, d.Limits, 7)
			for _, l := range d.Limits {
				require.True(t, l.Remaining >= 0 && l.Remaining <= l.Quota && l.ResetInMS >= 0, "%+v at %v", l, now)
			}
			require.GreaterOrEqual(t, d.RetryInMS, int64(-1))
		}
	})(t)
}
