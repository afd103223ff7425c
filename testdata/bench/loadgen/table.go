package loadgen

import (
	"fmt"
	"io"
)

// WriteTable writes results as a Markdown table, one row each.
func WriteTable(w io.Writer, results []Result) error {
	_, err := io.WriteString(w, "| run | n | per second (min..max) | p50 ms | p99 ms | server µs CPU/op | server cores | first ms | join ms | RSS MB before → after | errors |\n"+
		"|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range results {
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "| %s | %d | %.0f (%.0f..%.0f) | %.2f | %.2f | %.0f | %.2f | %.0f | %.0f | %.0f → %.0f | %d |\n",
			r.Label, r.Runs, r.Rate, r.MinRate, r.MaxRate, r.P50/1000, r.P99/1000, r.ServerCPU, r.ServerCores,
			r.FirstMS, r.JoinMS, r.RSSBefore/1024, r.RSSAfter/1024, r.Errors)
	}
	return err
}
