package hosttest_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host"
	"durago.example/host/hosttest"
	"durago.example/host/storage/powerloss"
	"durago.example/wasm/abi"
)

// neighbours are the names of two objects of different loops.
func neighbours(t *testing.T, h *hosttest.Host) (a, b string) {
	t.Helper()
	ns, ok := h.Namespace("HOME")
	require.True(t, ok)
	for i := 0; ; i++ {
		switch name := fmt.Sprint("o", i); {
		case ns.LoopOf(ns.IDFromName(name)) != 0:
			b = name
		default:
			a = name
		}
		if a != "" && b != "" {
			return a, b
		}
	}
}

// touches asks for url 500 times a second, whatever becomes of those before, until stop says so, and returns how long each
// answer took, sorted.
func touches(t *testing.T, url string, stop func() bool) []time.Duration {
	t.Helper()
	var mu sync.Mutex
	var took []time.Duration
	var wg sync.WaitGroup
	began := time.Now()
	for i := 0; !stop(); i++ {
		due := began.Add(time.Duration(i) * 2 * time.Millisecond)
		time.Sleep(time.Until(due))
		wg.Go(func() {
			resp, err := http.Get(url)
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(due))
		})
	}
	wg.Wait()
	slices.Sort(took)
	return took
}

func after(d time.Duration) func() bool {
	end := time.Now().Add(d)
	return func() bool { return time.Now().After(end) }
}

// TestBusy: while an object computes for two seconds the objects of the other isolate are served as before, also by way of
// the front, and the log says whose run it was. The test's own bound is generous: the machine has others. DURAGO_ROUNDS asks
// for more rounds than one, whose ratios it reports.
func TestBusy(t *testing.T) {
	h := scenario(t, realTime, func(o *hosttest.Options) { o.Isolates = 2 })
	busy, other := neighbours(t, h)
	for _, name := range []string{busy, other} {
		h.Fetch("GET", "/touch/"+name, "")
	}
	url := h.URL + "/touch/" + other
	touches(t, url, after(100*time.Millisecond))
	var ratios []float64
	for range powerloss.Number(t, "DURAGO_ROUNDS", 1) {
		before := touches(t, url, after(time.Second))
		var done atomic.Bool
		computed := get(t, h, "/compute/"+busy+"?ms=2000")
		go func() {
			require.Equal(t, "computed", <-computed)
			done.Store(true)
		}()
		during := touches(t, url, done.Load)
		p, q := before[len(before)*99/100], during[len(during)*99/100]
		ratios = append(ratios, float64(q)/float64(p))
		t.Logf("p99 %v of %d, and %v of %d while another object computes: %.2f times", p, len(before), q, len(during), float64(q)/float64(p))
		require.Greater(t, len(during), 200)
		require.Less(t, q, time.Second) // by turns, half of them would wait for two
	}
	slices.Sort(ratios)
	t.Logf("median of %d rounds: %.2f times", len(ratios), ratios[len(ratios)/2])
	requireSlow(t, h, host.Line{Class: "Home", Name: busy, Event: "fetch"}, "ran for 2")
}

// requireSlow waits for the line of a long run, and wants it to name its object and event.
func requireSlow(t *testing.T, h *hosttest.Host, want host.Line, text string) {
	t.Helper()
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(h.Lines(), func(l host.Line) bool {
			return l.Level == abi.LogWarn && l.Class == want.Class && l.Name == want.Name && l.Event == want.Event && l.ID != "" && strings.HasPrefix(l.Text, text)
		})
	}, 5*time.Second, time.Millisecond, "%v", h.Lines())
}

// TestBusy_log: a run of more than a second is in the log with what it was for, however it began, and a shorter one is not.
func TestBusy_log(t *testing.T) {
	t.Parallel()
	h := scenario(t, realTime, func(o *hosttest.Options) { o.Isolates, o.CPULimit = 1, 1500*time.Millisecond })
	h.Fetch("GET", "/compute/short?ms=300", "")
	require.NotContains(t, h.Log(), "without a pause")
	h.Fetch("GET", "/compute/timer?after=10&ms=1100", "") // a timer of the guest begins the run
	requireSlow(t, h, host.Line{Class: "Home", Name: "timer", Event: "fetch"}, "ran for 1.")
	c := h.Dial("/ws/room")
	require.Equal(t, "compute 1100 seen=1 calls=2", say(t, c, "compute 1100"))
	requireSlow(t, h, host.Line{Class: "Home", Name: "room", Event: "message"}, "ran for 1.")
	h.Fetch("GET", "/spin/endless", "")
	lines := h.Lines()
	last := lines[slices.IndexFunc(lines, func(l host.Line) bool { return strings.HasPrefix(l.Text, "the isolate ended: exceeded its CPU limit") })]
	require.Equal(t, [3]string{"Home", "endless", "fetch"}, [3]string{last.Class, last.Name, last.Event})
}
