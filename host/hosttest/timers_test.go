package hosttest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHost_timers(t *testing.T) {
	t.Parallel()
	h := scenario(t)
	a, b := get(t, h, "/sleep/a?ms=400"), get(t, h, "/sleep/b?ms=600")
	require.Eventually(t, func() bool {
		return h.Object("HOME", "a").InMemory() && h.Object("HOME", "b").InMemory()
	}, 5*time.Second, time.Millisecond)
	h.Advance(399 * time.Millisecond)
	require.Empty(t, a)
	h.Advance(time.Millisecond)
	require.Equal(t, "1", <-a)
	require.Empty(t, b)
	h.Advance(200 * time.Millisecond)
	require.Equal(t, "1", <-b)
}
