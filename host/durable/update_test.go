package durable_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/durable"
)

const updated = "Durable Object reset because its code was updated."

// update tells the engine of new code.
func (e *engine) update(delay time.Duration) {
	_ = e.Do(func() { e.Update(0, delay) })
	e.settle()
}

func TestEngine_Update(t *testing.T) {
	started := func(e *engine, name string) (yes bool) {
		e.visit(name, func(o *durable.Object) { yes = o.Started() })
		return yes
	}
	t.Run("an object goes on until it leaves memory, and its sockets end then", bubble(func(t *testing.T) {
		e := newEngine(t, options{idle: 10 * time.Second})
		require.NoError(t, e.do("a", write))
		_, w := accept(t, e, "a")
		e.update(time.Minute)
		require.True(t, started(e, "a"))
		e.advance(9 * time.Second)
		require.NoError(t, e.do("a", write))
		require.Empty(t, w.said)
		e.advance(10 * time.Second)
		require.False(t, started(e, "a"))
		require.Equal(t, []string{"drop"}, w.said)
		_, w = accept(t, e, "a")
		e.advance(time.Minute)
		require.Empty(t, w.said, "the object has the new code")
		require.Equal(t, 2, count(t, e, "a"))
		require.NoError(t, e.stop())
	}))
	t.Run("or until the delay is over", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		_, w := accept(t, e, "a")
		e.update(time.Minute)
		e.advance(30 * time.Second)
		e.update(time.Minute) // its time counts from the first
		var a *durable.Object
		e.visit("a", func(o *durable.Object) { a = o })
		e.advance(30*time.Second - 1)
		require.True(t, started(e, "a"))
		require.NoError(t, a.Broken())
		e.advance(1)
		require.EqualError(t, a.Broken(), updated)
		var failure *durable.Error
		require.ErrorAs(t, a.Broken(), &failure)
		require.True(t, failure.Reset)
		require.Equal(t, []string{"drop"}, w.said)
		require.NoError(t, e.do("a", write))
		e.advance(time.Hour)
		require.True(t, started(e, "a"))
		require.NoError(t, e.stop())
	}))
	t.Run("or not at all", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		require.NoError(t, e.do("a", write))
		require.NoError(t, e.do("a", write))
		e.update(0)
		require.False(t, started(e, "a"))
		require.Equal(t, 2, count(t, e, "a"), "what was committed stays")
		require.NoError(t, e.stop())
	}))
	t.Run("one that hibernates loses its sockets", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		_, w := accept(t, e, "a")
		e.visit("a", func(o *durable.Object) { require.NoError(t, o.Evict()) })
		require.Empty(t, w.said)
		e.update(time.Minute)
		require.Equal(t, []string{"drop"}, w.said)
		require.NoError(t, e.stop())
	}))
	t.Run("a guest that dies is that too", bubble(func(t *testing.T) {
		e := newEngine(t, options{})
		_, w := accept(t, e, "a")
		e.update(time.Minute)
		e.visit("a", func(o *durable.Object) { o.Lost() })
		require.Equal(t, []string{"drop"}, w.said)
		require.NoError(t, e.do("a", write))
		e.advance(time.Hour)
		require.True(t, started(e, "a"))
		require.NoError(t, e.stop())
	}))
}
