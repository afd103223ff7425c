package hosttest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

func TestHost_alarms(t *testing.T) {
	t.Parallel()
	h := scenario(t)
	o := h.Object("HOME", "a")
	h.Fetch("POST", "/alarm/a?ms=60000", "")
	h.Advance(59 * time.Second)
	_, n := h.Fetch("GET", "/n/a", "")
	require.Equal(t, "0", n)
	require.NoError(t, o.Evict())
	h.Advance(time.Second)
	_, n = h.Fetch("GET", "/n/a", "")
	require.Equal(t, "100", n)

	t.Run("a failed one runs again", func(t *testing.T) {
		h.Fetch("POST", "/count/a", "")
		h.Fetch("POST", "/alarm/a?ms=1000", "")
		h.Advance(time.Second)
		_, n := h.Fetch("GET", "/n/a", "")
		require.Equal(t, "201", n)
		h.Advance(3 * time.Second)
		_, n = h.Fetch("GET", "/n/a", "")
		require.Equal(t, "301", n)
		h.Advance(time.Hour)
		_, n = h.Fetch("GET", "/n/a", "")
		require.Equal(t, "301", n)
	})
	t.Run("one that is set survives a restart", func(t *testing.T) {
		h.Fetch("POST", "/alarm/b?ms=5000", "")
		h.Stop()
		again := scenario(t, func(o *hosttest.Options) { o.Dir = h.Dir })
		again.Advance(3 * time.Hour) // its clock starts anew
		_, n := again.Fetch("GET", "/n/b", "")
		require.Equal(t, "100", n)
	})
	t.Run("time goes on over a restart of the harness", func(t *testing.T) {
		h := scenario(t)
		h.Advance(time.Hour)
		h.Fetch("POST", "/alarm/d?ms=5000", "")
		h = h.Restart()
		h.Advance(5 * time.Second)
		_, n := h.Fetch("GET", "/n/d", "")
		require.Equal(t, "100", n)
	})
	t.Run("the harness runs one now", func(t *testing.T) {
		h := scenario(t)
		o := h.Object("HOME", "c")
		h.Fetch("POST", "/alarm/c?ms=5000", "")
		ran, err := o.RunAlarm()
		require.NoError(t, err)
		require.True(t, ran)
		ran, err = o.RunAlarm()
		require.NoError(t, err)
		require.False(t, ran)
	})
}
