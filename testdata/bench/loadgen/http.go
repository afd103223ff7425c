package loadgen

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// HTTP keeps connections busy, one request in flight on each. Keys are chosen uniformly, with a fixed seed.
type HTTP struct {
	Target
	Method string // default POST
	Path   string // {k} is replaced by a key
	Body   string
	Conns  int    // default 1
	Keys   int    // default 1
	Prefix string // of keys
	Seed   uint64
	// Prime asks for every key once before the warm-up: objects exist and are in memory when the measured stretch
	// begins.
	Prime    bool
	Warm     time.Duration // not measured
	Duration time.Duration // measured
}

// Run does one run. Requests that fail are counted and do not end it; it fails if the context ends.
func (h HTTP) Run(ctx context.Context) (Result, error) {
	h.Conns, h.Keys = max(h.Conns, 1), max(h.Keys, 1)
	r := Result{Mode: "http", Path: h.Path, Conns: h.Conns, Keys: h.Keys}
	addr, err := h.address()
	if err != nil {
		return r, err
	}
	requests := make([][]byte, h.Keys)
	for i := range requests {
		path := strings.ReplaceAll(h.Path, "{k}", h.Prefix+strconv.Itoa(i))
		requests[i] = appendRequest(nil, orPost(h.Method), addr, path, h.Body)
	}
	var failed failures
	if h.Prime {
		prime(ctx, addr, h.Conns, requests, &failed)
	}
	if failed.n.Load() > 0 {
		failed.fill(&r)
		return r, nil
	}
	var measuring, stop atomic.Bool
	samples := make([][]time.Duration, h.Conns)
	var wg sync.WaitGroup
	for worker := range samples {
		wg.Go(func() {
			c := client{addr: addr}
			defer c.close()
			choose := rand.New(rand.NewPCG(h.Seed, uint64(worker)))
			var mine []time.Duration // a slice of the workers' array would have them share cache lines
			defer func() { samples[worker] = mine }()
			for !stop.Load() {
				began := time.Now()
				err := c.do(requests[choose.IntN(len(requests))])
				took := time.Since(began)
				switch {
				case !measuring.Load():
				case err != nil:
					failed.add(err)
					time.Sleep(time.Millisecond) // a server that refuses is not to be measured by its refusals
				default:
					mine = append(mine, took)
				}
			}
		})
	}
	pause(ctx, h.Warm)
	m := startMeter(h.PID)
	measuring.Store(true)
	pause(ctx, h.Duration)
	measuring.Store(false)
	m.stop()
	stop.Store(true)
	wg.Wait()
	all := slices.Concat(samples...)
	r.Ops = float64(len(all))
	m.fill(&r)
	r.SetLatencies(all)
	failed.fill(&r)
	return r, ctx.Err()
}

// prime sends each request once.
func prime(ctx context.Context, addr string, conns int, requests [][]byte, failed *failures) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range conns {
		wg.Go(func() {
			c := client{addr: addr}
			defer c.close()
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(requests) {
					return
				}
				if err := c.do(requests[i]); err != nil {
					failed.add(err)
				}
			}
		})
	}
	wg.Wait()
}

func orPost(method string) string {
	if method == "" {
		return "POST"
	}
	return method
}

// pause waits for d, or for the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
