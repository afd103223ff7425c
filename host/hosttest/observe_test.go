package hosttest_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"durago.example/host"
	"durago.example/host/hosttest"
	"durago.example/host/storage/journal"
	"durago.example/host/storage/powerloss"
)

// from asks the host's handler for a path as a client of that address does.
func from(h *hosttest.Host, method, path, addr string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.RemoteAddr = addr
	r.Header.Set("X-Forwarded-For", "127.0.0.1")
	r.Header.Set("Forwarded", "for=127.0.0.1")
	w := httptest.NewRecorder()
	h.Handler().ServeHTTP(w, r)
	return w
}

// scrape are the metrics as Prometheus reads them, by name and labels.
func scrape(t *testing.T, h *hosttest.Host) map[string]float64 {
	w := from(h, "GET", host.MetricsPath, "127.0.0.1:1")
	require.Equal(t, 200, w.Code)
	require.Contains(t, w.Header().Get("Content-Type"), "version=0.0.4")
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(w.Body)
	require.NoError(t, err)
	out := map[string]float64{}
	for name, f := range families {
		require.NotEmpty(t, f.GetHelp(), name)
		for _, m := range f.Metric {
			key := name
			for _, l := range m.Label {
				key += " " + l.GetValue()
			}
			switch f.GetType().String() {
			case "COUNTER":
				require.True(t, strings.HasSuffix(name, "_total"), name)
				out[key] = m.GetCounter().GetValue()
			case "GAUGE":
				out[key] = m.GetGauge().GetValue()
			case "HISTOGRAM":
				out[key] = float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return out
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	h := scenario(t, func(o *hosttest.Options) { o.Isolates = 1 })
	before := scrape(t, h)
	require.Zero(t, before["durago_objects Home"])
	for range 3 {
		h.Fetch("POST", "/count/a", "")
	}
	h.Fetch("POST", "/error/a", "")
	h.Fetch("GET", "/panic/a", "")
	h.Fetch("GET", "/rpc/b", "")
	h.Fetch("GET", "/alarm/a?ms=1000", "")
	c := h.Dial("/ws/c")
	require.Contains(t, say(t, c, "hi"), "hi seen=1")
	m := scrape(t, h)
	for key, want := range map[string]float64{
		"durago_events_total front fetch ok":       8,
		"durago_events_total Home fetch ok":        6, // a handler that answers with 500 has answered
		"durago_events_total Home fetch error":     1,
		"durago_events_total Home rpc ok":          1,
		"durago_events_total Home message ok":      1,
		"durago_events_total Home constructor ok":  3,
		"durago_event_duration_seconds Home fetch": 7,
		"durago_events_waiting Home":               0,
		"durago_objects Home":                      3,
		"durago_objects Broken":                    0,
		"durago_sockets Home":                      1,
		"durago_alarms Home":                       1,
		"durago_isolates 0":                        1,
		"durago_isolate_restarts_total 0":          0,
		"durago_isolate_recycles_total 0":          0,
		"durago_log_lines_total error":             1,
	} {
		require.Contains(t, m, key)
		require.InDelta(t, want, m[key], 0, key)
	}
	require.GreaterOrEqual(t, m["durago_commit_duration_seconds"], 4.0)
	require.Positive(t, m["durago_sync_duration_seconds"])
	require.GreaterOrEqual(t, m["durago_open_databases"], 3.0)
	require.Greater(t, m["durago_isolate_memory_bytes 0"], 1e6)
	require.Positive(t, m["durago_goroutines"])

	h.Advance(1e9)
	require.NoError(t, c.Close())
	require.Eventually(t, func() bool { return scrape(t, h)["durago_sockets Home"] == 0 }, 10*time.Second, time.Millisecond, "the host notices")
	h.Settle()
	for _, name := range []string{"a", "b", "c"} {
		require.NoError(t, h.Object("HOME", name).Evict())
	}
	h.Fetch("GET", "/exit/a", "")
	m = scrape(t, h)
	require.InDelta(t, 1, m["durago_events_total Home alarm ok"]+m["durago_events_total Home alarm error"], 0)
	require.Zero(t, m["durago_objects Home"])
	require.Zero(t, m["durago_sockets Home"])
	h.Fetch("GET", "/touch/a", "")
	require.InDelta(t, 1, scrape(t, h)["durago_isolate_restarts_total 0"], 0)

	// However many objects there are, there are no more series.
	series := len(scrape(t, h))
	for i := range 50 {
		h.Fetch("POST", fmt.Sprintf("/count/many-%d", i), "")
	}
	require.Len(t, scrape(t, h), series)
	require.NotContains(t, from(h, "GET", host.MetricsPath, "[::1]:1").Body.String(), "many-")
}

// TestMetrics_busy: isolates that never rest hold nobody up.
func TestMetrics_busy(t *testing.T) {
	t.Parallel()
	h := scenario(t, realTime, func(o *hosttest.Options) { o.CPULimit, o.Isolates = 3*time.Second, 2 })
	ns, _ := h.Namespace("HOME")
	spins := map[int]<-chan string{}
	for i := 0; len(spins) < 2; i++ {
		name := fmt.Sprint(i)
		if loop := ns.LoopOf(ns.IDFromName(name)); spins[loop] == nil {
			spins[loop] = get(t, h, "/cdn-cgi/hosttest/object/HOME/"+name+"/spin")
		}
	}
	require.Eventually(t, func() bool { return scrape(t, h)["durago_objects Home"] == 2 }, 10*time.Second, time.Millisecond)
	began := time.Now()
	require.Contains(t, scrape(t, h), "durago_isolate_memory_bytes 1")
	require.Less(t, time.Since(began), 2*time.Second)
	for _, s := range spins {
		<-s
	}
}

// TestHealth: the paths are the host's for connections of this machine, and the worker's for all others.
func TestHealth(t *testing.T) {
	t.Parallel()
	h := scenario(t)
	for _, addr := range []string{"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"} {
		w := from(h, "GET", host.HealthPath, addr)
		require.Equal(t, 200, w.Code, addr)
		require.Equal(t, "ok\n", w.Body.String())
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	}
	unknown := from(h, "GET", "/cdn-cgi/durago/unknown", "127.0.0.1:1")
	for _, addr := range []string{"192.0.2.1:1", "[2001:db8::1]:1", "[::ffff:192.0.2.1]:1", "@", ""} {
		for _, path := range []string{host.HealthPath, host.MetricsPath} {
			w := from(h, "GET", path, addr)
			require.Equal(t, unknown.Code, w.Code, addr)
			require.Equal(t, unknown.Body.String(), w.Body.String(), addr)
		}
	}
	require.Equal(t, unknown.Body.String(), from(h, "POST", host.HealthPath, "127.0.0.1:1").Body.String())
	require.Equal(t, unknown.Body.String(), from(h, "GET", host.HealthPath+"/x", "127.0.0.1:1").Body.String())

	resp, err := http.Get(h.URL + host.HealthPath)
	require.NoError(t, err)
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, "ok\n", string(b))

	h.Drain()
	w := from(h, "GET", host.HealthPath, "127.0.0.1:1")
	require.Equal(t, 503, w.Code)
	require.Equal(t, "the worker is shutting down\n", w.Body.String())
	status, _ := h.Fetch("GET", "/touch/a", "")
	require.Equal(t, 200, status, "it goes on serving")
}

// failing is a disk that may begin to fail.
type failing struct {
	journal.Machine
	fails atomic.Bool
}

func (d *failing) OpenFile(path string, create bool) (journal.File, error) {
	return powerloss.Synced(d, path, create)
}

func (d *failing) SyncFile(path string) error {
	if d.fails.Load() {
		return errors.New("the cable is out")
	}
	return d.Machine.SyncFile(path)
}

func TestHealth_disk(t *testing.T) {
	t.Parallel()
	d := &failing{}
	h := scenario(t, func(o *hosttest.Options) { o.Disk = d })
	h.Fetch("POST", "/count/a", "")
	require.Equal(t, 200, from(h, "GET", host.HealthPath, "127.0.0.1:1").Code)
	d.fails.Store(true)
	h.Fetch("POST", "/count/a", "")
	w := from(h, "GET", host.HealthPath, "127.0.0.1:1")
	require.Equal(t, 503, w.Code)
	require.Contains(t, w.Body.String(), "the cable is out")
	require.ErrorContains(t, <-h.Failed(), "the cable is out")
	require.Error(t, h.Fail())
}

// TestMetrics_sockets: sockets of every kind are counted while they are open, under whose they are.
func TestMetrics_sockets(t *testing.T) {
	t.Parallel()
	o := conns()
	o.Isolates = 2
	h := hosttest.Start(t, o)
	open := func() [2]float64 {
		m := scrape(t, h)
		return [2]float64{m["durago_sockets Peer"], m["durago_sockets front"]}
	}
	require.Zero(t, open())
	list := []*websocket.Conn{h.Dial("/accept/a"), h.Dial("/accept/b"), h.Dial("/hibernate/b"), h.Dial("/front")}
	require.Equal(t, [2]float64{3, 1}, open())
	for _, c := range list {
		require.NoError(t, c.Close())
	}
	require.Eventually(t, func() bool { return open() == [2]float64{} }, 10*time.Second, 5*time.Millisecond)
	_ = h.Dial("/accept/a")
	require.Equal(t, [2]float64{1, 0}, open())
	h.Fetch("GET", "/exit/a", "")
	require.Eventually(t, func() bool { return open() == [2]float64{} }, 10*time.Second, 5*time.Millisecond, "a guest that has died has none")
}
