package host

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"durago.example/host/bridge"
	"durago.example/host/durable"
	"durago.example/host/metrics"
)

// Who operates a worker asks whether it serves, and what it does, at two paths that are the host's before they are the
// worker's. For those who may not ask, and with any other method, they are as any path.
const (
	observePrefix = "/cdn-cgi/durago/"
	HealthPath    = observePrefix + "health"  // 200 while the worker serves, else 503 and the reason
	MetricsPath   = observePrefix + "metrics" // Prometheus' text format
)

// Loopback tells whether a request's connection is of this machine, by its address; no header counts. A proxy on the same
// machine makes all of its clients' so: it must not pass on what begins with /cdn-cgi/durago/.
func Loopback(r *http.Request) bool {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && a.Addr().Unmap().IsLoopback()
}

// TraceID is the trace that a request belongs to by its traceparent, or empty if it has none that is valid.
func TraceID(h http.Header) string { return bridge.TraceID(h) }

// observe answers a request for one of the host's own paths, and tells whether it was one.
func (h *Host) observe(w http.ResponseWriter, r *http.Request, path string) bool {
	if path != HealthPath && path != MetricsPath || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	may := h.o.Observer
	if may == nil {
		may = Loopback
	}
	if !may(r) {
		return false
	}
	h.patience(w)
	w.Header().Set("Cache-Control", "no-store")
	if path == MetricsPath {
		w.Header().Set("Content-Type", metrics.ContentType)
		_, _ = w.Write(h.Metrics())
		return true
	}
	if err := h.Health(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return true
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
	return true
}

var errClosing = errors.New("the worker is shutting down")

// Health is nil while the worker serves, and else says why it does not: the disk has failed, or the host is about to close.
func (h *Host) Health() error {
	if err := h.machine.store.Failure(); err != nil {
		return err
	}
	if h.closing.Load() {
		return errClosing
	}
	return nil
}

// Drain has Health say that the host is about to close. It goes on serving.
func (h *Host) Drain() { h.closing.Store(true) }

// lines counts the log's, by level.
type lines [4]atomic.Int64

var levels = [len(lines{})]string{"debug", "info", "warn", "error"}

func (h *Host) log(l Line) {
	h.lines[min(max(l.Level, 0), len(h.lines)-1)].Add(1)
	if h.o.Log != nil {
		h.o.Log(l)
	}
}

// measured is how long isolates are waited for that are asked for their memory. Of one that is busy it is what it was before.
const measured = 100 * time.Millisecond

// Metrics are what the worker has done and has now, in Prometheus' text format. Labels are classes, kinds of events, isolates
// and levels, never objects.
func (h *Host) Metrics() []byte {
	ctx, cancel := context.WithTimeout(context.Background(), measured)
	defer cancel()
	for _, g := range h.guests {
		g.Measure(ctx)
	}
	var t metrics.Text
	h.writeEvents(&t)
	all := sortedNamespaces(h.namespaces)
	for _, f := range []struct {
		name, help string
		value      func(*durable.Namespace) int64
	}{
		{"durago_events_waiting", "Events that wait for their object.", func(n *durable.Namespace) int64 { return n.Counts().Waiting.Load() }},
		{"durago_objects", "Objects in memory.", func(n *durable.Namespace) int64 { return n.Counts().Objects.Load() }},
		{"durago_alarms", "Alarms that are set.", func(n *durable.Namespace) int64 { return int64(n.Alarms()) }},
	} {
		t.Gauge(f.name, f.help)
		for _, n := range all {
			t.Value(f.value(n), "class", n.Class)
		}
	}
	t.Gauge("durago_sockets", "WebSockets of objects, in memory or not, and under the class front those of the worker's own handlers.")
	for _, n := range all {
		t.Value(n.Counts().Sockets.Load()+h.conns(n), "class", n.Class)
	}
	t.Value(h.conns(nil), "class", "front")
	t.Gauge("durago_open_databases", "Databases that are open, the host's own included.")
	t.Value(int64(h.machine.store.OpenDatabases()))
	t.Histograms("durago_commit_duration_seconds", "From a commit until it was durable.")
	t.Histogram(&h.machine.store.Counts().Commits)
	t.Histograms("durago_sync_duration_seconds", "Syncs of files and directories.")
	t.Histogram(&h.machine.store.Counts().Syncs)
	h.writeIsolates(&t)
	t.Counter("durago_log_lines_total", "Lines of the log, of any level.")
	for i := range h.lines {
		t.Value(h.lines[i].Load(), "level", levels[i])
	}
	t.Gauge("durago_goroutines", "Goroutines of the process.")
	t.Value(int64(runtime.NumGoroutine()))
	return t.Bytes()
}

// conns are the ordinary sockets of a class, or of the front under nil.
func (h *Host) conns(n *durable.Namespace) (open int64) {
	for _, g := range h.guests {
		open += g.Counts().Conns(n)
	}
	return open
}

// events are those of one class and kind, of all isolates.
type events struct {
	class, kind string
	time        metrics.Histogram
	failed      int64
}

func (h *Host) events() (list []*events) {
	for _, g := range h.guests {
		g.Counts().Events(func(n *durable.Namespace, kind string, time *metrics.Histogram, failed int64) {
			class := "front"
			if n != nil {
				class = n.Class
			}
			i := slices.IndexFunc(list, func(e *events) bool { return e.class == class && e.kind == kind })
			if i < 0 {
				i = len(list)
				list = append(list, &events{class: class, kind: kind})
			}
			list[i].time.Add(time)
			list[i].failed += failed
		})
	}
	slices.SortFunc(list, func(a, b *events) int { return strings.Compare(a.class+"\x00"+a.kind, b.class+"\x00"+b.kind) })
	return list
}

func (h *Host) writeEvents(t *metrics.Text) {
	list := h.events()
	t.Counter("durago_events_total", "Events that were answered or ended, those of the worker's own handlers under the class front; event is its kind, alarm among them.")
	for _, e := range list {
		t.Value(e.time.Count()-e.failed, "class", e.class, "event", e.kind, "outcome", "ok")
		t.Value(e.failed, "class", e.class, "event", e.kind, "outcome", "error")
	}
	t.Histograms("durago_event_duration_seconds", "From an event's delivery until it was answered; what it waited before is not in it.")
	for _, e := range list {
		t.Histogram(&e.time, "class", e.class, "event", e.kind)
	}
}

func (h *Host) writeIsolates(t *metrics.Text) {
	for _, f := range []struct {
		begin      func(name, help string)
		name, help string
		value      func(*bridge.Counts) int64
	}{
		{t.Gauge, "durago_isolate_memory_bytes", "Linear memory of the isolates of a loop.", func(c *bridge.Counts) int64 { return c.Memory.Load() }},
		{t.Gauge, "durago_isolates", "Isolates of a loop.", func(c *bridge.Counts) int64 { return c.Isolates.Load() }},
		{t.Counter, "durago_isolate_restarts_total", "Guests that were started because the one before had died.", func(c *bridge.Counts) int64 { return c.Restarts.Load() }},
		{t.Counter, "durago_isolate_recycles_total", "Guests that were replaced because their memory had grown.", func(c *bridge.Counts) int64 { return c.Recycles.Load() }},
	} {
		f.begin(f.name, f.help)
		for i, g := range h.guests {
			t.Value(f.value(g.Counts()), "isolate", strconv.Itoa(i))
		}
	}
}
