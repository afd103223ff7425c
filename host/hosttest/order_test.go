package hosttest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

// TestSockets_order: messages come in their order, also while timers of another object have the guest run that was given some of
// them and not told to begin.
func TestSockets_order(t *testing.T) {
	h := hosttest.Start(t, hosttest.Options{Config: "../../testdata/guests/soak/wrangler.toml", Isolates: 1, RealTime: true})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for i := range 4 { // each has a timer of a millisecond again and again
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/stream/s%d?n=1000000", h.URL, i), nil)
		require.NoError(t, err)
		resp, err := h.Client().Do(r)
		require.NoError(t, err)
		wg.Go(func() {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		})
	}
	c := h.Dial("/socket/b")
	const burst = 32
	next := 0
	for range 500 {
		for i := range burst {
			require.NoError(t, c.WriteMessage(websocket.TextMessage, fmt.Append(nil, next+i)))
		}
		for range burst {
			_, b, err := c.ReadMessage()
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(next), string(b))
			next++
		}
	}
}
