package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"durago.example/testdata/bench/loadgen"
)

// writeTable prints the medians as one Markdown table, and what to know about them.
func (b *bench) writeTable(w io.Writer) error {
	var t strings.Builder
	fmt.Fprintf(&t, "| row | %s | %s | %s | host ÷ JS | p99: host ÷ JS | Go in workerd ÷ JS |\n|---|---|---|---|---|---|---|\n", javaScript, onHost, goInWorkerd)
	var last string
	for _, c := range b.results {
		if c.Row == last {
			continue
		}
		last = c.Row
		line := map[string]cell{}
		for _, d := range b.results {
			if d.Row == c.Row {
				line[d.Server] = d
			}
		}
		fmt.Fprintf(&t, "| %s | %s | %s | %s | %s | %s | %s |\n", c.Row, b.format(line[javaScript]), b.format(line[onHost]), b.format(line[goInWorkerd]),
			ratio(line[onHost], line[javaScript]), slower(line[onHost], line[javaScript]), ratio(line[goInWorkerd], line[javaScript]))
	}
	fmt.Fprintf(&t, "\nA cell: rate · p50 / p99 ms · server µs CPU per operation · server cores. Medians of rounds (%d), each %s, on %d processors.\n",
		b.rounds, b.duration, runtime.NumCPU())
	fmt.Fprintf(&t, "Ratios are of rates; of times for a cold start. Above 1 is faster than JavaScript. Of p99, below 1 is.\n")
	if len(b.ceiling) > 0 {
		var list []string
		for _, c := range slices.Sorted(maps.Keys(b.ceiling)) {
			list = append(list, fmt.Sprintf("%s/s at c=%d", thousands(b.ceiling[c]), c))
		}
		fmt.Fprintf(&t, "The generator's own ceiling, against a bare net/http server: %s.\n", strings.Join(list, ", "))
	}
	fmt.Fprintf(&t, "† above %.0f%% of that ceiling: the server can do more. ‡ server and generator together filled the machine.\n", 100*nearCeiling)
	for _, line := range b.bars() {
		fmt.Fprintf(&t, "- %s\n", line)
	}
	fmt.Fprintf(&t, "%s.\n", strings.Join(slices.DeleteFunc(slices.Clone(b.notes), func(s string) bool { return s == "" }), "; "))
	_, err := io.WriteString(w, t.String())
	return err
}

// Where the generator or the machine binds: shares of the ceiling, and of all processors.
const (
	nearCeiling = 0.7
	full        = 0.95
)

// format is a cell with its marks.
func (b *bench) format(c cell) string {
	if len(c.Runs) == 0 {
		return "–"
	}
	s := figures(c.Median)
	if top := b.ceiling[c.Conns]; top > 0 && c.Median.Rate > nearCeiling*top {
		s += " †"
	}
	if c.Median.ServerCores+c.Median.GeneratorCores > full*float64(runtime.NumCPU()) {
		s += " ‡"
	}
	if c.Median.Errors > 0 {
		s += fmt.Sprintf(" **%d errors**", c.Median.Errors)
	}
	return s
}

// figures are a result's numbers in a line.
func figures(r loadgen.Result) string {
	if r.Mode == "coldstart" {
		return fmt.Sprintf("%.0f ms · %.0f ms CPU · %.0f MB", r.FirstMS, r.ServerCPU/1000, r.RSSAfter/1024)
	}
	s := fmt.Sprintf("%s/s · %.2f / %.2f ms · %.0f µs · %.2f", thousands(r.Rate), r.P50/1000, r.P99/1000, r.ServerCPU, r.ServerCores)
	if r.Mode == "create" {
		s += fmt.Sprintf(" · %.0f KB an object", r.RSSPerObject)
	}
	return s
}

// ratio is how many times faster a is than b.
func ratio(a, b cell) string {
	x, y := a.Median.Rate, b.Median.Rate
	if a.Median.Mode == "coldstart" {
		x, y = b.Median.FirstMS, a.Median.FirstMS
	}
	if len(a.Runs) == 0 || len(b.Runs) == 0 || cmp.Compare(y, 0) <= 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f×", x/y)
}

// slower is how many times longer a's p99 is than b's.
func slower(a, b cell) string {
	if a.Median.P99 == 0 || b.Median.P99 == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f×", a.Median.P99/b.Median.P99)
}

// thousands writes a rate without fractions.
func thousands(v float64) string {
	s := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
