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

func TestStorage_harness(t *testing.T) {
	t.Parallel()
	h := scenario(t)
	h.Fetch("POST", "/count/a", "")
	h.Fetch("POST", "/count/a", "")
	rows, err := h.Object("HOME", "a").SQL(`SELECT id, n FROM c`)
	require.NoError(t, err)
	require.Equal(t, []string{"1|2"}, rows)
}
