package loadgen

import (
	"math"
	"slices"
	"time"
)

// Result is what one run measured, or the median of several. Latencies are in microseconds.
type Result struct {
	Label   string  `json:"label,omitempty"`
	Mode    string  `json:"mode"`
	Path    string  `json:"path,omitempty"`
	Conns   int     `json:"c,omitempty"`       // connections with one request in flight each
	Keys    int     `json:"keys,omitempty"`    // objects
	Members int     `json:"members,omitempty"` // of the room
	Seconds float64 `json:"secs,omitempty"`
	Ops     float64 `json:"ops"` // that succeeded
	Rate    float64 `json:"rps"` // of them, a second

	P50 float64 `json:"p50_us"`
	P90 float64 `json:"p90_us"`
	P99 float64 `json:"p99_us"`
	Max float64 `json:"max_us"`

	Errors     int    `json:"errors"`
	FirstError string `json:"first_error,omitempty"`

	ServerCPU      float64 `json:"server_cpu_us_per_op,omitempty"`
	ServerCores    float64 `json:"server_cores,omitempty"`
	GeneratorCores float64 `json:"loadgen_cores,omitempty"`
	RSSBefore      float64 `json:"rss_kb_before,omitempty"`
	RSSAfter       float64 `json:"rss_kb_after,omitempty"`
	RSSPerObject   float64 `json:"rss_kb_per_object,omitempty"` // Create: growth by object

	Broadcasts float64 `json:"broadcasts,omitempty"`
	JoinMS     float64 `json:"join_ms,omitempty"`           // Room: until all had joined
	FirstMS    float64 `json:"first_response_ms,omitempty"` // ColdStart

	Runs    int     `json:"median_of,omitempty"`
	MinRate float64 `json:"rps_min,omitempty"`
	MaxRate float64 `json:"rps_max,omitempty"`
}

// numbers are the fields of which Median takes the median.
func (r *Result) numbers() []*float64 {
	return []*float64{&r.Seconds, &r.Ops, &r.Rate, &r.P50, &r.P90, &r.P99, &r.Max, &r.ServerCPU, &r.ServerCores, &r.GeneratorCores,
		&r.RSSBefore, &r.RSSAfter, &r.RSSPerObject, &r.Broadcasts, &r.JoinMS, &r.FirstMS}
}

// SetLatencies fills the quantiles from samples, which it sorts. No samples leave them zero.
func (r *Result) SetLatencies(samples []time.Duration) {
	if len(samples) == 0 {
		return
	}
	slices.Sort(samples)
	us := func(p float64) float64 { return float64(Quantile(samples, p).Nanoseconds()) / 1000 }
	r.P50, r.P90, r.P99, r.Max = us(0.5), us(0.9), us(0.99), us(1)
}

// Quantile is the nearest-rank quantile of sorted samples: the least one that at least the fraction p of all do not
// exceed. There must be a sample.
func Quantile(sorted []time.Duration, p float64) time.Duration {
	rank := int(math.Ceil(p * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// Median takes the median of each number on its own; errors are added up. There must be a result.
func Median(runs []Result) Result {
	m := runs[0]
	m.Runs, m.Errors, m.FirstError = len(runs), 0, ""
	columns := make([][]float64, len(m.numbers()))
	m.MinRate, m.MaxRate = math.Inf(1), math.Inf(-1)
	for _, r := range runs {
		m.Errors += r.Errors
		if m.FirstError == "" {
			m.FirstError = r.FirstError
		}
		m.MinRate, m.MaxRate = min(m.MinRate, r.Rate), max(m.MaxRate, r.Rate)
		for i, v := range r.numbers() {
			columns[i] = append(columns[i], *v)
		}
	}
	for i, v := range m.numbers() {
		*v = middle(columns[i])
	}
	return m
}

// middle is the median of v, which it sorts.
func middle(v []float64) float64 {
	slices.Sort(v)
	n := len(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}
