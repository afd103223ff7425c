package algorithm_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/objects/ratelimit/ratelimitserver/algorithm"
)

// TestRead_clock sets the clock back at random: that never gives units, and costs at most a period.
func TestRead_clock(t *testing.T) {
	for kind, name := range names {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(2, uint64(kind)))
			for range 300 {
				w := newWalk(r, kind, nil)
				w.now -= w.now % max(1, w.limit.Period) // so that a small step back is into another window
				m := algorithm.New(w.limit, w.now)
				m.Take(w.limit.Capacity())
				for range 20 {
					state, before := m.Append(nil), m.Room()
					w.now -= r.Int64N(100 * (w.limit.Period + 1))
					var err error
					m, _, err = algorithm.Read(w.limit, state, w.now)
					require.NoError(t, err)
					require.LessOrEqual(t, m.Room(), before)
				}
				wait, ok := m.Wait(1)
				require.True(t, ok)
				if kind != algorithm.Month {
					require.LessOrEqual(t, wait, 2*w.limit.Period)
				}
			}
		})
	}
}

// TestRead_change has a limit change under a key: what was used stays used, as far as the new limit can tell.
func TestRead_change(t *testing.T) {
	const now = 1_767_225_600_000 // 2026-01-01
	for _, row := range []struct {
		name     string
		from, to algorithm.Limit
		room     int64 // after 4 units, at once
	}{
		{"a larger bucket", algorithm.Limit{Kind: 1, Quota: 1, Period: 1000, Burst: 10}, algorithm.Limit{Kind: 1, Quota: 1, Period: 1000, Burst: 20}, 6},
		{"a smaller bucket", algorithm.Limit{Kind: 1, Quota: 1, Period: 1000, Burst: 10}, algorithm.Limit{Kind: 1, Quota: 1, Period: 1000, Burst: 5}, 5},
		{"a slower bucket", algorithm.Limit{Kind: 1, Quota: 1, Period: 1000, Burst: 10}, algorithm.Limit{Kind: 1, Quota: 1, Period: 9000, Burst: 10}, 6},
		{"GCRA of another period", algorithm.Limit{Kind: 2, Quota: 10, Period: 1000, Burst: 10}, algorithm.Limit{Kind: 2, Quota: 10, Period: 60000, Burst: 10}, 6},
		{"a smaller GCRA", algorithm.Limit{Kind: 2, Quota: 10, Period: 1000, Burst: 10}, algorithm.Limit{Kind: 2, Quota: 10, Period: 1000, Burst: 3}, 0},
		{"a longer window", algorithm.Limit{Kind: 3, Quota: 10, Period: 1000}, algorithm.Limit{Kind: 3, Quota: 10, Period: 60000}, 6},
		{"a lower window", algorithm.Limit{Kind: 3, Quota: 10, Period: 1000}, algorithm.Limit{Kind: 3, Quota: 3, Period: 1000}, 0},
		{"a lower month", algorithm.Limit{Kind: 4, Quota: 10}, algorithm.Limit{Kind: 4, Quota: 5}, 1},
		{"a lower log", algorithm.Limit{Kind: 5, Quota: 10, Period: 1000}, algorithm.Limit{Kind: 5, Quota: 3, Period: 1000}, 0},
		{"a longer sliding window", algorithm.Limit{Kind: 6, Quota: 10, Period: 1000}, algorithm.Limit{Kind: 6, Quota: 10, Period: 7000}, 6},
		{"fewer leases", algorithm.Limit{Kind: 7, Quota: 10, Period: 1000}, algorithm.Limit{Kind: 7, Quota: 5, Period: 1000}, 1},
		{"another algorithm", algorithm.Limit{Kind: 5, Quota: 10, Period: 1000}, algorithm.Limit{Kind: 3, Quota: 10, Period: 1000}, 10},
	} {
		require.NoError(t, row.from.Validate())
		require.NoError(t, row.to.Validate())
		m := algorithm.New(row.from, now)
		m.Take(4)
		m, _, err := algorithm.Read(row.to, m.Append(nil), now)
		require.NoError(t, err)
		require.Equal(t, row.room, m.Room(), row.name)
		if row.room < row.to.Capacity() {
			wait, ok := m.Wait(row.room + 1)
			require.True(t, ok)
			later, _, err := algorithm.Read(row.to, m.Append(nil), now+wait)
			require.NoError(t, err)
			require.GreaterOrEqual(t, later.Room(), row.room+1, row.name)
		}
	}
}

// TestMonth_Used is what is billed: the month that runs and the one before.
func TestMonth_Used(t *testing.T) {
	l := algorithm.Limit{Kind: algorithm.Month, Quota: 100}
	const january, february, march, april = 1_767_225_600_000, 1_769_904_000_000, 1_772_323_200_000, 1_775_001_600_000
	m := algorithm.New(l, february-1)
	m.Take(7)
	require.EqualValues(t, march, m.Full(), "it can be read for a month")
	for at, want := range map[int64][4]int64{
		february - 1: {january, 7, 1_764_547_200_000, 0},
		february:     {february, 0, january, 7},
		march - 1:    {february, 0, january, 7},
		march:        {march, 0, february, 0},
		april:        {april, 0, march, 0},
	} {
		later, _, err := algorithm.Read(l, m.Append(nil), at)
		require.NoError(t, err)
		start, used, earlier, before := later.(algorithm.Used).Used()
		require.Equal(t, want, [4]int64{start, used, earlier, before})
	}
}

// TestRead_leases reads leases as they were stored one by one: 2 units of the id 5 until 1000, 3 of another whose low bits
// are the same until 1200, and one of the id 6 until then.
func TestRead_leases(t *testing.T) {
	state := append([]byte{7, 3}, numbers(1000, 2, 5, 200, 3, 5+1<<algorithm.LowBits, 0, 1, 6)...)
	l := algorithm.Limit{Kind: algorithm.Concurrency, Quota: 10, Period: 1000}
	for range 2 { // the second time as it is stored today
		m, rest, err := algorithm.Read(l, state, 900)
		require.NoError(t, err)
		require.Empty(t, rest)
		require.EqualValues(t, 4, m.Room())
		require.EqualValues(t, 1200, m.Full())
		wait, _ := m.Wait(6)
		require.EqualValues(t, 100, wait)
		wait, _ = m.Wait(7)
		require.EqualValues(t, 300, wait)
		state = m.Append(nil)
		h := m.(algorithm.Holder)
		require.True(t, h.Release(5))
		require.EqualValues(t, 6, m.Room())
		require.False(t, h.Release(5))
		require.True(t, h.Renew(6))
		require.True(t, h.Release(5+1<<algorithm.LowBits))
		require.EqualValues(t, 9, m.Room())
		require.EqualValues(t, 1900, m.Full())
	}
	_, _, err := algorithm.Read(l, append([]byte{8, 1}, numbers(1000, 4096, 0, 2, 0, 0, 0, 0, 0, 0)...), 900)
	require.ErrorIs(t, err, algorithm.ErrState, "it has more units than there ever are")
}

func numbers(list ...uint64) (b []byte) {
	for _, n := range list {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

// FuzzRead reads anything: it is refused, or a state within the limit that reads back.
func FuzzRead(f *testing.F) {
	for kind := range names {
		w := newWalk(rand.New(rand.NewPCG(1, uint64(kind))), kind, nil)
		m := algorithm.New(w.limit, w.now)
		m.Take(1)
		f.Add(m.Append(nil), byte(kind), int64(10), int64(1000), int64(5), w.now)
	}
	f.Add(append([]byte{7, 2}, numbers(1000, 2, 5, 200, 3, 1<<40)...), byte(7), int64(10), int64(1000), int64(0), int64(900))
	f.Fuzz(func(t *testing.T, b []byte, kind byte, quota, period, burst, now int64) {
		l := algorithm.Limit{Kind: algorithm.Kind(kind), Quota: quota, Period: period, Burst: burst}
		if l.Validate() != nil || now < 0 || now > algorithm.MaxTime/2 {
			return
		}
		m, _, err := algorithm.Read(l, b, now)
		if err != nil {
			return
		}
		if m.Room() < 0 || m.Room() > l.Capacity() {
			t.Fatalf("room %d of %d", m.Room(), l.Capacity())
		}
		m.Take(3)
		if wait, ok := m.Wait(1); ok && wait < 0 || m.Full() < now {
			t.Fatalf("wait %d, full %d at %d", wait, m.Full(), now)
		}
		again, rest, err := algorithm.Read(l, m.Append(nil), now)
		if err != nil || len(rest) > 0 || again.Room() != m.Room() {
			t.Fatalf("%v, %d left, room %d, was %d", err, len(rest), again.Room(), m.Room())
		}
	})
}
