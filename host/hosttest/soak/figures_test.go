package soak_test

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host"
	"durago.example/wasm/abi"
)

// figures are what must not grow while everything that was asked for has ended.
type figures struct {
	Heap        int64 `json:"heap_bytes"` // of the process, after a collection
	Resident    int64 `json:"resident_bytes"`
	Descriptors int64 `json:"descriptors"`
	Goroutines  int64 `json:"goroutines"`
	GuestMemory int64 `json:"guest_memory_bytes"` // of the largest isolate, as the next ones
	GuestHeap   int64 `json:"guest_heap_bytes"`
	Guest       int64 `json:"guest_goroutines"`
	Values      int64 `json:"realm_values"`
	Isolates    int64 `json:"isolates"`
	Open        int64 `json:"left_open"` // contexts, events, what is lent, stubs, streams, sockets: of all isolates

	left string // of what there is left
}

// idleWorkers is how many goroutines a guest may keep for the events that come next.
const idleWorkers = 64

// bounds say how far each may be above what it was when the traffic had run once, and how much it may be at all; 0 is any.
var bounds = []struct {
	name        string
	of          func(f *figures) *int64
	above, most int64
}{
	{"heap", func(f *figures) *int64 { return &f.Heap }, 16 << 20, 0}, // a program that was replaced is kept for half a minute, 13 MB
	{"resident memory", func(f *figures) *int64 { return &f.Resident }, 0, 700 << 20},
	{"descriptors", func(f *figures) *int64 { return &f.Descriptors }, 8, 0},
	{"goroutines", func(f *figures) *int64 { return &f.Goroutines }, 8, 0},
	{"memory of an isolate", func(f *figures) *int64 { return &f.GuestMemory }, 0, 128 << 20},
	{"heap of a guest", func(f *figures) *int64 { return &f.GuestHeap }, 1 << 20, 0},
	{"goroutines of a guest", func(f *figures) *int64 { return &f.Guest }, idleWorkers, 0},
	{"values of a realm", func(f *figures) *int64 { return &f.Values }, 16, 0},
	{"isolates", func(f *figures) *int64 { return &f.Isolates }, 0, isolates},
	{"what was left open", func(f *figures) *int64 { return &f.Open }, 0, -1},
}

// grown says which figures are too large.
func (f *figures) grown(first *figures) (list []string) {
	for _, b := range bounds {
		now, before := *b.of(f), *b.of(first)
		switch {
		case b.most < 0 && now > 0, b.most > 0 && now > b.most, b.above > 0 && now > before+b.above:
			list = append(list, fmt.Sprintf("%s: %d, and %d at first%s", b.name, now, before, f.left))
		}
	}
	return list
}

// larger takes the larger of each.
func (f *figures) larger(g *figures) {
	for _, b := range bounds {
		*b.of(f) = max(*b.of(f), *b.of(g))
	}
}

// untold is how many contexts a guest may have that have ended: it is told with the next event.
const untold = 1

// measure takes the figures of a host at rest.
func measure(h *host.Host) *figures {
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	f := &figures{}
	for _, g := range h.Guests() {
		done := make(chan struct{})
		if g.Do(func() {
			defer close(done)
			b := g.Present()
			f.GuestHeap = max(f.GuestHeap, int64(b.Stat(abi.StatHeap)))
			f.GuestMemory = max(f.GuestMemory, int64(b.Memory()))
			f.Guest = max(f.Guest, int64(b.Stat(abi.StatGoroutines)))
			f.Values = max(f.Values, int64(b.Values()))
			f.Isolates += int64(g.Isolates())
			lent, stubs, streams := b.Links()
			contexts, events := b.Contexts()
			for _, n := range [...]struct {
				name string
				n    int
			}{{"lent", lent}, {"stubs", stubs}, {"streams", streams}, {"contexts", contexts}, {"events", events}, {"sockets", b.Conns()},
				{"contexts of the guest", max(0, int(b.Stat(abi.StatContexts))-untold)}, {"parked", int(b.Stat(abi.StatParked))}, {"lent by the guest", int(b.Stat(abi.StatLent))}} {
				f.Open += int64(n.n)
				if n.n > 0 {
					f.left += fmt.Sprintf(" %d %s", n.n, n.name)
				}
			}
		}) != nil {
			close(done)
		}
		<-done
	}
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f.Heap, f.Goroutines = int64(m.HeapAlloc), int64(runtime.NumGoroutine())
	b, _ := os.ReadFile("/proc/self/statm")
	var size, pages int64
	_, _ = fmt.Fscan(strings.NewReader(string(b)), &size, &pages)
	f.Resident = pages * int64(os.Getpagesize())
	entries, _ := os.ReadDir("/proc/self/fd")
	f.Descriptors = int64(len(entries))
	return f
}

// TestFigures_grown: what is a failure and what is not, each at its bound.
func TestFigures_grown(t *testing.T) {
	first := figures{Heap: 30 << 20, Descriptors: 20, Isolates: isolates}
	for name, row := range map[string]struct {
		change func(f *figures)
		want   int
	}{
		"nothing":           {func(*figures) {}, 0},
		"a program":         {func(f *figures) { f.Heap += 14 << 20 }, 0},
		"two":               {func(f *figures) { f.Heap += 28 << 20 }, 1},
		"a few descriptors": {func(f *figures) { f.Descriptors += 8 }, 0},
		"one more":          {func(f *figures) { f.Descriptors += 9 }, 1},
		"an isolate more":   {func(f *figures) { f.Isolates++ }, 1},
		"a context":         {func(f *figures) { f.Open = 1 }, 1},
		"both":              {func(f *figures) { f.Open, f.Heap = 1, 60<<20 }, 2},
	} {
		now := first
		row.change(&now)
		require.Len(t, now.grown(&first), row.want, name)
	}
}

// TestTraffic_log: a database that is open twice is a failure, whoever is told of it.
func TestTraffic_log(t *testing.T) {
	s := &traffic{}
	s.log(host.Line{Level: abi.LogError, Class: "Member", Text: "alarm: on purpose"})
	require.Empty(t, s.failures())
	s.log(host.Line{Level: abi.LogError, Class: "Member", Text: "alarm: database is locked"})
	require.Len(t, s.failures(), 1)
}
