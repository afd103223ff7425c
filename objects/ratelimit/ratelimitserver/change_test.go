package ratelimitserver_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects/ratelimit"
)

func TestServer_Refund(t *testing.T) {
	bubble(limited(api), func(t *testing.T, o *object) {
		require.True(t, o.take("api", "ann", 2))
		d := o.call(ratelimit.Refund, of("api", "ann", 1))
		require.EqualValues(t, 1, d.Limits[0].Remaining)
		o.call(ratelimit.Refund, of("api", "ann", 1e12))
		require.Equal(t, []int64{2, 3}, o.remaining("api", "ann"), "never more than the quota")
	})(t)
}

func TestServer_Penalize(t *testing.T) {
	bubble(limited(api), func(t *testing.T, o *object) {
		q := of("api", "ann", 100)
		q.LockMS = 5000
		d := o.call(ratelimit.Penalize, q)
		require.Equal(t, ratelimit.Locked, d.Reason)
		require.EqualValues(t, 5000, d.RetryInMS)
		require.Equal(t, []int64{0, 0}, o.remaining("api", "ann"), "as much as there was")
		q.LockMS, q.Cost = 1, 0
		require.EqualValues(t, 5000, o.call(ratelimit.Penalize, q).RetryInMS, "a shorter one does not shorten it")
		require.NoError(t, o.evict())
		o.advance(4999 * time.Millisecond)
		require.Equal(t, ratelimit.Locked, o.call(ratelimit.Take, of("api", "ann", 0)).Reason)
		o.advance(time.Millisecond)
		require.Equal(t, ratelimit.Exceeded, o.call(ratelimit.Take, of("api", "ann", 1)).Reason)
		q.LockMS = 5000
		o.call(ratelimit.Penalize, q)
		require.True(t, o.call(ratelimit.Clear, of("api", "ann", 0)).Allowed)
		require.True(t, o.take("api", "ann", 2))
		for _, ms := range []int64{-1, 1e12 + 1} {
			q.LockMS = ms
			_, err := ratelimit.Penalize.Call(t.Context(), o, q)
			require.Equal(t, ratelimit.InvalidRequest, ratelimit.Code(err))
		}
	})(t)
}

func TestServer_Deny(t *testing.T) {
	bubble(limited(api), func(t *testing.T, o *object) {
		q := of("api", "ann", 0)
		q.LockMS = -1
		d := o.call(ratelimit.Deny, q)
		require.Equal(t, ratelimit.Denied, d.Reason)
		require.EqualValues(t, -1, d.RetryInMS)
		o.advance(1000 * time.Hour)
		o.call(ratelimit.Clear, of("api", "ann", 0))
		require.Equal(t, ratelimit.Denied, o.call(ratelimit.Take, of("api", "ann", 1)).Reason, "purge and clear keep it")
		q.LockMS = 0
		require.True(t, o.call(ratelimit.Deny, q).Allowed)
		q.LockMS = 1000
		require.EqualValues(t, 1000, o.call(ratelimit.Deny, q).RetryInMS)
		o.advance(time.Second)
		require.True(t, o.take("api", "ann", 1))

		q = of(ratelimit.DefaultRule, "bob", 0)
		q.LockMS = -1
		o.call(ratelimit.Deny, q)
		require.False(t, o.consume("bob", 1))
		require.False(t, o.check("bob", 1))
	})(t)
}

func TestServer_Release(t *testing.T) {
	bubble(limited(ratelimit.Rule{Name: "jobs", Limits: []ratelimit.Limit{
		{Algorithm: ratelimit.Concurrency, Quota: 2, PeriodMS: 10_000},
		{Algorithm: ratelimit.FixedWindow, Quota: 5, PeriodMS: 60_000},
	}}), func(t *testing.T, o *object) {
		first := o.call(ratelimit.Take, of("jobs", "k", 1))
		second := o.call(ratelimit.Take, of("jobs", "k", 1))
		require.NotEmpty(t, first.Lease)
		require.NotEqual(t, first.Lease, second.Lease)
		require.Equal(t, "concurrent-requests", first.Limits[0].Unit)
		require.EqualValues(t, 10_000, o.call(ratelimit.Take, of("jobs", "k", 1)).RetryInMS)

		lease := func(m method, lease string) bool {
			q := of("jobs", "k", 0)
			q.Lease = lease
			return o.call(m, q).Allowed
		}
		require.NoError(t, o.evict())
		require.True(t, lease(ratelimit.Release, first.Lease))
		require.False(t, lease(ratelimit.Release, first.Lease), "only once")
		require.Equal(t, []int64{1, 3}, o.remaining("jobs", "k"), "what was counted stays counted")
		o.advance(9 * time.Second)
		require.True(t, lease(ratelimit.Renew, second.Lease))
		o.advance(9 * time.Second)
		require.Equal(t, []int64{1, 3}, o.remaining("jobs", "k"))
		o.advance(time.Second)
		require.Equal(t, []int64{2, 3}, o.remaining("jobs", "k"), "it has expired")
		require.False(t, lease(ratelimit.Renew, second.Lease))
		for _, bad := range []string{"", "no lease", "-1", "0", "zzzzzzzzzzzzzzzzz"} {
			q := of("jobs", "k", 0)
			q.Lease = bad
			_, err := ratelimit.Release.Call(t.Context(), o, q)
			require.Equal(t, ratelimit.InvalidRequest, ratelimit.Code(err), bad)
		}
	})(t)
}

// TestServer_Take_leases takes many leases at once: each has a name of its own, of which the row has three bytes.
func TestServer_Take_leases(t *testing.T) {
	bubble(limited(ratelimit.Rule{Name: "jobs", Limits: []ratelimit.Limit{{Algorithm: ratelimit.Concurrency, Quota: 600, PeriodMS: 1000}}}), func(t *testing.T, o *object) {
		names := map[string]bool{}
		for n := range 600 {
			if n == 300 {
				require.NoError(t, o.evict())
			}
			names[o.call(ratelimit.Take, of("jobs", "k", 1)).Lease] = true
		}
		require.Len(t, names, 600)
		require.Less(t, len(o.state()), 2100)
		left := int64(0)
		for name := range names {
			q := of("jobs", "k", 0)
			q.Lease = name
			d := o.call(ratelimit.Release, q)
			require.True(t, d.Allowed)
			left++
			require.Equal(t, left, d.Limits[0].Remaining)
		}
	})(t)
}
