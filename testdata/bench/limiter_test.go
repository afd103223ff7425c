package main // as in table_test.go

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/testdata/bench/loadgen"
)

func TestBench_bars(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"-workerd", "w", "-keys", "5000"})
	require.NoError(t, err)
	var names []string
	for _, r := range o.table() {
		names = append(names, r.title(&server{}))
	}
	result := func(rate, cpu, p99 float64) loadgen.Result {
		return loadgen.Result{Rate: rate, ServerCPU: cpu, P99: p99}
	}
	exact, leased, few, many := exactRow+", disk", leaseRow+", disk", keysRow(1000)+", disk", keysRow(5000)+", disk"
	purged := keysRow(5000) + purgeRow + ", disk"
	gcra, thousand := decideRow("gcra", 1)+", disk", decideRow("gcra", 1000)+", disk"
	for _, name := range []string{exact, leased, few, many, purged, gcra, thousand} {
		require.Contains(t, names, name)
	}
	b := &bench{options: o, results: []cell{
		measured(gcra, javaScript, 16, result(1000, 0, 0)), measured(gcra, onHost, 16, result(3500, 0, 0)),
		measured(thousand, javaScript, 16, result(1000, 0, 0)), measured(thousand, onHost, 16, result(3990, 0, 0)),
		measured(exact, onHost, 16, result(0, 10_000, 0)), measured(leased, onHost, 16, result(0, 6000, 0)),
		measured(few, onHost, 16, result(0, 100, 1000)), measured(many, onHost, 16, result(0, 149, 1000)), measured(purged, onHost, 16, result(0, 900, 2001)),
	}}
	require.Equal(t, []string{
		"decide by gcra, 1 object: host ÷ JavaScript: 3.5×, the bar is at least 3.50×: met",
		"decide by gcra, 1,000 objects: host ÷ JavaScript: 3.99×, the bar is at least 4.00×: not met",
		"CPU of a leased decision ÷ of an exact one: 0.06×, the bar is at most 0.05×: not met",
		"CPU of a decision with 5,000 keys in the object ÷ with 1,000: 1.49×, the bar is at most 1.50×: met",
		"p99 of a decision while keys are purged ÷ while they are not: 2×, the bar is at most 2.00×: not met",
	}, b.bars())
	b.results[4].Median.ServerCPU = 0
	require.NotContains(t, strings.Join(b.bars(), "\n"), "leased", "nothing to divide by")
}
