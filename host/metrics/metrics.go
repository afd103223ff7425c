// Package metrics counts what a worker does, and writes that in Prometheus' text format.
//
// What counts is written on a loop's hot path and read by whoever asks, so everything here is atomic, and each loop has
// counters of its own, which are added up when they are read. The package knows nothing of what is counted. All of it but
// Text may be used from any goroutine. See https://prometheus.io/docs/instrumenting/exposition_formats/.
package metrics

import (
	"sync/atomic"
	"time"
)

// bounds are the upper ends of the buckets: an event takes from tens of microseconds to its limit of 30 s.
var bounds = [...]time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second,
}

// Histogram counts durations. The zero Histogram is empty.
type Histogram struct {
	counts [len(bounds) + 1]atomic.Int64 // the last is what is longer than all bounds
	sum    atomic.Int64                  // ns
}

// Observe counts a duration.
func (h *Histogram) Observe(d time.Duration) {
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(int64(d))
}

// Count is how many durations were counted.
func (h *Histogram) Count() (n int64) {
	for i := range h.counts {
		n += h.counts[i].Load()
	}
	return n
}

// Add counts what other has counted, too.
func (h *Histogram) Add(other *Histogram) {
	for i := range h.counts {
		h.counts[i].Add(other.counts[i].Load())
	}
	h.sum.Add(other.sum.Load())
}
