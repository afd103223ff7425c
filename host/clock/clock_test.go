package clock_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"durago.example/host/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestVirtual_Step(t *testing.T) {
	t.Run("calls in the order of time, then of asking, and no sooner", func(t *testing.T) {
		v := clock.NewVirtual(start)
		var got []string
		add := func(d time.Duration, name string) {
			v.AfterFunc(d, func() { got = append(got, name+" "+v.Now().Sub(start).String()) })
		}
		add(2*time.Second, "b")
		add(time.Second, "a")
		add(2*time.Second, "c")
		add(-time.Hour, "now")
		end := start.Add(2*time.Second - 1)
		for v.Step(end) {
		}
		require.Equal(t, []string{"now 0s", "a 1s"}, got)
		require.Equal(t, end, v.Now())
		next, ok := v.Next()
		require.True(t, ok)
		require.Equal(t, start.Add(2*time.Second), next)
		for v.Step(start.Add(time.Hour)) {
		}
		require.Equal(t, []string{"now 0s", "a 1s", "b 2s", "c 2s"}, got)
		_, ok = v.Next()
		require.False(t, ok)
	})
	t.Run("a call may ask for another", func(t *testing.T) {
		v := clock.NewVirtual(start)
		n := 0
		var tick func()
		tick = func() { n++; v.AfterFunc(time.Second, tick) }
		tick()
		for v.Step(start.Add(10 * time.Second)) {
		}
		require.Equal(t, 11, n)
	})
	t.Run("it never goes back", func(t *testing.T) {
		v := clock.NewVirtual(start)
		require.False(t, v.Step(start.Add(-time.Hour)))
		require.Equal(t, start, v.Now())
	})
}

func TestTimer_Stop(t *testing.T) {
	v := clock.NewVirtual(start)
	called := 0
	one := v.AfterFunc(time.Second, func() { called++ })
	two := v.AfterFunc(time.Second, func() { called++ })
	require.True(t, one.Stop())
	require.False(t, one.Stop())
	require.True(t, v.Step(start.Add(time.Minute)))
	require.False(t, two.Stop(), "too late")
	require.Equal(t, 1, called)
}

// TestVirtual compares with a list: whatever is added and stopped, what is left is called at its time.
func TestVirtual(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		v := clock.NewVirtual(start)
		type entry struct {
			at    time.Duration
			timer clock.Timer
			state int // 0 waits, 1 stopped, 2 called
		}
		var all []*entry
		now := time.Duration(0)
		for range rapid.IntRange(1, 40).Draw(r, "steps") {
			switch rapid.IntRange(0, 2).Draw(r, "step") {
			case 0:
				d := time.Duration(rapid.IntRange(0, 20).Draw(r, "after"))
				e := &entry{at: now + d}
				e.timer = v.AfterFunc(d, func() {
					require.Zero(r, e.state)
					require.Equal(r, e.at, v.Now().Sub(start))
					e.state = 2
				})
				all = append(all, e)
			case 1:
				if len(all) > 0 {
					e := all[rapid.IntRange(0, len(all)-1).Draw(r, "which")]
					require.Equal(r, e.state == 0, e.timer.Stop())
					if e.state == 0 {
						e.state = 1
					}
				}
			case 2:
				now += time.Duration(rapid.IntRange(0, 10).Draw(r, "advance"))
				for v.Step(start.Add(now)) {
				}
				for _, e := range all {
					if e.state != 1 {
						require.Equal(r, e.at <= now, e.state == 2)
					}
				}
			}
		}
	})
}
