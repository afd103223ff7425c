package loadgen

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Create sends one request to each of N new objects.
type Create struct {
	Target
	Method string // default POST
	Path   string // {k} is replaced by a key
	Body   string
	Conns  int    // default 1
	N      int    // objects
	Prefix string // of keys: choose one that the server has not seen
}

// maxFailures ends a run that goes wrong.
const maxFailures = 1000

// Run does one run. It fails if the context ends.
func (o Create) Run(ctx context.Context) (Result, error) {
	o.Conns = max(o.Conns, 1)
	r := Result{Mode: "create", Path: o.Path, Conns: o.Conns, Keys: o.N}
	addr, err := o.address()
	if err != nil {
		return r, err
	}
	var failed failures
	var next atomic.Int64
	samples := make([][]time.Duration, o.Conns)
	var wg sync.WaitGroup
	m := startMeter(o.PID)
	for worker := range samples {
		wg.Go(func() {
			c := client{addr: addr}
			defer c.close()
			var mine []time.Duration
			defer func() { samples[worker] = mine }()
			var request []byte
			for ctx.Err() == nil && failed.n.Load() < maxFailures {
				i := next.Add(1)
				if i > int64(o.N) {
					return
				}
				path := strings.ReplaceAll(o.Path, "{k}", fmt.Sprintf("%s%d", o.Prefix, i))
				request = appendRequest(request[:0], orPost(o.Method), addr, path, o.Body)
				began := time.Now()
				if err := c.do(request); err != nil {
					failed.add(err)
					continue
				}
				mine = append(mine, time.Since(began))
			}
		})
	}
	wg.Wait()
	m.stop()
	all := slices.Concat(samples...)
	r.Ops = float64(len(all))
	m.fill(&r)
	if o.PID != 0 && r.Ops > 0 {
		r.RSSPerObject = (r.RSSAfter - r.RSSBefore) / r.Ops
	}
	r.SetLatencies(all)
	failed.fill(&r)
	return r, ctx.Err()
}
