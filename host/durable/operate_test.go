package durable_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/durable"
	"durago.example/host/storage"
)

func (e *engine) beside(ctx context.Context, name string, f func(o *durable.Object) error) *ended {
	r := &ended{}
	e.visit(name, func(o *durable.Object) {
		o.Beside(ctx, func() error { return f(o) }, func(err error) { r.done, r.err = true, err })
	})
	return r
}

func (e *engine) delete(name string) *ended {
	r := &ended{}
	require.NoError(e.t, e.ns.Delete(e.ns.IDFromName(name), func(err error) { r.done, r.err = true, err }))
	e.settle()
	return r
}

func (e *engine) file(name string) string {
	return e.store.Database(e.ns.UniqueKey, e.ns.IDFromName(name)).File()
}

func TestObject_Beside(t *testing.T) {
	t.Run("what it writes is durable, and nobody is made for it", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.NoError(t, e.do("a", write))
		e.visit("a", func(o *durable.Object) { require.NoError(t, o.Evict()) })
		require.Equal(t, &ended{done: true}, e.beside(t.Context(), "a", write))
		e.visit("a", func(o *durable.Object) { require.False(t, o.Started()) })
		require.Zero(t, e.store.OpenDatabases(), "and it is not left open")
		require.Equal(t, 2, count(t, e, "a"))
		require.NoError(t, e.stop())
	}))
	t.Run("an object that has stored nothing", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.ErrorIs(t, e.beside(t.Context(), "a", write).err, durable.ErrNoData)
		require.NoFileExists(t, e.file("a"))
		require.NoError(t, e.stop())
	}))
	t.Run("a critical section", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.NoError(t, e.do("a", write))
		var open *durable.Section
		e.visit("a", func(o *durable.Object) {
			o.Enter(nil, false, func(s *durable.Section, err error) { open = s })
		})
		require.NotNil(t, open)
		ctx, cancel := context.WithCancel(t.Context())
		late := e.beside(ctx, "a", write)
		waits := e.beside(t.Context(), "a", write)
		require.False(t, waits.done)
		cancel()
		e.visit("a", func(*durable.Object) { open.Leave(nil, func(error) {}) })
		require.Equal(t, &ended{done: true}, waits)
		require.ErrorIs(t, late.err, context.Canceled)
		require.Equal(t, 2, count(t, e, "a"))
		require.NoError(t, e.stop())
	}))
	t.Run("together or not at all", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.NoError(t, e.do("a", write))
		no := errors.New("no")
		r := e.beside(t.Context(), "a", func(o *durable.Object) error {
			return o.Together(func() error { return errors.Join(write(o), no) })
		})
		require.ErrorIs(t, r.err, no)
		require.Equal(t, 1, count(t, e, "a"))
		require.NoError(t, e.stop())
	}))
}

func TestNamespace_Delete(t *testing.T) {
	t.Run("nothing is left", bubble(func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "state")
		e := newEngine(t, options{storage: storage.Options{Dir: dir}})
		at := epoch.Add(time.Hour)
		rang := 0
		e.alarm = func(*durable.Object, durable.Alarm) error { rang++; return nil }
		require.NoError(t, e.do("a", func(o *durable.Object) error { return errors.Join(write(o), o.SetAlarm(&at)) }))
		require.NoError(t, e.do("b", write))
		_, conn := accept(t, e, "a")
		require.Equal(t, 1, e.ns.Alarms())
		require.EqualValues(t, 1, e.ns.Counts().Sockets.Load())
		require.Equal(t, &ended{done: true}, e.delete("a"))
		require.Equal(t, []string{"drop"}, conn.said)
		require.Zero(t, e.ns.Alarms())
		require.Zero(t, e.ns.Counts().Sockets.Load())
		require.EqualValues(t, 1, e.ns.Counts().Objects.Load(), "b")
		e.settle()
		require.NoFileExists(t, e.file("a"))
		require.ErrorIs(t, e.delete("a").err, durable.ErrNoData)
		e.advance(2 * time.Hour)
		require.Zero(t, rang)
		require.NoError(t, e.do("a", func(o *durable.Object) error {
			require.False(t, o.Database().Exists())
			return nil
		}))
		require.Equal(t, 1, count(t, e, "b"))
		require.NoError(t, e.stop())
		e = newEngine(t, options{storage: storage.Options{Dir: dir}})
		require.NoError(t, e.Start())
		require.Zero(t, e.ns.Alarms())
		require.Equal(t, 1, count(t, e, "b"))
		require.NoError(t, e.stop())
	}))
	t.Run("events that are under way fail, and those that come find another object", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.NoError(t, e.do("a", write))
		hangs := e.send("a", func(*durable.Object, func(error)) {})
		e.settle()
		require.False(t, hangs.done)
		gone := &ended{}
		require.NoError(t, e.ns.Delete(e.ns.IDFromName("a"), func(err error) { gone.done, gone.err = true, err }))
		next := e.send("a", func(o *durable.Object, done func(error)) { done(write(o)) })
		e.settle()
		require.Equal(t, &ended{done: true}, gone)
		require.True(t, next.done)
		require.NoError(t, next.err)
		require.Equal(t, 1, count(t, e, "a"))
		require.NoError(t, e.stop())
	}))
	t.Run("an object in memory that has stored nothing", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.NoError(t, e.do("a", func(*durable.Object) error { return nil }))
		require.Equal(t, &ended{done: true}, e.delete("a"))
		require.Zero(t, e.ns.Counts().Objects.Load())
		require.NoError(t, e.stop())
	}))
}

// TestNamespace_Counts: what is counted comes back to nothing, whatever way objects go.
func TestNamespace_Counts(t *testing.T) {
	t.Run("", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		c := e.ns.Counts()
		for _, leave := range []func(o *durable.Object){
			func(o *durable.Object) { o.Abort() },
			func(o *durable.Object) { o.Break(errors.New("on purpose")) },
			func(o *durable.Object) { require.NoError(t, o.Evict()) },
			func(o *durable.Object) { o.Lost() },
		} {
			require.NoError(t, e.do("a", write))
			require.EqualValues(t, 1, c.Objects.Load())
			e.visit("a", leave)
			require.Zero(t, c.Objects.Load())
		}
		require.NoError(t, e.do("a", write))
		var open *durable.Section
		e.visit("a", func(o *durable.Object) { o.Enter(nil, false, func(s *durable.Section, err error) { open = s }) })
		require.NotNil(t, open)
		e.send("a", func(_ *durable.Object, done func(error)) { done(nil) })
		e.send("a", func(_ *durable.Object, done func(error)) { done(nil) })
		e.settle()
		require.EqualValues(t, 2, c.Waiting.Load())
		e.visit("a", func(o *durable.Object) { o.Abort() })
		require.Zero(t, c.Waiting.Load())
		require.NoError(t, e.stop())
	}))
}
