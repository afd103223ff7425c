package durable_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/durable"
	"durago.example/host/storage"
)

// heldEngine is an engine whose syncs wait until the disk lets them go.
func heldEngine(t *testing.T) (*engine, *disk) {
	d := newDisk()
	return newEngine(t, options{storage: storage.Options{SyncLogs: true, Disk: d}}), d
}

// passes tells whether something that the object sends now leaves at once.
func passes(e *engine, name string) (passed bool) {
	e.visit(name, func(o *durable.Object) { o.Output(func(err error) { passed = err == nil }) })
	return passed
}

type writes func(o *durable.Object) error

func put(key string) writes {
	return func(o *durable.Object) error { return o.Database().Put(key, []byte("v")) }
}

func remove(key string) writes {
	return func(o *durable.Object) error { _, err := o.Database().Delete(key); return err }
}

// alarmAt sets the alarm, in seconds of the clock; 0 deletes it.
func alarmAt(seconds int) writes {
	return func(o *durable.Object) error {
		if seconds == 0 {
			return o.SetAlarm(nil)
		}
		at := epoch.Add(time.Duration(seconds) * time.Second)
		return o.SetAlarm(&at)
	}
}

func loosely(all ...writes) writes {
	return func(o *durable.Object) error {
		return o.Database().Unconfirmed(func() error { return inOrder(all...)(o) })
	}
}

func inOrder(all ...writes) writes {
	return func(o *durable.Object) error {
		for _, f := range all {
			if err := f(o); err != nil {
				return err
			}
		}
		return nil
	}
}

// inside runs writes in a transaction of the turn.
func inside(undo bool, f writes) writes {
	return func(o *durable.Object) error {
		x, err := o.Begin()
		if err != nil {
			return err
		}
		return errors.Join(f(o), x.End(undo))
	}
}

// unconfirmed has the cases of writes with allowUnconfirmed. There are a key "there" and an alarm at 20 s before.
var unconfirmed = []struct {
	name string
	f    writes
	held bool
}{
	{"nothing", inOrder(), false},
	{"a put", put("a"), true},
	{"a loose put", loosely(put("a")), false},
	{"a loose put and another", inOrder(loosely(put("a")), put("b")), true},
	{"a put and a loose one", inOrder(put("a"), loosely(put("b"))), true},
	{"several loose puts", loosely(put("a"), put("b"), put("c")), false},
	{"a delete", remove("there"), true},
	{"a loose delete", loosely(remove("there")), false},
	{"several loose deletes", loosely(remove("there"), remove("there")), false},
	{"SQL", write, true},
	{"a loose put and SQL", inOrder(loosely(put("a")), write), true},
	{"SQL that reads", func(o *durable.Object) error { return exec(o, `SELECT 1`) }, false},
	{"an alarm", alarmAt(10), true},
	{"a loose alarm, earlier", loosely(alarmAt(10)), false},
	{"a loose alarm, later", loosely(alarmAt(30)), false},
	{"a loose alarm that is deleted", loosely(alarmAt(0)), false},
	{"a loose alarm and a put", inOrder(loosely(alarmAt(10)), put("a")), true},
	{"a loose alarm and a loose put", loosely(alarmAt(10), put("a")), false},
	{"the alarm that is set already", alarmAt(20), false},
	{"a loose put in a transaction", inside(false, loosely(put("a"))), false},
	{"a put in a transaction", inside(false, put("a")), true},
	{"a put in the innermost of three", inside(false, inOrder(loosely(put("a")), inside(false, inside(false, put("b"))))), true},
	{"a loose put within a transaction with a put", inside(false, inOrder(put("a"), inside(false, loosely(put("b"))))), true},
	{"a put that is undone", inOrder(loosely(put("a")), inside(true, put("b"))), false},
	{"a put before a transaction that is undone", inOrder(put("a"), inside(true, put("b"))), true},
	{"deleting everything", func(o *durable.Object) error { return o.DeleteAll() }, true},
}

func prepared(t *testing.T) (*engine, *disk) {
	e, d := heldEngine(t)
	d.set(false)
	require.NoError(t, e.do("a", inOrder(put("there"), alarmAt(20))))
	d.set(true)
	require.True(t, passes(e, "a"))
	return e, d
}

// set tells whether syncs are held from now on.
func (d *disk) set(hold bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hold = hold
}

func (d *disk) releaseHeld() {
	d.releaseAll()
	d.set(true)
}

// TestObject_Output_unconfirmed holds which writes what leaves waits for.
func TestObject_Output_unconfirmed(t *testing.T) {
	for _, row := range unconfirmed {
		t.Run(row.name, bubble(func(t *testing.T) {
			e, d := prepared(t)
			r := e.send("a", func(o *durable.Object, done func(error)) { done(row.f(o)) })
			e.settle()
			require.Equal(t, row.held, !r.done)
			require.Equal(t, row.held, !passes(e, "a"))
			d.releaseAll()
			e.settle()
			require.True(t, r.done)
			require.NoError(t, r.err)
			require.True(t, passes(e, "a"))
			require.NoError(t, e.stop())
		}))
	}
	t.Run("a loose one that fails resets the object all the same", bubble(func(t *testing.T) {
		e, d := prepared(t)
		require.NoError(t, e.do("a", loosely(put("a"))))
		old := start(t, e, "a")
		require.NoError(t, old.Broken())
		d.release(file(e, "a"), errors.New("input/output error"))
		e.settle()
		require.ErrorContains(t, old.Broken(), "input/output error")
		require.ErrorContains(t, e.stop(), "input/output error")
	}))
}

// TestObject_Output_transaction is the same for a transaction that may last: nothing in it is waited for before it ends.
func TestObject_Output_transaction(t *testing.T) {
	for _, row := range unconfirmed {
		if row.name == "deleting everything" {
			continue
		}
		t.Run(row.name, bubble(func(t *testing.T) {
			e, d := prepared(t)
			outer := enter(t, e, "a", nil, true)
			inner := enter(t, e, "a", outer, true)
			e.visit("a", func(o *durable.Object) { require.NoError(t, row.f(o)) })
			require.True(t, passes(e, "a"))
			require.NoError(t, leave(t, e, inner, nil))
			require.True(t, passes(e, "a"))
			require.NoError(t, leave(t, e, outer, nil))
			require.Equal(t, row.held, !passes(e, "a"))
			d.releaseAll()
			require.True(t, passes(e, "a"))
			require.NoError(t, e.stop())
		}))
	}
	t.Run("one that is undone holds nothing", bubble(func(t *testing.T) {
		e, d := prepared(t)
		s := enter(t, e, "a", nil, true)
		e.visit("a", func(o *durable.Object) { require.NoError(t, write(o)) })
		require.EqualError(t, leave(t, e, s, errors.New("undo")), "undo")
		require.True(t, passes(e, "a"))
		d.releaseAll()
		require.NoError(t, e.stop())
	}))
	t.Run("what was written before it is waited for inside", bubble(func(t *testing.T) {
		e, d := prepared(t)
		e.send("a", func(o *durable.Object, done func(error)) { done(write(o)) })
		e.settle()
		s := enter(t, e, "a", nil, true)
		e.visit("a", func(o *durable.Object) { require.NoError(t, write(o)) })
		require.False(t, passes(e, "a"))
		d.releaseHeld()
		require.True(t, passes(e, "a"))
		require.NoError(t, leave(t, e, s, nil))
		d.releaseAll()
		require.NoError(t, e.stop())
	}))
}

func TestObject_Sync(t *testing.T) {
	sync := func(e *engine) *result {
		r := &result{}
		e.visit("a", func(o *durable.Object) { o.Sync(func(err error) { r.done, r.err = true, err }) })
		return r
	}
	t.Run("is over at once when nothing is under way", bubble(func(t *testing.T) {
		e, d := prepared(t)
		require.True(t, sync(e).done)
		d.releaseAll()
		require.NoError(t, e.stop())
	}))
	for name, f := range map[string]writes{"a put": put("a"), "a loose put": loosely(put("a")), "both": inOrder(loosely(put("a")), put("b")),
		"several loose puts": loosely(put("a"), put("b"), put("c"))} {
		t.Run("waits for "+name, bubble(func(t *testing.T) {
			e, d := prepared(t)
			inTurn := &result{}
			e.send("a", func(o *durable.Object, done func(error)) {
				require.NoError(t, f(o))
				o.Sync(func(err error) { inTurn.done, inTurn.err = true, err })
				done(nil)
			})
			e.settle()
			all := []*result{inTurn, sync(e), sync(e)}
			for _, r := range all {
				require.False(t, r.done)
			}
			d.releaseHeld()
			e.settle()
			for _, r := range all {
				require.True(t, r.done)
				require.NoError(t, r.err)
			}
			require.NoError(t, e.stop())
		}))
	}
	t.Run("waits for writes before it, and no others", bubble(func(t *testing.T) {
		e, d := prepared(t)
		require.NoError(t, e.do("a", loosely(put("a"))))
		first := sync(e)
		require.NoError(t, e.do("a", loosely(put("b"))))
		second := sync(e)
		d.release(file(e, "a"), nil)
		e.settle()
		require.True(t, first.done)
		require.False(t, second.done)
		d.release(file(e, "a"), nil)
		e.settle()
		require.True(t, second.done)
		require.NoError(t, e.stop())
	}))
	t.Run("fails with the commit", bubble(func(t *testing.T) {
		e, d := prepared(t)
		require.NoError(t, e.do("a", loosely(put("a"))))
		r := sync(e)
		d.release(file(e, "a"), errors.New("input/output error"))
		e.settle()
		require.ErrorContains(t, r.err, "input/output error")
		require.ErrorContains(t, e.stop(), "input/output error")
	}))
	t.Run("does not wait for the transaction that it is called in", bubble(func(t *testing.T) {
		e, d := prepared(t)
		s := enter(t, e, "a", nil, true)
		e.visit("a", func(o *durable.Object) { require.NoError(t, write(o)) })
		require.True(t, sync(e).done)
		require.NoError(t, leave(t, e, s, nil))
		require.False(t, sync(e).done)
		d.releaseAll()
		e.settle()
		require.NoError(t, e.stop())
	}))
}
