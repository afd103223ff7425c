package hosttest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

// TestSchedules: package objects/alarms shares one alarm among the features of an object, also of one that has left
// memory, or another process.
func TestSchedules(t *testing.T) {
	t.Parallel()
	hosttest.Each(t, everyGates(), func(t *testing.T, h *hosttest.Host) {
		ran := func(object string) string { _, s := h.Fetch("GET", "/plan/"+object+"/", ""); return s }
		h.Fetch("POST", "/plan/a/?ms=800&at=note/1&at=fail/2&at=panic/3&at=note/4", "")
		h.Fetch("POST", "/plan/a/?delete=note/4", "")
		h.Fetch("POST", "/plan/b/?ms=20&at=again/twice", "")
		h.Fetch("POST", "/plan/c/?ms=3000&at=note", "")
		h.Fetch("POST", "/plan/d/?ms=50&every=note", "")
		h.Wait(1500 * time.Millisecond)
		require.Equal(t, "fail/2#0,note/1#0,panic/3#0", ran("a"), "who fails delays nobody")
		require.Equal(t, "again/twice#0,again/done#0", ran("b"))
		h.Unrecorded(func() { require.Contains(t, ran("d"), "note#0,note#0") })
		h.Fetch("POST", "/plan/e/?ms=1000&at=nobody", "")
		h.Unrecorded(func() { h.Fetch("POST", "/plan/d/?delete=note", "") })
		require.NoError(t, h.Object("PLAN", "c").Evict())
		h = h.Restart()
		h.Wait(3 * time.Second)
		require.Equal(t, "note#0", ran("c"), "it was out of memory")
		h.Unrecorded(func() {
			require.Equal(t, "fail/2#0,note/1#0,panic/3#0,fail/2#1,panic/3#1", sortedRetries(ran("a")))
		})
	})
}

// sortedRetries has the two retries, whose delays differ by chance, in one order.
func sortedRetries(ran string) string {
	const first, fail, panic = "fail/2#0,note/1#0,panic/3#0", ",fail/2#1", ",panic/3#1"
	if ran == first+panic+fail {
		return first + fail + panic
	}
	return ran
}
