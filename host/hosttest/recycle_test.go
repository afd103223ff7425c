package hosttest_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

func recycled(o *hosttest.Options) { o.Isolates, o.RecycleAt = 1, 48<<20 }

// memory is that of the first isolate, in MiB.
func memory(t *testing.T, h *hosttest.Host) uint64 {
	t.Helper()
	c := make(chan uint64, 1)
	g := h.Guests()[0]
	require.NoError(t, g.Do(func() { c <- g.Present().Memory() }))
	return <-c >> 20
}

const replaced = "the isolate is replaced: its memory has grown to "

// TestRecycle: an isolate whose memory has grown past the mark is replaced while requests and messages come, and each of them is
// handled once, in order. The clock stands still, so that what is under way may take its time.
func TestRecycle(t *testing.T) {
	t.Parallel()
	h := scenario(t, recycled)
	_, text := h.Fetch("GET", "/work/background", "") // a goroutine that waits for ever, and keeps nothing
	require.Equal(t, "begun", text)
	c := h.Dial("/ws/room")
	require.Equal(t, "hi seen=1 calls=2", say(t, c, "hi"))
	const objects, each = 8, 60
	var wg sync.WaitGroup
	for k := range objects {
		wg.Go(func() {
			for i := range each {
				resp, err := http.Post(fmt.Sprintf("%s/count/o%d", h.URL, k), "", nil)
				if err != nil {
					t.Error(err)
					return
				}
				var n int
				_, err = fmt.Fscan(resp.Body, &n)
				_ = resp.Body.Close()
				if err != nil || n != i+1 {
					t.Errorf("o%d answers %d to request %d: %v", k, n, i+1, err)
					return
				}
			}
		})
	}
	for i := range each {
		if i == 10 {
			_, text := h.Fetch("GET", "/grow/large?mb=64", "")
			require.Equal(t, "64", text)
		}
		require.Contains(t, say(t, c, "m"), fmt.Sprintf("m seen=%d ", i+2))
	}
	wg.Wait()
	require.Eventually(t, func() bool { return strings.Contains(h.Log(), replaced) }, 5*time.Second, time.Millisecond)
	require.Less(t, memory(t, h), uint64(48))
	require.Equal(t, 1, strings.Count(h.Log(), replaced))
	require.NotContains(t, h.Log(), "the isolate ended")
}

// TestRecycle_waits: what is under way is waited for a while, then all goes on, and the isolate is replaced later.
func TestRecycle_waits(t *testing.T) {
	t.Parallel()
	h := scenario(t, recycled)
	slow := get(t, h, "/sleep/slow?ms=60000")
	require.Eventually(t, h.Object("HOME", "slow").InMemory, 5*time.Second, time.Millisecond)
	_, text := h.Fetch("GET", "/grow/large?mb=64", "")
	require.Equal(t, "64", text)
	held := get(t, h, "/touch/other")
	h.Settle()
	require.Empty(t, held, "what comes is held back")
	h.Advance(250 * time.Millisecond)
	require.Eventually(t, func() bool { return len(held) == 1 }, 5*time.Second, time.Millisecond, "but not for longer than that")
	require.NotContains(t, h.Log(), replaced)
	require.Empty(t, slow)
	h.Advance(60 * time.Second)
	require.Eventually(t, func() bool { return len(slow) == 1 }, 5*time.Second, time.Millisecond)
	h.Fetch("GET", "/touch/other", "")
	require.Eventually(t, func() bool { return strings.Contains(h.Log(), replaced) }, 5*time.Second, time.Millisecond)
	_, n := h.Fetch("POST", "/count/other", "")
	require.Equal(t, "1", n)
	require.Less(t, memory(t, h), uint64(48))
}

// TestRecycle_live: a program that needs the memory is not replaced all the time.
func TestRecycle_live(t *testing.T) {
	t.Parallel()
	h := scenario(t, recycled)
	for range 5 {
		_, text := h.Fetch("GET", "/grow/large?mb=64", "")
		require.Equal(t, "64", text)
		h.Settle()
	}
	require.Equal(t, 1, strings.Count(h.Log(), replaced))
	h.Advance(10 * time.Second)
	h.Fetch("GET", "/touch/large", "")
	require.Eventually(t, func() bool { return strings.Count(h.Log(), replaced) == 2 }, 5*time.Second, time.Millisecond)
}

// TestRecycle_held: messages and calls that come while the isolate waits for what is under way are the new guest's, in order.
func TestRecycle_held(t *testing.T) {
	t.Parallel()
	h := scenario(t, recycled)
	c := h.Dial("/ws/room")
	require.Equal(t, "hi seen=1 calls=2", say(t, c, "hi"))
	slow := get(t, h, "/sleep/slow?ms=100")
	require.Eventually(t, h.Object("HOME", "slow").InMemory, 5*time.Second, time.Millisecond)
	_, text := h.Fetch("GET", "/grow/large?mb=64", "")
	require.Equal(t, "64", text)
	h.Settle()
	for i := range 3 {
		require.NoError(t, c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "m%d", i)))
	}
	called := make(chan error, 1)
	go func() {
		_, err := h.Object("HOME", "room").CallRPC(t.Context(), "count", arguments(t))
		called <- err
	}()
	front := get(t, h, "/touch/new")
	h.Settle()
	require.Zero(t, len(front)+len(called)+len(slow))
	h.Advance(100 * time.Millisecond)
	for i := range 3 {
		require.Equal(t, fmt.Sprintf("m%d seen=%d calls=%d", i, i+2, i+1), hear(t, c))
	}
	require.NoError(t, <-called)
	<-front
	<-slow
	require.Equal(t, 1, strings.Count(h.Log(), replaced))
}
