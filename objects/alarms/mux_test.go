package alarms_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects"
	"durago.example/objects/alarms"
	"durago.example/objects/internal/fakeobject"
)

// world is a Mux whose alarm fires when the clock of the bubble reaches it.
type world struct {
	*alarms.Mux
	o    *fakeobject.Object
	t    *testing.T
	ran  []string
	set  []string                                        // what the alarm was set to, in order
	fail error                                           // of setting it
	does map[string]func(w *world, run alarms.Run) error // what handlers do besides
}

func newWorld(t *testing.T) *world {
	o, state := newState(t)
	w := &world{o: o, t: t, does: map[string]func(*world, alarms.Run) error{}}
	o.Alarm.Set = func(at *time.Time) error {
		switch {
		case at == nil:
			w.set = append(w.set, "none")
		case w.fail != nil:
			return w.fail
		default:
			w.set = append(w.set, since(*at))
		}
		return nil
	}
	handlers := alarms.Handlers{}
	for _, name := range []string{"a", "b", "c"} {
		handlers[name] = w.handle
	}
	w.Mux = alarms.New(state, handlers)
	return w
}

func (w *world) handle(_ context.Context, run alarms.Run) error {
	require.False(w.t, time.Now().Before(run.ScheduledTime), "never early")
	text := fmt.Sprintf("%s %s", run.Name, since(run.ScheduledTime))
	if run.IsRetry() {
		text += fmt.Sprintf(" retry %d", run.RetryCount)
	}
	w.ran = append(w.ran, text)
	if f := w.does[run.Name]; f != nil {
		return f(w, run)
	}
	return nil
}

// advance lets time pass, and runs the alarm as the platform does.
func (w *world) advance(d time.Duration) {
	w.t.Helper()
	w.o.Alarm.Advance(d, func() error {
		err := w.Mux.Alarm(w.t.Context(), objects.AlarmInfo{})
		if err != nil {
			w.ran = append(w.ran, err.Error())
		}
		return err
	})
}

func (w *world) at(name string, seconds int) {
	w.t.Helper()
	require.NoError(w.t, w.At(w.t.Context(), name, time.Now().Add(time.Duration(seconds)*time.Second)))
}

// took forgets and returns what ran and what the alarm was set to.
func (w *world) took() (ran, set string) {
	ran, set = strings.Join(w.ran, ", "), strings.Join(w.set, " ")
	w.ran, w.set = nil, nil
	return ran, set
}

// log has the first lines of what was logged.
func (w *world) log() (lines []string) {
	for _, text := range w.o.Logged {
		lines = append(lines, strings.SplitN(text, "\n", 2)[0])
	}
	return lines
}

// writes is how many rows f writes.
func (w *world) writes(f func()) int64 {
	before := w.o.DB.Conn.TotalChanges()
	f()
	return w.o.DB.Conn.TotalChanges() - before
}

func bubble(f func(t *testing.T, w *world)) func(*testing.T) {
	return func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { f(t, newWorld(t)) })
	}
}

func TestMux_At(t *testing.T) {
	for _, row := range []struct {
		name     string
		f        func(w *world)
		ran, set string
	}{
		{"each runs once, at its time", func(w *world) { w.at("a", 3); w.at("b", 1); w.at("c", 2) }, "b 1s, c 2s, a 3s", "3s 1s 2s 3s"},
		{"the alarm is touched only when the earliest changes", func(w *world) { w.at("a", 1); w.at("b", 2); w.at("c", 1); w.at("b", 5) }, "a 1s, c 1s, b 5s", "1s 5s"},
		{"a later time replaces an earlier", func(w *world) { w.at("a", 1); w.at("a", 2) }, "a 2s", "1s 2s"},
		{"a key makes it another", func(w *world) { w.at("a/x", 1); w.at("a/y", 2); w.at("a", 3) }, "a/x 1s, a/y 2s, a 3s", "1s 2s 3s"},
		{"a past time is now", func(w *world) { w.at("a", -5) }, "a -5s", "-5s"},
		{"one that is deleted does not run", func(w *world) {
			w.at("a", 1)
			w.at("b", 2)
			for i, want := range []bool{true, false} {
				got, err := w.Delete(w.t.Context(), "a")
				require.NoError(w.t, err)
				require.Equal(w.t, want, got, i)
			}
		}, "b 2s", "1s 2s"},
		{"when the last is deleted there is no alarm", func(w *world) {
			w.at("a", 1)
			_, err := w.Delete(w.t.Context(), "a")
			require.NoError(w.t, err)
		}, "", "1s none"},
		{"an alarm that was lost is set again by the next change", func(w *world) { w.at("a", 1); w.o.Alarm.At = nil; w.at("b", 2) }, "a 1s, b 2s", "1s 1s 2s"},
		{"after all was deleted there is nothing, and it begins anew", func(w *world) {
			w.at("a", 1)
			require.NoError(w.t, w.o.DB.Conn.Exec(`DROP TABLE durago_alarms`))
			w.o.Alarm.At = nil
			_, ok, err := w.Next("a")
			require.NoError(w.t, err)
			require.False(w.t, ok)
			w.at("b", 2)
		}, "b 2s", "1s 2s"},
	} {
		t.Run(row.name, bubble(func(t *testing.T, w *world) {
			row.f(w)
			w.advance(time.Hour)
			ran, set := w.took()
			require.Equal(t, row.ran, ran)
			require.Equal(t, row.set, set)
			require.Nil(t, w.o.Alarm.At)
		}))
	}
	t.Run("a change is a write of one row", bubble(func(t *testing.T, w *world) {
		w.at("a", 10)
		require.EqualValues(t, 1, w.writes(func() { w.at("b", 10) }), "a new one")
		require.EqualValues(t, 1, w.writes(func() { w.at("b", 20) }), "another time")
		require.EqualValues(t, 1, w.writes(func() { _, _ = w.Delete(t.Context(), "b") }), "none")
		require.EqualValues(t, 1, w.writes(func() { w.advance(10 * time.Second) }), "a run")
	}))
	t.Run("what is wrong is refused", bubble(func(t *testing.T, w *world) {
		require.EqualError(t, w.At(t.Context(), "d/x", time.Now()), "alarms: there is no handler for d/x: give one to New")
		require.EqualError(t, w.Every(t.Context(), "a", 0), "alarms: schedule a: an interval of 0s is too short: use a millisecond or more")
		w.fail = errors.New("no")
		require.EqualError(t, w.At(t.Context(), "a", time.Now().Add(time.Second)), "alarms: no")
	}))
}

func TestMux_Every(t *testing.T) {
	t.Run("repeats, and is left alone if it does already", bubble(func(t *testing.T, w *world) {
		require.NoError(t, w.Every(t.Context(), "a", 10*time.Second))
		w.advance(15 * time.Second)
		require.Zero(t, w.writes(func() { require.NoError(t, w.Every(t.Context(), "a", 10*time.Second)) }))
		w.advance(15 * time.Second)
		ran, set := w.took()
		require.Equal(t, "a 10s, a 20s, a 30s", ran)
		require.Equal(t, "10s 20s 30s 40s", set)
		require.NoError(t, w.Every(t.Context(), "a", time.Minute))
		at, ok, err := w.Next("a")
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, "1m30s", since(at))
	}))
	t.Run("times that passed are made up for once", bubble(func(t *testing.T, w *world) {
		require.NoError(t, w.Every(t.Context(), "a", 10*time.Second))
		time.Sleep(35 * time.Second)
		w.advance(10 * time.Second)
		ran, _ := w.took()
		require.Equal(t, "a 10s, a 40s", ran)
	}))
	t.Run("one that keeps failing has its next time", bubble(func(t *testing.T, w *world) {
		w.does["a"] = func(w *world, _ alarms.Run) error { return errors.New("no") }
		require.NoError(t, w.Every(t.Context(), "a", 10*time.Minute))
		w.advance(25 * time.Minute)
		ran, _ := w.took()
		require.Equal(t, "a 10m0s, a 10m0s retry 1, a 10m0s retry 2, a 10m0s retry 3, a 10m0s retry 4, a 10m0s retry 5, a 10m0s retry 6, "+
			"a 20m0s, a 20m0s retry 1, a 20m0s retry 2, a 20m0s retry 3, a 20m0s retry 4, a 20m0s retry 5, a 20m0s retry 6", ran)
		require.Equal(t, "alarm a: no", w.log()[0])
		require.Equal(t, "alarm a: failed 7 times, given up", w.log()[7])
	}))
}

func TestMux_Alarm(t *testing.T) {
	fails := func(*world, alarms.Run) error { return errors.New("no") }
	t.Run("one that fails is tried again, six times, and delays nobody", bubble(func(t *testing.T, w *world) {
		var at []time.Time
		w.does["a"] = func(*world, alarms.Run) error {
			at = append(at, time.Now())
			return errors.New("no")
		}
		w.at("a", 1)
		w.at("b", 1)
		w.at("c", 4)
		w.advance(time.Hour)
		ran, _ := w.took()
		require.Equal(t, "a 1s, b 1s, a 1s retry 1, c 4s, a 1s retry 2, a 1s retry 3, a 1s retry 4, a 1s retry 5, a 1s retry 6", ran)
		for i := 1; i < len(at); i++ {
			least := time.Second << i
			require.GreaterOrEqual(t, at[i].Sub(at[i-1]), least)
			require.LessOrEqual(t, at[i].Sub(at[i-1]), least+least/4+time.Millisecond)
		}
		_, ok, err := w.Next("a")
		require.NoError(t, err)
		require.False(t, ok)
	}))
	t.Run("so is one that panics", bubble(func(t *testing.T, w *world) {
		w.does["a"] = func(_ *world, r alarms.Run) error {
			if !r.IsRetry() {
				panic("boom")
			}
			return nil
		}
		w.at("a", 1)
		w.at("b", 1)
		w.advance(time.Hour)
		ran, _ := w.took()
		require.Equal(t, "a 1s, b 1s, a 1s retry 1", ran)
		require.Equal(t, []string{"alarm a: panic: boom"}, w.log())
	}))
	t.Run("one that is scheduled anew has not failed yet", bubble(func(t *testing.T, w *world) {
		w.does["a"] = fails
		w.at("a", 1)
		w.advance(4 * time.Second)
		w.does["a"] = nil
		w.at("a", 60)
		w.advance(time.Hour)
		ran, _ := w.took()
		require.Equal(t, "a 1s, a 1s retry 1, a 1m4s", ran)
	}))
	t.Run("those that have not failed come first", bubble(func(t *testing.T, w *world) {
		w.does["a"] = fails
		w.at("a", 1)
		w.advance(time.Second)
		w.at("b", 10)
		time.Sleep(10 * time.Second)
		w.does["a"] = nil
		w.advance(0)
		ran, _ := w.took()
		require.Equal(t, "a 1s, b 11s, a 1s retry 1", ran)
	}))
	t.Run("one without a handler fails", bubble(func(t *testing.T, w *world) {
		w.at("a", 1)
		require.NoError(t, w.o.DB.Conn.Exec(`UPDATE durago_alarms SET name = 'gone/x'`))
		w.at("b", 1)
		w.advance(time.Hour)
		ran, _ := w.took()
		require.Equal(t, "b 1s", ran)
		require.Equal(t, "alarm gone/x: this program has no handler for it", w.log()[0])
		require.Len(t, w.log(), 8)
		require.Nil(t, w.o.Alarm.At)
	}))
	t.Run("a failure of the storage has the platform try again", bubble(func(t *testing.T, w *world) {
		w.at("a", 1)
		w.at("b", 2)
		w.fail = errors.New("disk")
		w.advance(time.Second)
		w.fail = nil
		w.advance(time.Hour)
		ran, _ := w.took()
		require.Equal(t, "a 1s, alarms: disk, b 2s", ran)
	}))
	for _, row := range []struct {
		name string
		does func(w *world, r alarms.Run) error
		ran  string
	}{
		{"schedules itself again", func(w *world, r alarms.Run) error {
			if len(w.ran) < 3 {
				w.at("a", 5)
			}
			return nil
		}, "a 1s, a 6s, a 11s"},
		{"schedules itself at once", func(w *world, r alarms.Run) error {
			if len(w.ran) < 3 {
				w.at("a", 0)
			}
			return nil
		}, "a 1s, a 1s, a 1s"},
		{"schedules itself again, and fails", func(w *world, r alarms.Run) error {
			if len(w.ran) < 2 {
				w.at("a", 5)
				return errors.New("no")
			}
			return nil
		}, "a 1s, a 6s"},
		{"deletes itself, and fails", func(w *world, r alarms.Run) error {
			_, err := w.Delete(w.t.Context(), "a")
			return errors.Join(err, errors.New("no"))
		}, "a 1s"},
		{"deletes itself, and schedules itself", func(w *world, r alarms.Run) error {
			if len(w.ran) == 1 {
				_, err := w.Delete(w.t.Context(), "a")
				require.NoError(w.t, err)
				w.at("a", 5)
			}
			return nil
		}, "a 1s, a 6s"},
		{"deletes another that is due too", func(w *world, r alarms.Run) error {
			_, err := w.Delete(w.t.Context(), "b")
			return err
		}, "a 1s"},
		{"moves another that is due too", func(w *world, r alarms.Run) error { w.at("b", 5); return nil }, "a 1s, b 6s"},
	} {
		t.Run("one that "+row.name, bubble(func(t *testing.T, w *world) {
			w.does["a"] = row.does
			if strings.Contains(row.name, "another") {
				w.at("b", 1)
			}
			w.at("a", 1)
			w.advance(time.Hour)
			ran, _ := w.took()
			require.Equal(t, row.ran, ran)
			require.Nil(t, w.o.Alarm.At)
		}))
	}
}
