package hosttest_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/wasm/abi"
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

// TestBodies_unread: of a body that its handler has not read, and of an answer that nobody has read to its end, nothing is left.
func TestBodies_unread(t *testing.T) {
	t.Parallel()
	hosttest.Each(t, hosttest.Options{Config: "../../testdata/guests/soak/wrangler.toml", Isolates: 1, RealTime: true, NoSync: true}, func(t *testing.T, h *hosttest.Host) {
		h.Unrecorded(func() {
			each(8, abi.MaxLinks+100, func(int) { // workerd has a stream for an empty body, too
				resp := h.Do("POST", "/stream/b?n=0", "")
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Error(resp.Status)
				}
			})
			if !h.Workerd() {
				for range 20 {
					_, _ = h.Fetch("POST", "/stream/b?n=0", strings.Repeat("x", 1<<20))
					_, _ = h.Fetch("POST", "/unread/b?to=a", "")
				}
				h.Fetch("GET", "/collect/b", "")
				_, _ = h.Fetch("POST", "/unread/b?to=a", "") // it tells of those that have been found
				require.Eventually(t, func() bool { return count(t, h, 0).streams <= 2 }, 10*time.Second, 10*time.Millisecond, "both ends of the last one")
			}
		})
		_, answer := h.Fetch("GET", "/lend/a?to=b&n=1000", "") // b would have too many
		require.Equal(t, "1006", answer)
	})
}

// TestBodies_pressure: what a slow client does not read the object does not write, and what the object does not read
// the client does not send; in between lie the buffers of the sockets.
func TestBodies_pressure(t *testing.T) {
	t.Parallel()
	const mb, between = 64, 24
	both(t, func(t *testing.T, h *hosttest.Host) {
		resp := h.Do("GET", "/flood/a?mb=64", "")
		defer resp.Body.Close()
		_, err := io.ReadFull(resp.Body, make([]byte, 1<<20))
		require.NoError(t, err)
		var last string
		settled := func() bool { // the same twice in a row: it has come to rest
			now := <-get(t, h, "/flooded/a")
			rest := now == last
			last = now
			return rest
		}
		require.Eventually(t, settled, 10*time.Second, 100*time.Millisecond)
		n, err := strconv.Atoi(last)
		require.NoError(t, err)
		require.Less(t, n, between)
		rest, err := io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		require.EqualValues(t, (mb-1)<<20, rest)
		h.Record("down: all %d MiB arrive, no more than %d under way", mb, between)

		var sent atomic.Int64
		answer := make(chan string, 1)
		go func() {
			r, w := io.Pipe()
			go func() {
				block := make([]byte, 64<<10)
				for sent.Load() < mb<<20 {
					if _, err := w.Write(block); err != nil {
						return
					}
					sent.Add(int64(len(block)))
				}
				_ = w.Close()
			}()
			resp, err := http.Post(h.URL+"/swallow/b", "application/octet-stream", r)
			if err != nil {
				answer <- err.Error()
				return
			}
			defer resp.Body.Close()
			b, _ := io.ReadAll(resp.Body)
			answer <- string(b)
		}()
		before := int64(-1)
		require.Eventually(t, func() bool {
			now := sent.Load()
			rest := now > 0 && now == before
			before = now
			return rest
		}, 10*time.Second, 200*time.Millisecond)
		require.Less(t, before, int64(between<<20))
		<-get(t, h, "/tell/b")
		require.Equal(t, "67108864 bytes", <-answer)
		h.Record("up: all %d MiB arrive, no more than %d under way", mb, between)
	}, outside)
}
