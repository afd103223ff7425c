package hosttest_test

import (
	"bytes"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/build/wrangler"
	"durago.example/host/hosttest"
)

// another is the scenario's program with another version.
func another(t *testing.T, version string) []byte {
	t.Helper()
	c, err := wrangler.Load("../../testdata/guests/scenario/wrangler.toml")
	require.NoError(t, err)
	wasm := hosttest.Wasm(t, c, "")
	const first = "version one"
	require.Equal(t, 1, bytes.Count(wasm, []byte(first)))
	require.Len(t, version, len(first))
	return bytes.Replace(wasm, []byte(first), []byte(version), 1)
}

const reset = "Durable Object reset because its code was updated."

func TestHost_Update(t *testing.T) {
	t.Parallel()
	version := func(h *hosttest.Host, object string) string {
		_, text := h.Object("HOME", object).Fetch("GET", "/version", "")
		return text
	}
	t.Run("deferred", func(t *testing.T) {
		t.Parallel()
		h := scenario(t)
		require.Equal(t, "version one", version(h, "a"))
		h.Fetch("POST", "/count/a", "")
		c := h.Dial("/ws/a")
		require.Equal(t, "hi seen=1 calls=4", say(t, c, "hi"))
		slow := get(t, h, "/sleep/slow?ms=20000")
		require.Eventually(t, h.Object("HOME", "slow").InMemory, 5*time.Second, time.Millisecond)
		require.NoError(t, h.Update(t.Context(), another(t, "version two"), 5*time.Minute))
		require.Equal(t, "version two", version(h, "b"))
		require.Equal(t, "version one", version(h, "a"), "it is in memory")
		require.Equal(t, "again seen=2 calls=6", say(t, c, "again"))
		h.Advance(20 * time.Second)
		require.Equal(t, "1", <-slow, "what is under way ends")
		require.Equal(t, "version one", version(h, "slow"))
		require.NoError(t, h.Object("HOME", "slow").Evict())
		require.Equal(t, "version two", version(h, "slow"))
		h.Advance(5 * time.Minute)
		require.Equal(t, websocket.CloseAbnormalClosure, hearClose(t, c).Code)
		require.Equal(t, "version two", version(h, "a"))
		_, n := h.Fetch("POST", "/count/a", "")
		require.Equal(t, "2", n)
	})
	t.Run("immediate", func(t *testing.T) {
		t.Parallel()
		h := scenario(t)
		c := h.Dial("/ws/a")
		require.Equal(t, "hi seen=1 calls=2", say(t, c, "hi"))
		slow := get(t, h, "/sleep/slow?ms=20000")
		require.Eventually(t, h.Object("HOME", "slow").InMemory, 5*time.Second, time.Millisecond)
		require.NoError(t, h.Update(t.Context(), another(t, "version two"), 0))
		require.Equal(t, websocket.CloseAbnormalClosure, hearClose(t, c).Code)
		require.Contains(t, <-slow, reset)
		require.Equal(t, "version two", version(h, "a"))
		require.Equal(t, "version two", version(h, "slow"))
	})
	t.Run("what is no program of it changes nothing", func(t *testing.T) {
		t.Parallel()
		h := scenario(t)
		require.Equal(t, "version one", version(h, "a"))
		require.ErrorContains(t, h.Update(t.Context(), []byte("no wasm"), 0), "is not a WebAssembly module")
		c, err := wrangler.Load("../../testdata/guests/inside/wrangler.toml")
		require.NoError(t, err)
		require.ErrorContains(t, h.Update(t.Context(), hosttest.Wasm(t, c, ""), 0), "but the program has none of that name: add it to Program.Classes")
		require.ErrorContains(t, h.Update(t.Context(), another(t, "version two"), -1), "must not be negative")
		require.Equal(t, "version one", version(h, "a"))
		require.Equal(t, "version one", version(h, "b"))
	})
}

// TestHost_Update_often: nothing of old programs stays, and every request is answered by one or the other.
func TestHost_Update_often(t *testing.T) {
	h := scenario(t, func(o *hosttest.Options) { o.Isolates = 2 })
	programs := [][]byte{another(t, "version two"), another(t, "version one")}
	end := make(chan struct{})
	failed := make(chan string, 1)
	go func() {
		defer close(failed)
		for i := 0; ; i++ {
			select {
			case <-end:
				return
			default:
			}
			resp, err := http.Post(h.URL+"/count/same", "", nil)
			if err != nil {
				failed <- err.Error()
				return
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				failed <- resp.Status
				return
			}
		}
	}()
	var heap [2]uint64
	for i := range 12 {
		require.NoError(t, h.Update(t.Context(), programs[i%2], time.Hour))
		if i == 1 || i == 11 {
			h.Settle()
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			heap[i/11] = m.HeapAlloc
		}
	}
	close(end)
	require.Empty(t, <-failed)
	require.NoError(t, h.Object("HOME", "same").Evict())
	h.Settle()
	n := 0
	for _, g := range h.Guests() {
		c := make(chan int, 1)
		require.NoError(t, g.Do(func() { c <- g.Isolates() }))
		n += <-c
	}
	require.Equal(t, 2, n, "one of each loop")
	require.Less(t, heap[1], heap[0]+16<<20)
}

// TestOwnInstance: objects that do not share a Go instance.
func TestOwnInstance(t *testing.T) {
	t.Parallel()
	h := scenario(t, func(o *hosttest.Options) { o.OwnInstance, o.Isolates = true, 1 })
	isolates := func() int {
		h.Settle()
		c := make(chan int, 1)
		g := h.Guests()[0]
		require.NoError(t, g.Do(func() { c <- g.Isolates() }))
		return <-c
	}
	require.Equal(t, 1, isolates(), "the front's")
	c := h.Dial("/ws/a")
	require.Equal(t, "hi seen=1 calls=2", say(t, c, "hi"))
	_, text := h.Fetch("GET", "/touch/b", "")
	require.Equal(t, `{"calls":1}`, text)
	require.Equal(t, 3, isolates())
	status, _ := h.Object("HOME", "b").Fetch("GET", "/exit", "")
	require.Equal(t, http.StatusInternalServerError, status)
	require.Equal(t, 2, isolates())
	require.Equal(t, "again seen=2 calls=3", say(t, c, "again"), "a's memory is its own")
	require.NoError(t, h.Object("HOME", "a").Hibernate())
	require.Equal(t, 1, isolates())
	require.Equal(t, "awake seen=3 calls=1", say(t, c, "awake"))
	require.NoError(t, h.Update(t.Context(), another(t, "version two"), 0))
	require.Equal(t, 1, isolates())
	_, text = h.Object("HOME", "a").Fetch("GET", "/version", "")
	require.Equal(t, "version two", text)
}
