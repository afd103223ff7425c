package loadgen_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/testdata/bench/loadgen"
)

func TestQuantile(t *testing.T) {
	t.Parallel()
	samples := func(n int) (s []time.Duration) {
		for i := range n {
			s = append(s, time.Duration(i+1))
		}
		return s
	}
	for _, c := range []struct {
		name string
		n    int
		p    float64
		want time.Duration
	}{
		{"the only sample is every quantile", 1, 0.5, 1},
		{"the only sample is the 99th", 1, 0.99, 1},
		{"of an even number the lower middle", 4, 0.5, 2},
		{"of an odd number the middle", 5, 0.5, 3},
		{"99 of 100", 100, 0.99, 99},
		{"990 of 1000", 1000, 0.99, 990},
		{"the 99th of few is the greatest", 10, 0.99, 10},
		{"1 is the greatest", 7, 1, 7},
		{"0 is the least", 7, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, loadgen.Quantile(samples(c.n), c.p))
		})
	}
}

func TestResult_SetLatencies(t *testing.T) {
	t.Parallel()
	var samples []time.Duration
	for i := range 1000 {
		samples = append(samples, time.Duration(i+1)*1500*time.Nanosecond)
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(samples), func(i, j int) { samples[i], samples[j] = samples[j], samples[i] })
	var r loadgen.Result
	r.SetLatencies(samples)
	require.Equal(t, []float64{750, 1350, 1485, 1500}, []float64{r.P50, r.P90, r.P99, r.Max}, "microseconds, whatever the order")

	var none loadgen.Result
	none.SetLatencies(nil)
	require.Zero(t, none)
}

func TestMedian(t *testing.T) {
	t.Parallel()
	run := func(rate, p99 float64, errors int, first string) loadgen.Result {
		return loadgen.Result{Label: "x", Mode: "http", Rate: rate, P99: p99, Errors: errors, FirstError: first}
	}
	for _, c := range []struct {
		name string
		runs []loadgen.Result
		want loadgen.Result
	}{
		{"of one", []loadgen.Result{run(5, 7, 0, "")},
			loadgen.Result{Label: "x", Mode: "http", Rate: 5, P99: 7, Runs: 1, MinRate: 5, MaxRate: 5}},
		{"of an odd number, each field on its own", []loadgen.Result{run(1, 30, 0, ""), run(100, 10, 0, ""), run(3, 20, 0, "")},
			loadgen.Result{Label: "x", Mode: "http", Rate: 3, P99: 20, Runs: 3, MinRate: 1, MaxRate: 100}},
		{"of an even number", []loadgen.Result{run(4, 1, 0, ""), run(1, 3, 0, ""), run(2, 5, 0, ""), run(9, 7, 0, "")},
			loadgen.Result{Label: "x", Mode: "http", Rate: 3, P99: 4, Runs: 4, MinRate: 1, MaxRate: 9}},
		{"errors add up and the first is kept", []loadgen.Result{run(1, 1, 0, ""), run(1, 1, 2, "late"), run(1, 1, 3, "later")},
			loadgen.Result{Label: "x", Mode: "http", Rate: 1, P99: 1, Errors: 5, FirstError: "late", Runs: 3, MinRate: 1, MaxRate: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, loadgen.Median(c.runs))
		})
	}
}

func TestWriteTable(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	require.NoError(t, loadgen.WriteTable(&b, []loadgen.Result{{Label: "touch", Runs: 3, Rate: 8612.4, MinRate: 8000, MaxRate: 9000, P50: 1460,
		P99: 3920, ServerCPU: 116.2, ServerCores: 1, RSSBefore: 2048, RSSAfter: 10240, Errors: 1}}))
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	require.Len(t, lines, 3)
	require.Equal(t, "| touch | 3 | 8612 (8000..9000) | 1.46 | 3.92 | 116 | 1.00 | 0 | 0 | 2 → 10 | 1 |", lines[2])
	for _, l := range lines {
		require.Equal(t, strings.Count(lines[0], "|"), strings.Count(l, "|"), "every line has as many columns")
	}
}
