package durable_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/clock"
	"durago.example/host/durable"
	"durago.example/host/storage"
	"durago.example/host/storage/powerloss"
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
		e.ns.SetHasAlarm(false)
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
		s := enter(t, e, "a", nil, true)
		e.visit("a", func(o *durable.Object) { require.NoError(t, errors.Join(write(o), o.SetAlarm(nil))) })
		require.EqualError(t, leave(t, e, s, errors.New("undo")), "undo")
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
	t.Run("thousands that are due come a few at a time, each once, and some that hang do not hold up the rest", bubble(func(t *testing.T) {
		const n, hang = 5000, 30
		o := options{idle: time.Millisecond, clock: clock.NewVirtual(epoch.Add(time.Hour)), storage: storage.Options{Dir: filepath.Join(powerloss.Scratch(t), "state"), NoSync: true}}
		setOverdue(t, o.storage, n)
		e := newEngine(t, o)
		runs := map[string]int{}
		active, most := 0, 0
		e.handle = func(o *durable.Object, ev *durable.Event) bool {
			o.BeginAlarm()
			runs[o.ID()]++
			active++
			most = max(most, active)
			takes := 10 * time.Millisecond
			if len(runs) <= hang {
				takes = time.Hour
			}
			e.clock.AfterFunc(takes, func() {
				_ = o.Do(func() {
					active--
					answer(o, ev, nil)
					o.EndTurn()
				})
			})
			return true
		}
		require.NoError(t, e.Start())
		e.advance(3 * time.Second) // 150 rounds of 10 ms, of what hangs or not, and less than two seconds of waiting
		require.Len(t, runs, n)
		require.LessOrEqual(t, most, 64+hang, "beside the 64, those that hang have made room")
		require.Greater(t, most, 60)
		require.Equal(t, hang, active)
		e.advance(2 * time.Hour)
		for id, times := range runs {
			require.Equal(t, 1, times, id)
		}
		require.Zero(t, e.store.OpenDatabases()-1, "the scheduler's alone")
		require.NoError(t, e.stop())
	}))
}

// setOverdue makes n objects whose alarms are due at the epoch.
func setOverdue(t *testing.T, o storage.Options, n int) {
	t.Helper()
	s, err := storage.Open(o)
	require.NoError(t, err)
	at := epoch
	d := s.Database("worker-Class", "template")
	require.NoError(t, d.SetAlarm(&at))
	_, err = d.Commit(func(error) {})
	require.NoError(t, err)
	require.NoError(t, d.Retire())
	require.NoError(t, s.Close())
	dir := filepath.Join(o.Dir, "worker-Class")
	template, err := os.ReadFile(filepath.Join(dir, "template.sqlite"))
	require.NoError(t, err)
	s, err = storage.Open(o)
	require.NoError(t, err)
	table := s.Alarms("worker-Class")
	for i := range n {
		id := fmt.Sprintf("%064x", i)
		require.NoError(t, os.WriteFile(filepath.Join(dir, id+".sqlite"), template, 0o600))
		require.NoError(t, table.Put(storage.AlarmRow{ID: id, At: at}, func(error) {}))
	}
	require.NoError(t, table.Close())
	require.NoError(t, s.Close())
}

// TestObject_AbandonAlarm: an alarm whose handler abandons it does not run again, until it is set anew.
func TestObject_AbandonAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, options{})
		require.NoError(t, e.Start())
		runs := 0
		e.alarm = func(o *durable.Object, _ durable.Alarm) error {
			if runs++; runs < 3 {
				if runs == 2 {
					o.AbandonAlarm()
				}
				o.Break(&durable.Error{Message: "enough"})
			}
			return nil
		}
		require.NoError(t, e.do("a", setAlarm(e, time.Minute)))
		e.advance(time.Hour)
		require.Equal(t, 2, runs)
		require.True(t, hasAlarm(t, e, "a"), "as in workerd")
		require.NoError(t, e.do("a", setAlarm(e, time.Minute)))
		e.advance(time.Hour)
		require.Equal(t, 3, runs)
		require.False(t, hasAlarm(t, e, "a"))
		require.NoError(t, e.stop())
	})
}

// TestObject_Alarm_evicted: an object does not leave memory between the end of its alarm's handler and the end of the alarm, which
// would open its database again where nobody closes it.
func TestObject_Alarm_evicted(t *testing.T) {
	bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		at := epoch.Add(time.Second)
		require.NoError(t, e.do("a", func(o *durable.Object) error { return o.SetAlarm(&at) }))
		var early error
		e.alarm = func(o *durable.Object, _ durable.Alarm) error {
			return e.Do(func() { early = o.Evict() }) // next on the loop
		}
		e.advance(2 * time.Second)
		require.ErrorIs(t, early, durable.ErrBusy)
		e.visit("a", func(o *durable.Object) {
			_, ok, err := o.Alarm()
			require.NoError(t, err)
			require.False(t, ok, "it has run")
			require.NoError(t, o.Evict())
		})
		e.visit("a", func(o *durable.Object) { require.NoError(t, write(o)) })
		require.NoError(t, e.stop())
	})(t)
}

// TestObject_SetAlarm_reset: an alarm that was committed is not forgotten when its object is reset before the scheduler was told of
// it, which has nothing to wait for any more since the alarm before has run.
func TestObject_SetAlarm_reset(t *testing.T) {
	bubble(func(t *testing.T) {
		e, d := heldEngine(t)
		d.set(false)
		require.NoError(t, e.Start())
		runs := 0
		e.alarm = func(*durable.Object, durable.Alarm) error {
			runs++
			d.set(runs == 1)
			return nil
		}
		require.NoError(t, e.do("a", setAlarm(e, time.Second)))
		e.advance(2 * time.Second)
		require.Equal(t, 1, runs)
		require.NotEmpty(t, d.names(), "that it has run is not durable")
		set := e.send("a", func(o *durable.Object, done func(error)) { done(setAlarm(e, 10*time.Second)(o)) })
		e.settle()
		require.False(t, set.done)
		e.visit("a", func(o *durable.Object) { o.Abort() })
		d.releaseAll()
		e.advance(time.Minute)
		require.Equal(t, 2, runs)
		require.False(t, hasAlarm(t, e, "a"))
		require.NoError(t, e.stop())
	})(t)
}

// TestObject_Return_alarm: an alarm that a dying guest had not begun, and that is set anew before it could be given again, is not
// under way for ever.
func TestObject_Return_alarm(t *testing.T) {
	bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.NoError(t, e.Start())
		ran := alarmLog(e, nil)
		require.NoError(t, e.do("a", setAlarm(e, time.Second)))
		var given []*durable.Event
		e.handle = func(_ *durable.Object, ev *durable.Event) bool {
			given = append(given, ev)
			return true
		}
		e.advance(2 * time.Second)
		require.Len(t, given, 1)
		e.handle = nil
		e.visit("a", func(o *durable.Object) {
			require.NoError(t, setAlarm(e, time.Minute)(o))
			o.EndTurn()
			o.Lost(given...)
		})
		e.visit("a", func(o *durable.Object) {
			require.Zero(t, o.Presence().Active)
			require.NoError(t, o.Evict())
		})
		e.advance(time.Hour)
		require.Equal(t, []string{"a at 1m2s retry 0"}, *ran)
		require.NoError(t, e.stop())
	})(t)
}
