package hosttest_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

// TestTogether: goroutines of one event, and events of one object, get what is theirs whenever the collector interrupts them.
func TestTogether(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, h *hosttest.Host) {
		var list []<-chan string
		for i := range 3 {
			list = append(list, get(t, h, fmt.Sprintf("/together/a?n=%d", 10*i)))
		}
		for i, answer := range list {
			h.Record("%d: %s", i, <-answer)
		}
	}, realTime)
}

// TestTogether_turns: the heap is collected, and not within turns.
func TestTogether_turns(t *testing.T) {
	t.Parallel()
	h := scenario(t)
	var text string
	for range 100 {
		_, text = h.Fetch("GET", "/litter/a", "")
	}
	var all, within int
	_, err := fmt.Sscan(text, &all, &within)
	require.NoError(t, err, text)
	require.Zero(t, within)
	require.InDelta(t, 100/4, all, 15)
}
