package durable_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/clock"
	"durago.example/host/durable"
	"durago.example/host/storage"
)

// alarmLog has the engine write down when alarms run.
func alarmLog(e *engine, fail func(run int) error) *[]string {
	var out []string
	e.alarm = func(o *durable.Object, a durable.Alarm) error {
		name, _ := o.Name()
		out = append(out, fmt.Sprintf("%s at %v retry %d", name, e.clock.Now().Sub(epoch).Truncate(time.Second), a.Retries))
		if fail != nil {
			return fail(len(out))
		}
		return nil
	}
	return &out
}

func setAlarm(e *engine, after time.Duration) func(o *durable.Object) error {
	return func(o *durable.Object) error {
		at := e.clock.Now().Add(after)
		return o.SetAlarm(&at)
	}
}

func hasAlarm(t *testing.T, e *engine, name string) (set bool) {
	require.NoError(t, e.do(name, func(o *durable.Object) (err error) {
		_, set, err = o.Alarm()
		return err
	}))
	return set
}

func TestObject_SetAlarm(t *testing.T) {
	t.Run("fires in order, on time, once", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.NoError(t, e.Start())
		ran := alarmLog(e, nil)
		for i, name := range []string{"c", "a", "b"} {
			require.NoError(t, e.do(name, setAlarm(e, time.Duration(3-i)*time.Second)))
		}
		e.advance(time.Hour)
		require.Equal(t, []string{"b at 1s retry 0", "a at 2s retry 0", "c at 3s retry 0"}, *ran)
		require.False(t, hasAlarm(t, e, "a"))
		require.NoError(t, e.stop())
	}))
	t.Run("a later one replaces an earlier", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		ran := alarmLog(e, nil)
		require.NoError(t, e.do("a", setAlarm(e, time.Second)))
		require.NoError(t, e.do("a", setAlarm(e, time.Minute)))
		e.advance(time.Hour)
		require.Equal(t, []string{"a at 1m0s retry 0"}, *ran)
		require.NoError(t, e.stop())
	}))
	t.Run("one that is deleted does not fire", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		ran := alarmLog(e, nil)
		require.NoError(t, e.do("a", setAlarm(e, time.Second)))
		require.NoError(t, e.do("a", func(o *durable.Object) error { return o.SetAlarm(nil) }))
		e.advance(time.Hour)
		require.Empty(t, *ran)
		require.NoError(t, e.stop())
	}))
	t.Run("is refused at zero and without a handler", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		zero := time.UnixMilli(0)
		require.EqualError(t, e.do("a", func(o *durable.Object) error { return o.SetAlarm(&zero) }),
			"TypeError: setAlarm() cannot be called with an alarm time <= 0")
		e.ns.HasAlarm = false
		require.EqualError(t, e.do("a", setAlarm(e, time.Second)),
			"TypeError: Your Durable Object class must have an alarm() handler in order to call setAlarm()")
		require.NoError(t, e.stop())
	}))
	t.Run("is refused past what nanoseconds reach", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		last := time.UnixMilli(9223372036854)
		require.NoError(t, e.do("a", func(o *durable.Object) error { return o.SetAlarm(&last) }))
		next := last.Add(time.Millisecond)
		require.EqualError(t, e.do("a", func(o *durable.Object) error { return o.SetAlarm(&next) }),
			"TypeError: This API doesn't support dates after 2189.")
		require.True(t, hasAlarm(t, e, "a"))
		require.NoError(t, e.stop())
	}))
	t.Run("a time in the past is now", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		ran := alarmLog(e, nil)
		require.NoError(t, e.do("a", setAlarm(e, -time.Hour)))
		e.advance(0)
		require.Equal(t, []string{"a at 0s retry 0"}, *ran)
		require.NoError(t, e.stop())
	}))
	t.Run("a transaction that fails takes it back", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		ran := alarmLog(e, nil)
		require.NoError(t, e.do("a", setAlarm(e, time.Second)))
		require.NoError(t, e.do("a", func(o *durable.Object) error {
			s, err := o.Enter(true)
			if err != nil {
				return err
			}
			if err := errors.Join(write(o), o.SetAlarm(nil)); err != nil {
				return err
			}
			return s.Leave(errors.New("undo"))
		}))
		e.advance(time.Hour)
		require.Equal(t, []string{"a at 1s retry 0"}, *ran)
		require.NoError(t, e.stop())
	}))
}

// TestObject_alarm_retries: 2, 4, 8 … seconds and up to a quarter more, six times, with the object out of memory
// between the later ones.
func TestObject_alarm_retries(t *testing.T) {
	t.Run("a handler that always fails runs seven times", bubble(func(t *testing.T) {
		e := newEngine(t, options{idle: 10 * time.Second})
		var at []time.Time
		e.alarm = func(_ *durable.Object, a durable.Alarm) error {
			require.Equal(t, len(at), a.Retries)
			at = append(at, e.clock.Now())
			return errors.New("no")
		}
		require.NoError(t, e.do("a", setAlarm(e, 0)))
		e.advance(time.Hour)
		require.Len(t, at, 7)
		for i := 1; i < len(at); i++ {
			least := time.Second << i
			require.GreaterOrEqual(t, at[i].Sub(at[i-1]), least)
			require.LessOrEqual(t, at[i].Sub(at[i-1]), least+least/4)
		}
		require.False(t, hasAlarm(t, e, "a"))
		require.NoError(t, e.stop())
	}))
	for _, row := range []struct {
		name string
		in   func(e *engine, o *durable.Object) error
		runs int
	}{
		{"one that deletes its alarm and fails is not retried", func(_ *engine, o *durable.Object) error { return o.SetAlarm(nil) }, 1},
		{"one that sets another and fails has that one", func(e *engine, o *durable.Object) error { return setAlarm(e, time.Minute)(o) }, 2},
	} {
		t.Run(row.name, bubble(func(t *testing.T) {
			e := newEngine(t, options{})
			runs := 0
			e.alarm = func(o *durable.Object, a durable.Alarm) error {
				require.Zero(t, a.Retries)
				if runs++; runs > 1 {
					return nil
				}
				require.NoError(t, row.in(e, o))
				return errors.New("no")
			}
			require.NoError(t, e.do("a", setAlarm(e, 0)))
			e.advance(59 * time.Second)
			require.Equal(t, 1, runs)
			e.advance(time.Hour)
			require.Equal(t, row.runs, runs)
			require.NoError(t, e.stop())
		}))
	}
	t.Run("one that resets its object is retried by the next", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		var objects []*durable.Object
		e.alarm = func(o *durable.Object, _ durable.Alarm) error {
			objects = append(objects, o)
			if len(objects) == 1 {
				o.Break(errors.New("abort"))
			}
			return nil
		}
		require.NoError(t, e.do("a", setAlarm(e, 0)))
		e.advance(time.Hour)
		require.Len(t, objects, 2)
		require.NotSame(t, objects[0], objects[1])
		require.NoError(t, e.stop())
	}))
}

// TestObject_alarm_resets: a reset that is the program's doing counts as a failure, one that is the disk's does not.
func TestObject_alarm_resets(t *testing.T) {
	for _, row := range []struct {
		name   string
		reason error
		runs   []int // their retries
	}{
		{"an abort", &durable.Error{Name: "Error", Message: "abort"}, []int{0, 1, 2, 3, 4, 5, 6}},
		{"a failure of the host", errors.New("disk"), []int{0, 0, 0, 0, 0, 0, 0, 0, 0}},
	} {
		t.Run(row.name, bubble(func(t *testing.T) {
			e := newEngine(t, options{})
			var runs []int
			e.alarm = func(o *durable.Object, a durable.Alarm) error {
				if runs = append(runs, a.Retries); len(runs) < 9 {
					o.Break(row.reason)
				}
				return nil
			}
			require.NoError(t, e.do("a", setAlarm(e, 0)))
			e.advance(time.Hour)
			require.Equal(t, row.runs, runs)
			require.False(t, hasAlarm(t, e, "a"))
			require.NoError(t, e.stop())
		}))
	}
}

func TestObject_Alarm_handler(t *testing.T) {
	t.Run("does not see its own", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		var seen []bool
		e.alarm = func(o *durable.Object, _ durable.Alarm) error {
			_, before, err := o.Alarm()
			require.NoError(t, err)
			if len(seen) == 0 {
				require.NoError(t, setAlarm(e, time.Minute)(o))
			}
			_, after, err := o.Alarm()
			require.NoError(t, err)
			seen = append(seen, before, after)
			return nil
		}
		require.NoError(t, e.do("a", setAlarm(e, 0)))
		e.advance(time.Hour)
		require.Equal(t, []bool{false, true, false, false}, seen)
		require.NoError(t, e.stop())
	}))
	t.Run("never runs beside itself", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		starts, active := 0, 0
		var finish func()
		e.handle = func(o *durable.Object, ev *durable.Event) bool {
			if _, ok := ev.Payload.(durable.Alarm); !ok {
				return false
			}
			o.BeginAlarm()
			starts++
			active++
			require.Equal(t, 1, active)
			if starts == 1 {
				require.NoError(t, setAlarm(e, 0)(o))
			}
			o.EndTurn()
			finish = func() {
				active--
				answer(o, ev, nil)
				o.EndTurn()
			}
			return true
		}
		require.NoError(t, e.do("a", setAlarm(e, 0)))
		e.advance(time.Minute)
		require.Equal(t, 1, starts)
		finish()
		e.advance(0)
		require.Equal(t, 2, starts)
		finish()
		e.advance(time.Hour)
		require.Equal(t, 2, starts)
		require.NoError(t, e.stop())
	}))
}

func TestEngine_Start(t *testing.T) {
	t.Run("alarms survive a restart, with the names of their objects", bubble(func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "state")
		e := newEngine(t, options{storage: storage.Options{Dir: dir}})
		require.NoError(t, e.do("a", setAlarm(e, time.Hour)))
		require.NoError(t, e.stop())
		e = newEngine(t, options{storage: storage.Options{Dir: dir}})
		require.NoError(t, e.Start())
		ran := alarmLog(e, nil)
		e.advance(59 * time.Minute)
		require.Empty(t, *ran)
		e.advance(time.Minute)
		require.Equal(t, []string{"a at 1h0m0s retry 0"}, *ran)
		require.NoError(t, e.stop())
	}))
	t.Run("thousands that are due come in bursts", bubble(func(t *testing.T) {
		const n = 2000
		dir := filepath.Join(t.TempDir(), "state")
		s, err := storage.Open(storage.Options{Dir: dir, NoSync: true})
		require.NoError(t, err)
		table := s.Alarms("worker-Class")
		for i := range n {
			require.NoError(t, table.Put(storage.AlarmRow{ID: fmt.Sprintf("%064x", i), At: epoch}, func(error) {}))
		}
		require.NoError(t, table.Close())
		require.NoError(t, s.Close())
		e := newEngine(t, options{storage: storage.Options{Dir: dir, NoSync: true}, clock: clock.NewVirtual(epoch.Add(time.Hour))})
		require.NoError(t, e.Start())
		steps, most := 0, 0
		for e.clock.Step(e.clock.Now()) {
			e.mu.Lock()
			most = max(most, len(e.jobs))
			e.jobs = nil // the objects do not matter here
			e.mu.Unlock()
			steps++
		}
		require.Equal(t, 64, most)
		require.Equal(t, (n+63)/64, steps)
		require.NoError(t, e.stop())
	}))
}
