package hosttest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

func TestBodies(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, h *hosttest.Host) {
		big := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
		h.Unrecorded(func() {
			for _, path := range []string{"/echo/a", "/ffetch/a?path=/echo/a"} {
				_, got := h.Fetch("POST", path, big)
				require.True(t, got == big, "%s: %d bytes came back", path, len(got))
			}
			_, got := h.Fetch("POST", "/body/a", big)
			require.Equal(t, "1048576 bytes", got)
		})
		h.Fetch("POST", "/body/a", "")
		h.Fetch("POST", "/echo/a", "small")
		h.Fetch("POST", "/ffetch/a?path=/echo/a", "small")
		_, got := h.Fetch("GET", "/stream/a?n=3&ms=1", "")
		require.Equal(t, "chunk 0\nchunk 1\nchunk 2\n", got)
	})
}
