package durable_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/durable"
)

// enter opens a section in an object, from outside its events.
func enter(t *testing.T, e *engine, name string, outer *durable.Section, transaction bool) *durable.Section {
	t.Helper()
	var s *durable.Section
	e.visit(name, func(o *durable.Object) {
		o.Enter(outer, transaction, func(got *durable.Section, err error) {
			require.NoError(t, err)
			s = got
		})
	})
	require.NotNil(t, s)
	return s
}

// leave ends a section and returns what became of it.
func leave(t *testing.T, e *engine, s *durable.Section, failed error) error {
	t.Helper()
	left := false
	var result error
	require.NoError(t, e.Do(func() {
		s.Leave(failed, func(err error) { left, result = true, err })
	}))
	e.settle()
	require.True(t, left)
	return result
}

// start has an object in memory.
func start(t *testing.T, e *engine, name string) *durable.Object {
	t.Helper()
	var object *durable.Object
	require.NoError(t, e.do(name, func(o *durable.Object) error {
		object = o
		return nil
	}))
	return object
}

func TestObject_Enter(t *testing.T) {
	t.Run("events wait, in order, and others' do not", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		start(t, e, "a")
		s := enter(t, e, "a", nil, false)
		var order strings.Builder
		for _, c := range "123" {
			e.send("a", func(_ *durable.Object, done func(error)) { order.WriteRune(c); done(nil) })
		}
		require.NoError(t, e.do("b", write))
		require.Empty(t, order.String())
		require.NoError(t, leave(t, e, s, nil))
		require.Equal(t, "123", order.String())
		require.NoError(t, e.stop())
	}))
	t.Run("until the outermost is left", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		start(t, e, "a")
		outer := enter(t, e, "a", nil, false)
		inner := enter(t, e, "a", outer, false)
		r := e.send("a", func(_ *durable.Object, done func(error)) { done(nil) })
		require.NoError(t, leave(t, e, inner, nil))
		require.False(t, r.done)
		require.NoError(t, leave(t, e, outer, nil))
		require.True(t, r.done)
		require.NoError(t, e.stop())
	}))
	t.Run("before events that had come when it was asked for", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		start(t, e, "a")
		var s *durable.Section
		var order []string
		e.send("a", func(o *durable.Object, done func(error)) {
			o.Enter(nil, false, func(got *durable.Section, err error) {
				require.NoError(t, err)
				order = append(order, "section")
				s = got
			})
			done(nil)
		})
		e.send("a", func(_ *durable.Object, done func(error)) { order = append(order, "event"); done(nil) })
		e.settle()
		require.NoError(t, leave(t, e, s, nil))
		require.Equal(t, []string{"section", "event"}, order)
		require.NoError(t, e.stop())
	}))
	t.Run("two that are asked for in one turn follow each other", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		var open []*durable.Section
		require.NoError(t, e.do("a", func(o *durable.Object) error {
			for range 2 {
				o.Enter(nil, true, func(s *durable.Section, err error) {
					require.NoError(t, err)
					open = append(open, s)
					require.NoError(t, write(o))
				})
			}
			return nil
		}))
		require.Len(t, open, 1)
		require.EqualError(t, leave(t, e, open[0], errors.New("undo")), "undo")
		require.Len(t, open, 2)
		require.NoError(t, leave(t, e, open[1], nil))
		require.Equal(t, 1, count(t, e, "a"))
		require.NoError(t, e.stop())
	}))
	t.Run("one that is left waits for those in it", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		start(t, e, "a")
		outer := enter(t, e, "a", nil, true)
		inner := enter(t, e, "a", outer, true)
		var order []string
		require.NoError(t, e.Do(func() {
			outer.Leave(errors.New("undo"), func(error) { order = append(order, "outer") })
			inner.Leave(nil, func(error) { order = append(order, "inner") })
		}))
		e.settle()
		require.Equal(t, []string{"inner", "outer"}, order)
		require.NoError(t, e.stop())
	}))
	t.Run("64 deep, and no deeper", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		start(t, e, "a")
		s := enter(t, e, "a", nil, false)
		waiting := e.send("a", func(_ *durable.Object, done func(error)) { done(nil) })
		for range 63 {
			s = enter(t, e, "a", s, false)
		}
		var last error
		e.visit("a", func(o *durable.Object) { o.Enter(s, false, func(_ *durable.Section, err error) { last = err }) })
		require.EqualError(t, last, "blockConcurrencyWhile() calls are nested too deeply.")
		var failed *durable.Error
		require.ErrorAs(t, waiting.err, &failed)
		require.True(t, failed.Reset)
		require.NoError(t, e.stop())
	}))
	t.Run("for 30 seconds at most", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		start(t, e, "a")
		s := enter(t, e, "a", nil, false)
		waiting := e.send("a", func(_ *durable.Object, done func(error)) { done(nil) })
		e.advance(30*time.Second - 1)
		require.False(t, waiting.done)
		e.advance(1)
		var failed *durable.Error
		require.ErrorAs(t, waiting.err, &failed)
		require.Equal(t, "A call to blockConcurrencyWhile() in a Durable Object waited for too long. The call was canceled and the Durable Object was reset.", failed.Message)
		require.True(t, failed.Overloaded && failed.Reset)
		require.ErrorContains(t, leave(t, e, s, nil), "waited for too long")
		require.NoError(t, e.do("a", write), "the next object is new")
		require.NoError(t, e.stop())
	}))
	t.Run("one that is left in time has no limit any more", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		start(t, e, "a")
		require.NoError(t, leave(t, e, enter(t, e, "a", nil, false), nil))
		e.advance(time.Hour)
		require.NoError(t, e.do("a", write))
		require.NoError(t, e.stop())
	}))
	t.Run("one that fails resets the object", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.NoError(t, e.do("a", write))
		old := start(t, e, "a")
		s := enter(t, e, "a", nil, false)
		waiting := e.send("a", func(_ *durable.Object, done func(error)) { done(nil) })
		e.visit("a", func(o *durable.Object) {
			require.NoError(t, write(o))
			s.Leave(errors.New("boom"), func(err error) { require.EqualError(t, err, "boom") })
		})
		require.EqualError(t, waiting.err, "boom")
		late := &result{}
		old.Deliver(&durable.Event{Done: func(_ any, err error) { late.err = err }})
		require.EqualError(t, late.err, "boom", "the old object stays broken")
		require.Equal(t, 1, count(t, e, "a"), "the next is new, without what the section wrote")
		require.NoError(t, e.stop())
	}))
	t.Run("what its guest leaves open when it dies is open no more", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		start(t, e, "a")
		enter(t, e, "a", nil, false)
		r := e.send("a", func(_ *durable.Object, done func(error)) { done(nil) })
		e.visit("a", func(o *durable.Object) { o.Lost() })
		require.True(t, r.done)
		require.NoError(t, r.err)
		e.advance(time.Hour)
		require.NoError(t, e.do("a", write))
		require.NoError(t, e.stop())
	}))
}

// TestObject_Return: events that a dying guest had not begun come first, in the order of their delivery, and once more only.
func TestObject_Return(t *testing.T) {
	bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		start(t, e, "a")
		var log []string
		var events []*durable.Event
		dead := true
		event := func(name string) *durable.Event {
			return &durable.Event{Done: func(_ any, err error) { log = append(log, fmt.Sprint(name, " ", err)) },
				Payload: func(_ *durable.Object, done func(error)) {
					if dead {
						log = append(log, name+" given")
						return
					}
					done(nil)
				}}
		}
		e.visit("a", func(o *durable.Object) {
			for _, name := range []string{"one", "two", "three"} {
				events = append(events, event(name))
				o.Deliver(events[len(events)-1])
			}
			o.Lost(events[1])
			o.Deliver(event("four"))
			dead = false
			o.Return(events[0])
			o.Return(events[2])
		})
		require.Equal(t, []string{"one given", "two given", "three given", "one <nil>", "two <nil>", "three <nil>", "four <nil>"}, log)
		dead, log = true, nil
		five := event("five")
		e.visit("a", func(o *durable.Object) {
			o.Deliver(five)
			o.Lost(five)
		})
		e.visit("a", func(o *durable.Object) { o.Lost(five) })
		require.Equal(t, []string{"five given", "five given", "five the isolate ended twice before the event began"}, log)
		require.NoError(t, e.stop())
	})(t)
}

// TestObject_Lost_evicted: one whose guest has died is not made anew if nobody waits for that any more, nor ever after it has been
// evicted: the next object of its id has its database.
func TestObject_Lost_evicted(t *testing.T) {
	for _, evicted := range []bool{false, true} {
		bubble(func(t *testing.T) {
			e := newEngine(t, options{})
			made := 0
			e.constructor = func(*durable.Object) error { made++; return nil }
			old := start(t, e, "a")
			enter(t, e, "a", nil, false)
			var failed error
			waits := &durable.Event{Payload: write, Done: func(_ any, err error) { failed = err }}
			e.visit("a", func(o *durable.Object) {
				o.Deliver(waits)
				o.Lost()
				waits.Cancel()
				if evicted {
					require.NoError(t, o.Evict())
				}
			})
			require.ErrorContains(t, failed, "aborted")
			require.Equal(t, 1, made)
			require.False(t, old.Started())
			e.visit("a", func(o *durable.Object) { require.NotSame(t, old, o) })
			require.NoError(t, e.do("a", write))
			require.Equal(t, 2, made)
			require.NoError(t, e.stop())
		})(t)
	}
}

func TestObject_Deliver(t *testing.T) {
	t.Run("10,000 events may wait", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		start(t, e, "a")
		s := enter(t, e, "a", nil, false)
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
		require.EqualError(t, failed, "Durable Object is overloaded. Too many requests queued.")
		require.NoError(t, leave(t, e, s, nil))
		require.Equal(t, 10_001, done)
		require.NoError(t, last)
		require.NoError(t, e.stop())
	}))
	t.Run("128 MiB may wait, or one event that carries more", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		start(t, e, "a")
		s := enter(t, e, "a", nil, false)
		got := make([]error, 5)
		var second *durable.Event
		e.visit("a", func(o *durable.Object) {
			for i, size := range []int{200 << 20, 1, 0, 200 << 20, 128 << 20} {
				if i == 3 {
					second.Cancel()
				}
				ev := &durable.Event{Size: size, Payload: func(_ *durable.Object, f func(error)) { f(nil) }, Done: func(_ any, err error) { got[i] = err }}
				if i == 0 {
					second = ev
				}
				o.Deliver(ev)
			}
		})
		const much = "Durable Object is overloaded. Too much data queued."
		require.EqualError(t, got[0], "AbortError: The operation was aborted")
		require.EqualError(t, got[1], much)
		require.EqualError(t, got[2], much)
		require.NoError(t, got[3], "what was cancelled does not wait")
		require.EqualError(t, got[4], much)
		require.NoError(t, leave(t, e, s, nil))
		require.NoError(t, got[3])
		s = enter(t, e, "a", nil, false)
		last := e.send("a", func(_ *durable.Object, f func(error)) { f(nil) })
		require.NoError(t, leave(t, e, s, nil))
		require.True(t, last.done)
		require.NoError(t, last.err)
		require.NoError(t, e.stop())
	}))
	t.Run("for a minute at most, but for messages and alarms", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		socket, _ := accept(t, e, "a")
		messages, taken, alarms := 0, 0, 0
		e.message = func(*durable.Object, durable.SocketMessage) error { messages++; return nil }
		e.alarm = func(*durable.Object, durable.Alarm) error { alarms++; return nil }
		require.NoError(t, e.do("a", func(o *durable.Object) error {
			at := e.clock.Now().Add(time.Second)
			return o.SetAlarm(&at)
		}))
		var open []*durable.Section // one after the other: each may be open for 30 seconds
		e.visit("a", func(o *durable.Object) {
			for range 3 {
				o.Enter(nil, false, func(s *durable.Section, _ error) { open = append(open, s) })
			}
		})
		old := e.send("a", func(_ *durable.Object, f func(error)) { f(nil) })
		e.visit("a", func(o *durable.Object) { o.Sockets.Message(socket, true, nil, func() { taken++ }) })
		var young *result
		for n := range 3 {
			e.advance(25 * time.Second)
			if n == 1 {
				young = e.send("a", func(_ *durable.Object, f func(error)) { f(nil) })
			}
			require.False(t, old.done)
			require.Zero(t, taken)
			require.NoError(t, leave(t, e, open[n], nil))
		}
		require.EqualError(t, old.err, "Durable Object is overloaded. Requests queued for too long.")
		require.True(t, young.done)
		require.NoError(t, young.err)
		require.Equal(t, []int{1, 1, 1}, []int{messages, taken, alarms})
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
		e.advance(29 * time.Second)
		require.True(t, in(e))
		d.releaseAll()
		e.advance(10 * time.Second)
		require.False(t, in(e))
		require.NoError(t, e.stop())
	}))
}

// TestObject_Await: while the guest waits for storage its turn goes on.
func TestObject_Await(t *testing.T) {
	t.Run("nothing is committed, and an abort undoes all", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.NoError(t, e.do("a", write))
		var done func()
		e.send("a", func(o *durable.Object, _ func(error)) {
			require.NoError(t, write(o))
			done = o.Await()
			o.EndTurn()
			require.True(t, o.Database().Writing())
		})
		e.settle()
		e.visit("a", func(o *durable.Object) {
			done()
			o.Break(errors.New("abort"))
		})
		e.settle()
		require.Equal(t, 1, count(t, e, "a"))
		require.NoError(t, e.stop())
	}))
	t.Run("no event comes between", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		var done [2]func()
		var answer func(error)
		e.send("a", func(o *durable.Object, f func(error)) { done[0], done[1], answer = o.Await(), o.Await(), f })
		behind := e.send("a", func(_ *durable.Object, f func(error)) { f(nil) })
		e.settle()
		require.False(t, behind.done)
		e.visit("a", func(*durable.Object) { done[0]() })
		e.settle()
		require.False(t, behind.done)
		e.visit("a", func(*durable.Object) { done[1]() })
		e.settle()
		require.True(t, behind.done)
		answer(nil)
		require.NoError(t, e.stop())
	}))
}

// TestEngine_Close: an event that waits when the engine is closed fails, and its guest is not told.
func TestEngine_Close(t *testing.T) {
	bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		handled := 0
		first := e.send("a", func(o *durable.Object, _ func(error)) {
			handled++
			o.Enter(nil, false, func(*durable.Section, error) {}) // a section that nobody leaves
		})
		e.settle()
		second := e.send("a", func(_ *durable.Object, done func(error)) { handled++; done(nil) })
		e.settle()
		require.Equal(t, 1, handled)
		require.NoError(t, e.stop())
		require.Equal(t, 1, handled)
		require.False(t, first.done)
		require.EqualError(t, second.err, "durable: the engine is closed")
	})(t)
}
