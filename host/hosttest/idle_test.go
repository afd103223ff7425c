package hosttest_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/durable"
	"durago.example/host/hosttest"
	scenarioguest "durago.example/testdata/guests/scenario/scenario"
)

// TestIdle is what keeps an object in memory past ten seconds, and what does not.
func TestIdle(t *testing.T) {
	t.Parallel()
	options := natively(hosttest.Options{Config: "../../testdata/guests/scenario/wrangler.toml", RealTime: hosttest.WorkerdPath() != "", Isolates: 1, IdleAfter: 10 * time.Second}, scenarioguest.Program())
	hosttest.Each(t, options, func(t *testing.T, h *hosttest.Host) {
		h.Fetch("GET", "/touch/nothing", "")
		h.Fetch("GET", "/work/waituntil?ms=12500", "")
		slow := get(t, h, "/sleep/request?ms=12500")
		streamed := get(t, h, "/stream/streamed?n=13&ms=1000")
		var sockets [3]*websocket.Conn
		for i, name := range []string{"socket", "pinged", "told"} {
			if name == "pinged" {
				h.Fetch("GET", "/auto/"+name, "")
			}
			sockets[i] = h.Dial("/ws/" + name)
			require.Contains(t, say(t, sockets[i], "hi"), "hi seen=1 ")
		}
		h.Wait(9 * time.Second)
		require.Equal(t, "pong", say(t, sockets[1], "ping"))
		require.Contains(t, say(t, sockets[2], "again"), "again seen=2 ")
		h.Wait(2500 * time.Millisecond)
		for _, name := range []string{"nothing", "waituntil", "request", "streamed", "socket", "pinged", "told"} {
			h.Fetch("GET", "/stay/"+name, "")
		}
		h.Wait(1500 * time.Millisecond)
		<-slow
		for len(streamed) == 0 { // a clock that stands still may have gone on before a chunk had been read
			h.Wait(100 * time.Millisecond)
		}
		require.Contains(t, <-streamed, "chunk 12")
	})
}

// TestIdle_limit: work that does not end keeps its object in memory for 15 minutes.
func TestIdle_limit(t *testing.T) {
	t.Parallel()
	h := scenario(t, func(o *hosttest.Options) { o.IdleAfter = 10 * time.Second })
	for name, path := range map[string]string{"go": "/work/go", "waituntil": "/work/waituntil?ms=3600000"} {
		h.Fetch("GET", path, "")
		require.True(t, h.Object("HOME", name).InMemory())
	}
	h.Advance(14 * time.Minute)
	for _, name := range []string{"go", "waituntil"} {
		require.True(t, h.Object("HOME", name).InMemory(), name)
	}
	h.Advance(2*time.Minute + 10*time.Second)
	for _, name := range []string{"go", "waituntil"} {
		require.False(t, h.Object("HOME", name).InMemory(), name)
	}
	h.Advance(time.Hour)
}

// TestIdle_stream: a response that streams keeps its object in memory as long as its client stays.
func TestIdle_stream(t *testing.T) {
	t.Parallel()
	h := scenario(t, func(o *hosttest.Options) { o.IdleAfter = 10 * time.Second })
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", h.URL+"/hush/a", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	h.Advance(time.Minute)
	o := h.Object("HOME", "a")
	require.True(t, o.InMemory())
	require.ErrorIs(t, o.Evict(), durable.ErrBusy)
	leave()
	require.Eventually(t, func() bool {
		h.Advance(10 * time.Second)
		return !o.InMemory()
	}, 10*time.Second, time.Millisecond)
}
