package durable_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/durable"
)

// enter opens a section in an object, from outside its events.
func enter(t *testing.T, e *engine, name string) *durable.Section {
	t.Helper()
	var s *durable.Section
	require.NoError(t, e.do(name, func(o *durable.Object) (err error) {
		s, err = o.Enter(false)
		return err
	}))
	return s
}

func TestObject_Enter(t *testing.T) {
	t.Run("events wait, in order, and others' do not", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		s := enter(t, e, "a")
		var order strings.Builder
		for _, c := range "123" {
			e.send("a", func(_ *durable.Object, done func(error)) { order.WriteRune(c); done(nil) })
		}
		require.NoError(t, e.do("b", write))
		e.settle()
		require.Empty(t, order.String())
		require.NoError(t, s.Leave(nil))
		e.settle()
		require.Equal(t, "123", order.String())
		require.NoError(t, e.stop())
	}))
	t.Run("until the outermost is left", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		outer := enter(t, e, "a")
		var inner *durable.Section
		e.visit("a", func(o *durable.Object) {
			var err error
			inner, err = o.Enter(false)
			require.NoError(t, err)
		})
		r := e.send("a", func(_ *durable.Object, done func(error)) { done(nil) })
		require.NoError(t, inner.Leave(nil))
		e.settle()
		require.False(t, r.done)
		require.NoError(t, outer.Leave(nil))
		e.settle()
		require.True(t, r.done)
		require.NoError(t, e.stop())
	}))
	t.Run("64 deep, and no deeper", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		enter(t, e, "a")
		waiting := e.send("a", func(_ *durable.Object, done func(error)) { done(nil) })
		e.visit("a", func(o *durable.Object) {
			for range 63 {
				_, err := o.Enter(false)
				require.NoError(t, err)
			}
			_, err := o.Enter(false)
			require.EqualError(t, err, "blockConcurrencyWhile() calls are nested too deeply.")
		})
		var failed *durable.Error
		require.ErrorAs(t, waiting.err, &failed)
		require.True(t, failed.Reset)
		require.NoError(t, e.stop())
	}))
	t.Run("for 30 seconds at most", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		s := enter(t, e, "a")
		waiting := e.send("a", func(_ *durable.Object, done func(error)) { done(nil) })
		e.advance(30*time.Second - 1)
		require.False(t, waiting.done)
		e.advance(1)
		var failed *durable.Error
		require.ErrorAs(t, waiting.err, &failed)
		require.Equal(t, "A call to blockConcurrencyWhile() in a Durable Object waited for too long. The call was canceled and the Durable Object was reset.", failed.Message)
		require.True(t, failed.Overloaded && failed.Reset)
		require.ErrorContains(t, s.Leave(nil), "waited for too long")
		require.NoError(t, e.do("a", write), "the next object is new")
		require.NoError(t, e.stop())
	}))
	t.Run("one that is left in time has no limit any more", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.NoError(t, enter(t, e, "a").Leave(nil))
		e.advance(time.Hour)
		require.NoError(t, e.do("a", write))
		require.NoError(t, e.stop())
	}))
	t.Run("one that fails resets the object", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.NoError(t, e.do("a", write))
		var old *durable.Object
		e.visit("a", func(o *durable.Object) { old = o })
		s := enter(t, e, "a")
		waiting := e.send("a", func(_ *durable.Object, done func(error)) { done(nil) })
		e.visit("a", func(o *durable.Object) {
			require.NoError(t, write(o))
			require.EqualError(t, s.Leave(errors.New("boom")), "boom")
		})
		require.EqualError(t, waiting.err, "boom")
		late := &result{}
		old.Deliver(&durable.Event{Done: func(_ any, err error) { late.err = err }})
		require.EqualError(t, late.err, "boom", "the old object stays broken")
		require.Equal(t, 1, count(t, e, "a"), "the next is new, without what the section wrote")
		require.NoError(t, e.stop())
	}))
	t.Run("a transaction that fails undoes its writes and no others", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.NoError(t, e.do("a", func(o *durable.Object) error {
			require.NoError(t, write(o))
			s, err := o.Enter(true)
			require.NoError(t, err)
			require.NoError(t, write(o))
			require.NoError(t, s.Leave(errors.New("undo")))
			return write(o)
		}))
		require.Equal(t, 2, count(t, e, "a"))
		require.NoError(t, e.stop())
	}))
}

func TestObject_Deliver(t *testing.T) {
	t.Run("10,000 events may wait", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		s := enter(t, e, "a")
		done := 0
		var last error
		e.visit("a", func(o *durable.Object) {
			for range 10_001 {
				o.Deliver(&durable.Event{Payload: func(_ *durable.Object, f func(error)) { f(nil) }, Done: func(_ any, err error) { done++; last = err }})
			}
		})
		require.Equal(t, 1, done)
		var failed *durable.Error
		require.ErrorAs(t, last, &failed)
		require.True(t, failed.Overloaded && !failed.Reset)
		require.NoError(t, s.Leave(nil))
		e.settle()
		require.Equal(t, 10_001, done)
		require.NoError(t, last)
		require.NoError(t, e.stop())
	}))
	t.Run("a constructor that fails fails what waits for it; the next event makes another", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		made := 0
		e.constructor = func(*durable.Object) error {
			if made++; made == 1 {
				return &durable.Error{Name: "RangeError", Message: "ctor boom"}
			}
			return nil
		}
		err := e.do("a", write)
		var failed *durable.Error
		require.ErrorAs(t, err, &failed)
		require.Equal(t, "RangeError: ctor boom", failed.Error())
		require.True(t, failed.Reset)
		require.NoError(t, e.do("a", write))
		require.NoError(t, e.stop())
	}))
	t.Run("a commit that fails resets the object after its answer was computed", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.NoError(t, e.do("a", func(o *durable.Object) error {
			return exec(o, `CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p DEFERRABLE INITIALLY DEFERRED)`)
		}))
		err := e.do("a", func(o *durable.Object) error { return exec(o, `INSERT INTO c VALUES (1)`) })
		require.EqualError(t, err, "Durable Object was reset and rolled back to its last known good state because the application left the database in a state where constraints were violated: FOREIGN KEY constraint failed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)")
		require.NoError(t, e.do("a", func(o *durable.Object) error { return exec(o, `INSERT INTO p VALUES (1); INSERT INTO c VALUES (1)`) }))
		require.NoError(t, e.stop())
	}))
}

// TestObject_Evict: an object leaves memory after ten idle seconds, and not while something is under way.
func TestObject_Evict(t *testing.T) {
	in := func(e *engine) (started bool) {
		e.visit("a", func(o *durable.Object) { started = o.Started() })
		return started
	}
	idle := options{idle: 10 * time.Second}
	t.Run("ten seconds after the last event", bubble(func(t *testing.T) {
		e := newEngine(t, idle)
		require.NoError(t, e.do("a", write))
		e.advance(9 * time.Second)
		require.NoError(t, e.do("a", write))
		e.advance(10*time.Second - 1)
		require.True(t, in(e))
		e.advance(1)
		require.False(t, in(e))
		require.Zero(t, e.store.OpenDatabases())
		require.Equal(t, 1, e.gone)
		require.Equal(t, 2, count(t, e, "a"))
		require.NoError(t, e.stop())
	}))
	for _, row := range []struct {
		name string
		hold func(t *testing.T, e *engine) (release func())
	}{
		{"an event", func(_ *testing.T, e *engine) func() {
			var end func(error)
			e.send("a", func(_ *durable.Object, done func(error)) { end = done })
			e.settle()
			return func() { end(nil) }
		}},
		{"work", func(_ *testing.T, e *engine) (release func()) {
			e.visit("a", func(o *durable.Object) { release = o.Hold() })
			return release
		}},
	} {
		t.Run(row.name+" keeps it", bubble(func(t *testing.T) {
			e := newEngine(t, idle)
			require.NoError(t, e.do("a", write))
			release := row.hold(t, e)
			e.advance(time.Hour)
			require.True(t, in(e))
			e.visit("a", func(o *durable.Object) { require.ErrorIs(t, o.Evict(), durable.ErrBusy) })
			release()
			e.advance(10*time.Second - 1)
			require.True(t, in(e))
			e.advance(1)
			require.False(t, in(e))
			require.NoError(t, e.stop())
		}))
	}
	t.Run("a write that is not durable keeps it", bubble(func(t *testing.T) {
		d := newDisk()
		o := idle
		o.storage.SyncLogs, o.storage.Disk = true, d
		e := newEngine(t, o)
		e.send("a", func(o *durable.Object, done func(error)) { done(write(o)) })
		e.settle()
		e.advance(time.Hour)
		require.True(t, in(e))
		d.releaseAll()
		e.advance(10 * time.Second)
		require.False(t, in(e))
		require.NoError(t, e.stop())
	}))
}
