package algorithm_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/objects/ratelimit/ratelimitserver/algorithm"
)

func TestLimit_Validate(t *testing.T) {
	for _, row := range []struct {
		limit algorithm.Limit
		says  string
	}{
		{algorithm.Limit{Kind: algorithm.TokenBucket, Quota: 1, Period: 1e12, Burst: 1e6}, ""},
		{algorithm.Limit{Kind: algorithm.TokenBucket, Quota: 1, Period: 1}, ""},
		{algorithm.Limit{Kind: algorithm.GCRA, Quota: 1e12, Period: 1000, Burst: 1e12}, ""},
		{algorithm.Limit{Kind: algorithm.Month, Quota: 1e12}, ""},
		{algorithm.Limit{Kind: algorithm.FixedWindow, Quota: 0, Period: 1}, ""},
		{algorithm.Limit{}, "algorithm must be one of the known ones"},
		{algorithm.Limit{Kind: 8, Quota: 1, Period: 1}, "algorithm must be one of the known ones"},
		{algorithm.Limit{Kind: algorithm.GCRA, Quota: 0, Period: 1, Burst: 1}, "quota must be at least 1 unit where units come back over time, got 0"},
		{algorithm.Limit{Kind: algorithm.FixedWindow, Quota: -1, Period: 1}, "quota must be between 0 and 1000000000000 units, got -1"},
		{algorithm.Limit{Kind: algorithm.FixedWindow, Quota: math.MaxInt64, Period: 1}, "got 9223372036854775807"},
		{algorithm.Limit{Kind: algorithm.FixedWindow, Quota: 1}, "period must be between 1 and 1000000000000 ms, got 0"},
		{algorithm.Limit{Kind: algorithm.FixedWindow, Quota: 1, Period: math.MaxInt64}, "period must be between"},
		{algorithm.Limit{Kind: algorithm.FixedWindow, Quota: 1, Period: 1, Burst: 1}, "burst is for token_bucket and gcra alone, got 1"},
		{algorithm.Limit{Kind: algorithm.Month, Quota: 1, Period: 1}, "period must be left out of a month, got 1 ms"},
		{algorithm.Limit{Kind: algorithm.GCRA, Quota: 1, Period: 1, Burst: -1}, "burst must be between"},
		{algorithm.Limit{Kind: algorithm.GCRA, Quota: 1, Period: 1e12, Burst: 1e12}, "burst times period must be at most 2^61"},
		{algorithm.Limit{Kind: algorithm.SlidingLog, Quota: 4097, Period: 1}, "quota must be at most 4096 units where each is remembered, got 4097"},
		{algorithm.Limit{Kind: algorithm.Concurrency, Quota: 4097, Period: 1}, "use sliding_window"},
	} {
		err := row.limit.Validate()
		if row.says == "" {
			require.NoError(t, err, "%+v", row.limit)
			require.Equal(t, row.limit.Kind != algorithm.Month, row.limit.Window() > 0)
			continue
		}
		require.ErrorContains(t, err, row.says, "%+v", row.limit)
	}
}

// TestMeter_bounds uses the largest limits, at late times, and holds that nothing overflows.
func TestMeter_bounds(t *testing.T) {
	const q, p = algorithm.MaxQuota, algorithm.MaxPeriod
	for _, l := range []algorithm.Limit{
		{Kind: algorithm.TokenBucket, Quota: 1, Period: p, Burst: q},
		{Kind: algorithm.TokenBucket, Quota: q, Period: 1, Burst: q},
		{Kind: algorithm.GCRA, Quota: 1, Period: 1 << 61 / q, Burst: q},
		{Kind: algorithm.GCRA, Quota: q, Period: 1 << 61 / q, Burst: q},
		{Kind: algorithm.GCRA, Quota: q, Period: p, Burst: 1 << 61 / p},
		{Kind: algorithm.FixedWindow, Quota: q, Period: p},
		{Kind: algorithm.Month, Quota: q},
		{Kind: algorithm.SlidingWindow, Quota: q, Period: p},
		{Kind: algorithm.SlidingLog, Quota: 4096, Period: p},
		{Kind: algorithm.Concurrency, Quota: 4096, Period: p},
	} {
		require.NoError(t, l.Validate())
		now := int64(3e12) // the year 2065
		m := algorithm.New(l, now)
		require.Equal(t, l.Capacity(), m.Room())
		m.Take(math.MaxInt64)
		require.Zero(t, m.Room(), "%+v", l)
		full, state := m.Full(), m.Append(nil)
		require.Greater(t, full, now)
		require.LessOrEqual(t, full, int64(algorithm.MaxTime))
		for _, at := range []int64{0, now - 1, now, now + 1, full, algorithm.MaxTime} {
			m, _, err := algorithm.Read(l, state, at)
			require.NoError(t, err)
			require.LessOrEqual(t, m.Room(), l.Capacity())
			require.GreaterOrEqual(t, m.Room(), int64(0))
			wait, ok := m.Wait(l.Capacity())
			require.True(t, ok)
			require.GreaterOrEqual(t, wait, int64(0))
			m.Give(math.MaxInt64)
			require.LessOrEqual(t, m.Room(), l.Capacity())
		}
		if full < algorithm.MaxTime { // else it takes longer than that
			m, _, err := algorithm.Read(l, state, full)
			require.NoError(t, err)
			require.Equal(t, l.Capacity(), m.Room(), "%+v", l)
		}
	}
}
