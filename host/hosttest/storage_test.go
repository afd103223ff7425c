package hosttest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

func TestStorage(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, h *hosttest.Host) {
		h.Fetch("POST", "/count/a", "")
		h.Fetch("POST", "/count/a", "")
		h.Fetch("GET", "/kv/a", "")
		for _, mode := range []string{"", "fail"} {
			h.Fetch("POST", "/transaction/a?mode="+mode, "")
			h.Fetch("POST", "/transaction/a?async&mode="+mode, "")
		}
		h.Fetch("POST", "/block/a?ms=5", "")
		require.NoError(t, h.Object("HOME", "a").Evict())
		h.Fetch("GET", "/n/a", "")
		h = h.Restart()
		_, n := h.Fetch("POST", "/count/a", "")
		require.Equal(t, "7", n)
	})
}

// TestStorage_values: values of every kind, and the limits, are the platform's.
func TestStorage_values(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, h *hosttest.Host) {
		h.Fetch("POST", "/keep/a", "")
		h.Fetch("GET", "/kept/a", "")
		h.Fetch("POST", "/undefined/a", "")
		h.Fetch("POST", "/large/a?n=8388627", "")
		h.Fetch("POST", "/large/a?n=8388628", "")
		c := h.Dial("/ws/a")
		h.Record("%s", say(t, c, "attach 16379"))
		h.Record("%s", say(t, c, "attach 16380"))
	})
}

func TestStorage_harness(t *testing.T) {
	t.Parallel()
	h := scenario(t)
	h.Fetch("POST", "/count/a", "")
	h.Fetch("POST", "/count/a", "")
	rows, err := h.Object("HOME", "a").SQL(`SELECT id, n FROM c`)
	require.NoError(t, err)
	require.Equal(t, []string{"1|2"}, rows)
}
