package hosttest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

// The home context is what workerd enforces: each of these runs there too, where a platform call made for another
// object or request fails. On the host they run with the numbers divided, since nothing can go wrong in that way.

func scale(h *hosttest.Host, n int) int {
	if h.Workerd() {
		return n
	}
	return n / 20
}

// unharmed checks what must never be said.
func unharmed(t *testing.T, h *hosttest.Host) {
	t.Helper()
	require.NotContains(t, h.Log(), "on behalf of a different")
	require.NotContains(t, h.Log(), "fatal error")
}

// TestHomeContext_sleep: B's timer is set while A sleeps, and either wakes in its own context.
func TestHomeContext_sleep(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, h *hosttest.Host) {
		a := get(t, h, "/sleep/a?ms=400")
		time.Sleep(100 * time.Millisecond)
		b := get(t, h, "/sleep/b?ms=600")
		h.Record("a: %s, b: %s", <-a, <-b)
		// The front sleeps too, and starts a goroutine's work in an object that outlives its event.
		f, g := get(t, h, "/fsleep/c?ms=800"), get(t, h, "/later/c?ms=100")
		h.Record("front: %s, later: %s", <-f, <-g)
		time.Sleep(50 * time.Millisecond)
		h.Fetch("GET", "/n/c", "")
		unharmed(t, h)
	})
}

// each runs f n times, several at once.
func each(width, n int, f func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range width {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// TestHomeContext_storm: twenty objects and many requests sleep, wait for each other and lock across each other, while
// some objects are aborted and evicted.
func TestHomeContext_storm(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, h *hosttest.Host) {
		const objects = 20
		rounds := scale(h, 1000)
		var mu sync.Mutex
		bad := map[string]int{}
		h.Unrecorded(func() {
			each(32, rounds, func(i int) {
				path := fmt.Sprintf("/mix/m%d?seed=%d&steps=10&objects=%d", i%objects, i, objects)
				switch {
				case i%10 == 3:
					path = fmt.Sprintf("/fmix/m%d?seed=%d&steps=10", i%objects, i)
				case i%50 == 7: // objects beside those of the storm
					_, _ = h.Client().Get(h.URL + fmt.Sprintf("/abort/x%d", i%3))
					return
				case i%50 == 17:
					_ = h.Object("HOME", fmt.Sprintf("x%d", i%3)).Evict()
					return
				case i%50 == 27:
					path = fmt.Sprintf("/sleep/x%d?ms=%d", i%3, i%40)
				}
				answer := <-get(t, h, path)
				if strings.HasPrefix(path, "/sleep/x") {
					return // it may have been aborted
				}
				mu.Lock()
				bad[answer]++
				mu.Unlock()
			})
		})
		delete(bad, "ok")
		require.Empty(t, bad)
		unharmed(t, h)
		h.Record("a first query after the storm:")
		h.Fetch("POST", "/count/fresh", "")
	}, outside)
}

// TestHomeContext_wakes: two objects, and two requests, wake each other a hundred thousand times in all, long past the
// point where V8 has optimised the code that does it. Each wake is followed by a call that only the right context may
// make.
func TestHomeContext_wakes(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, h *hosttest.Host) {
		n := scale(h, 50_000)
		for _, path := range []string{"/ping/", "/fping/"} {
			h.Unrecorded(func() {
				a := get(t, h, fmt.Sprintf("%sa?side=0&n=%d", path, n))
				b := get(t, h, fmt.Sprintf("%sb?side=1&n=%d", path, n))
				want := fmt.Sprintf("%d wakes", n)
				require.Equal(t, want, <-a)
				require.Equal(t, want, <-b)
			})
			h.Record("%s: every wake in its own context", path)
		}
		unharmed(t, h)
	}, outside, sharedMemory)
}

// resetting makes connections that end with a reset: workerd takes a mere end of input for a half-closed connection and
// goes on.
func resetting(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err == nil {
		err = c.(*net.TCPConn).SetLinger(0)
	}
	return c, err
}

// TestCancel: a client that goes away cancels the context of the object's handler, through the front.
func TestCancel(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, h *hosttest.Host) {
		client := &http.Client{Transport: &http.Transport{DialContext: resetting}}
		defer client.CloseIdleConnections()
		for _, path := range []string{"/sleepctx/a?ms=600000", "/ffetch/a?path=/sleepctx/a?ms=600000"} {
			ctx, cancel := context.WithCancel(t.Context())
			gone := make(chan error, 1)
			go func() {
				r, err := http.NewRequestWithContext(ctx, "GET", h.URL+path, nil)
				if err == nil {
					var resp *http.Response
					if resp, err = client.Do(r); err == nil {
						err = resp.Body.Close()
					}
				}
				gone <- err
			}()
			waiting := func(n string) func() bool { return func() bool { return <-get(t, h, "/waiting/a") == n } }
			require.Eventually(t, waiting("1"), 5*time.Second, 5*time.Millisecond)
			cancel()
			require.ErrorIs(t, <-gone, context.Canceled)
			require.Eventually(t, waiting("0"), 5*time.Second, 5*time.Millisecond)
			h.Record("%s: cancelled", path)
		}
	}, outside)
}

// TestHomeContext_cancelled: clients go away from requests that sleep; no goroutine stays.
func TestHomeContext_cancelled(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, h *hosttest.Host) {
		goroutines := func() int {
			n, err := strconv.Atoi(<-get(t, h, "/goroutines/a"))
			require.NoError(t, err)
			return n
		}
		h.Unrecorded(func() {
			before := goroutines()
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DialContext: resetting}}
			defer client.CloseIdleConnections()
			each(64, scale(h, 10_000), func(i int) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+rand.IntN(10))*time.Millisecond)
				defer cancel()
				path := "/fsleep/a?ms=600000"
				if i%4 == 0 {
					path = fmt.Sprintf("/sleepctx/a%d?ms=600000", i%7)
				}
				r, err := http.NewRequestWithContext(ctx, "GET", h.URL+path, nil)
				if err != nil {
					return
				}
				if resp, err := client.Do(r); err == nil {
					_ = resp.Body.Close()
				}
			})
			if !h.Native() { // where the number is the process's, and goleak's business
				require.Eventually(t, func() bool { return goroutines() <= before+64 }, 10*time.Second, 50*time.Millisecond, "idle workers stay, up to 64")
			}
		})
		h.Fetch("GET", "/touch/fresh", "")
		unharmed(t, h)
	}, outside)
}
