package hosttest_test

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

// load counts objects up until it is told to stop.
type load struct {
	h       *hosttest.Host
	end     chan struct{}
	wg      sync.WaitGroup
	objects [8]counted
}

// counted is what the clients of one object know.
type counted struct {
	told   atomic.Int64 // the last answer
	failed atomic.Int64 // how many were none
	wrong  atomic.Pointer[string]
}

func begin(h *hosttest.Host) *load {
	l := &load{h: h, end: make(chan struct{})}
	for k := range l.objects {
		l.wg.Go(func() { l.count(fmt.Sprintf("%s/count/load%d", h.URL, k), &l.objects[k]) })
	}
	return l
}

func (l *load) count(url string, c *counted) {
	for {
		select {
		case <-l.end:
			return
		default:
		}
		resp, err := http.Post(url, "", nil)
		if err != nil {
			c.failed.Add(1)
			continue
		}
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			c.failed.Add(1)
			continue
		}
		n, err := strconv.ParseInt(string(b), 10, 64)
		if told, failed := c.told.Load(), c.failed.Load(); err != nil || n <= told || n > told+failed+1 {
			text := fmt.Sprintf("answers %q after %d, with %d that failed", b, told, failed)
			c.wrong.CompareAndSwap(nil, &text)
		}
		c.told.Store(n)
	}
}

// more waits until every object has been counted further.
func (l *load) more(t *testing.T, by int64) {
	t.Helper()
	var from [len(l.objects)]int64
	for k := range l.objects {
		from[k] = l.objects[k].told.Load()
	}
	require.Eventually(t, func() bool {
		for k := range l.objects {
			if l.objects[k].told.Load() < from[k]+by {
				return false
			}
		}
		return true
	}, 20*time.Second, time.Millisecond)
}

// stop ends it, and holds that what was answered is stored, and besides only what failed.
func (l *load) stop(t *testing.T) (failed int64) {
	t.Helper()
	close(l.end)
	l.wg.Wait()
	for k := range l.objects {
		c := &l.objects[k]
		require.Nil(t, c.wrong.Load(), "object %d", k)
		_, text := l.h.Fetch("GET", fmt.Sprint("/n/load", k), "")
		n, err := strconv.ParseInt(text, 10, 64)
		require.NoError(t, err, text)
		require.GreaterOrEqual(t, n, c.told.Load(), "object %d has lost what was answered", k)
		require.LessOrEqual(t, n, c.told.Load()+c.failed.Load(), "object %d has counted what nobody sent", k)
		failed += c.failed.Load()
	}
	return failed
}

// TestUnderLoad: the isolate of objects that are counted ends, is replaced or updated, or an object breaks. What was answered is
// kept, nothing is counted twice, and the load goes on.
func TestUnderLoad(t *testing.T) {
	for name, row := range map[string]struct {
		do     func(t *testing.T, h *hosttest.Host, round int)
		log    string // what the host says of it
		fails  bool   // requests of others may
		change func(*hosttest.Options)
	}{
		"out of memory": {func(t *testing.T, h *hosttest.Host, _ int) {
			status, _ := h.Fetch("POST", "/alloc/bad", "")
			require.NotEqual(t, http.StatusOK, status)
		}, "the isolate ended: ", true, nil},
		"exit": {func(t *testing.T, h *hosttest.Host, _ int) {
			status, _ := h.Fetch("POST", "/exit/bad?write", "")
			require.NotEqual(t, http.StatusOK, status)
		}, "the isolate ended: exit code 3", true, nil},
		"an endless loop": {func(t *testing.T, h *hosttest.Host, _ int) {
			status, _ := h.Fetch("POST", "/spin/bad", "")
			require.NotEqual(t, http.StatusOK, status)
		}, "the isolate ended: exceeded its CPU limit", true, func(o *hosttest.Options) { o.CPULimit = time.Second }},
		"recycled": {func(t *testing.T, h *hosttest.Host, round int) {
			if round > 0 { // the clock stands still, and it is not done again within ten seconds
				return
			}
			status, text := h.Fetch("GET", "/grow/bad?mb=64", "")
			require.Equal(t, http.StatusOK, status, text)
			require.Eventually(t, func() bool { return strings.Contains(h.Log(), replaced) }, 5*time.Second, time.Millisecond)
		}, replaced, false, recycled},
		"updated": {func(t *testing.T, h *hosttest.Host, round int) {
			require.NoError(t, h.Update(t.Context(), another(t, []string{"version two", "version one"}[round%2]), 0))
		}, "", true, nil},
		"an object that breaks": {func(t *testing.T, h *hosttest.Host, _ int) {
			status, text := h.Fetch("POST", "/abort/bad", "")
			require.NotEqual(t, http.StatusOK, status)
			require.Contains(t, text, "aborted on purpose")
		}, "", false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := scenario(t, func(o *hosttest.Options) {
				o.Isolates = 1
				if row.change != nil {
					row.change(o)
				}
			})
			l := begin(h)
			for round := range 3 {
				l.more(t, 5)
				row.do(t, h, round)
			}
			l.more(t, 5)
			if failed := l.stop(t); !row.fails {
				require.Zero(t, failed)
			}
			if row.log != "" {
				require.Contains(t, h.Log(), row.log)
			}
			_, n := h.Fetch("GET", "/n/bad", "")
			require.Equal(t, "0", n, "what was not committed is lost")
		})
	}
}
