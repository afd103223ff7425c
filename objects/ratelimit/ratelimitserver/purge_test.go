package ratelimitserver_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects/ratelimit"
	"durago.example/objects/ratelimit/ratelimitserver"
)

// keys is how many keys one object gets: DURAGO_KEYS, for example 1000000.
func keys(t *testing.T) int { return setting(t, "DURAGO_KEYS", 3000) }

// TestServer_Alarm_purge has every key gone some time after it is full again, and those that are not, kept.
func TestServer_Alarm_purge(t *testing.T) {
	hourly := ratelimit.Rule{Name: "hourly", Limits: []ratelimit.Limit{{Algorithm: ratelimit.SlidingWindow, Quota: 1, PeriodMS: 3_600_000}}}
	bubble(limited(hourly), func(t *testing.T, o *object) {
		n := keys(t)
		for i := range n {
			require.True(t, o.consume(fmt.Sprint("k", i), 2))
		}
		require.True(t, o.take("hourly", "kept", 1))
		rows := func() int { return o.count(`SELECT count(*) FROM ratelimit_keys`) }
		require.Equal(t, n+1, rows())
		most, before, start := 0, rows(), time.Now()
		require.NoError(t, o.evict())
		for rows() > 1 && time.Since(start) < 20*time.Minute {
			o.advance(time.Until(*o.Alarm.At))
			most, before = max(most, before-rows()), rows()
		}
		require.LessOrEqual(t, most, 512, "a batch is bounded")
		o.advance(time.Hour)
		require.Equal(t, 1, rows())
		require.False(t, o.take("hourly", "kept", 1))
		o.advance(2 * time.Hour)
		require.Zero(t, rows())
		require.Nil(t, o.Alarm.At, "an empty object has no alarm")
		require.True(t, o.consume("k1", 10))
		require.NotNil(t, o.Alarm.At)
	})(t)
}

// TestServer_Alarm_evicted ends a pass in the middle: it goes on where it was.
func TestServer_Alarm_evicted(t *testing.T) {
	bubble(ratelimitserver.Config{}, func(t *testing.T, o *object) {
		for i := range 2000 {
			require.True(t, o.consume(fmt.Sprint("k", i), 1))
		}
		o.advance(5 * time.Minute)
		require.Equal(t, 2000-512, o.count(`SELECT count(*) FROM ratelimit_keys`))
		for range 3 {
			require.NoError(t, o.evict())
			o.advance(50 * time.Millisecond)
		}
		require.Zero(t, o.count(`SELECT count(*) FROM ratelimit_keys`))
	})(t)
}

// TestServer_full refuses keys beyond the bound, and takes new ones when others are purged.
func TestServer_full(t *testing.T) {
	bubble(ratelimitserver.Config{MaxKeys: 700}, func(t *testing.T, o *object) {
		refused := func(key string) bool {
			_, err := ratelimit.Consume.Call(t.Context(), o, key, 1)
			if err != nil {
				require.Equal(t, ratelimit.Full, ratelimit.Code(err))
			}
			return err != nil
		}
		for i := range 700 {
			require.False(t, refused(fmt.Sprint("k", i)))
		}
		require.True(t, refused("one more"))
		require.True(t, o.consume("k7", 9), "those that are there go on")
		require.NoError(t, o.evict())
		require.True(t, refused("one more"))
		o.advance(11 * time.Minute)
		require.False(t, refused("one more"))
	})(t)
}
