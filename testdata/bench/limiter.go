package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"durago.example/testdata/bench/loadgen"
)

// algorithms are those of the ready limiter, which are also the names of rules.
var algorithms = []string{"token_bucket", "gcra", "fixed_window", "sliding_window", "sliding_log", "concurrency", "month"}

// Names of rows that bars are about.
const (
	fewKeys  = 1000
	exactRow = "100 exact decisions a request, 1 object, c=16"
	leaseRow = "1,000 leased decisions a request, 1 object, c=16"
	purgeRow = ", while they are purged"
)

func decideRow(algorithm string, objects int) string {
	return fmt.Sprintf("decide by %s, %s, c=16", algorithm, amount(objects, "object"))
}

func keysRow(keys int) string {
	return fmt.Sprintf("decide, 1 object of %s keys, c=16", thousands(float64(keys)))
}

// limiter are the rows about the ready limiter's algorithms, and about many keys in one object.
func (o *options) limiter(many int) (rows []row) {
	add := func(r row) {
		r.disk = true
		rows = append(rows, r)
	}
	for _, objects := range []int{1, many} {
		for _, a := range algorithms {
			add(httpRow(decideRow(a, objects), "POST", "/decide/{k}/"+a, objects, 16))
		}
	}
	for _, keys := range []int{fewKeys, o.keys} {
		add(manyKeys(keysRow(keys), keys, false))
	}
	add(manyKeys(keysRow(o.keys)+purgeRow, o.keys, true))
	return rows
}

// manyKeys fills an object with keys, and decides about one of them at random. With purge all of them are due, and the
// purge begins as the load does.
func manyKeys(name string, keys int, purge bool) row {
	const conns = 16
	return row{name: name, conns: conns, run: func(ctx context.Context, b *bench, s *server, round int) (loadgen.Result, error) {
		object, expires := fmt.Sprintf("keys-%d-%d", keys, round), int64(1)<<52
		if purge {
			object, expires = fmt.Sprintf("purged-%d", round), 0
		}
		for at := 0; at < keys; at += 20_000 { // a statement at a time, so that none takes long
			if err := post(ctx, fmt.Sprintf("%s/fill/%s?from=%d&to=%d&expires=%d", s.target.URL, object, at, min(at+20_000, keys), expires)); err != nil {
				return loadgen.Result{}, err
			}
		}
		if purge {
			if err := post(ctx, s.target.URL+"/purge/"+object); err != nil {
				return loadgen.Result{}, err
			}
		}
		return loadgen.HTTP{Target: s.target, Path: fmt.Sprintf("/decide/%s/token_bucket?among=%d", object, keys), Conns: conns,
			Seed: 1, Warm: b.warm, Duration: b.duration}.Run(ctx)
	}}
}

// post asks for what prepares a measurement.
func post(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, resp.Status, body)
	}
	return err
}

// bar is what the limiter on the host must reach: a ratio of two medians.
type bar struct {
	what    string
	a, b    cell
	figure  func(r *loadgen.Result) float64
	times   float64 // of the ratio: an operation of a may be more decisions than one of b
	atLeast float64
	atMost  float64
}

func rate(r *loadgen.Result) float64 { return r.Rate }
func cpu(r *loadgen.Result) float64  { return r.ServerCPU }
func p99(r *loadgen.Result) float64  { return r.P99 }

// bars are sentences about those whose rows were measured.
func (b *bench) bars() (lines []string) {
	find := func(name, server string) cell {
		i := slices.IndexFunc(b.results, func(c cell) bool { return c.Row == name+", disk" && c.Server == server })
		if i < 0 {
			return cell{}
		}
		return b.results[i]
	}
	keys := 0
	if b.options != nil {
		keys = b.keys
	}
	list := []bar{
		{what: "rate, 1 object: host ÷ JavaScript", a: find("rate, 1 object, c=16", onHost), b: find("rate, 1 object, c=16", javaScript), figure: rate, times: 1, atLeast: 3.5},
		{what: "rate, 1,000 objects: host ÷ JavaScript", a: find("rate, 1,000 objects, c=16", onHost), b: find("rate, 1,000 objects, c=16", javaScript), figure: rate, times: 1, atLeast: 4},
	}
	for objects, bound := range map[int]float64{1: 3.5, 1000: 4} {
		for _, a := range algorithms {
			name := decideRow(a, objects)
			list = append(list, bar{what: strings.TrimSuffix(name, ", c=16") + ": host ÷ JavaScript", a: find(name, onHost), b: find(name, javaScript), figure: rate, times: 1, atLeast: bound})
		}
	}
	slices.SortStableFunc(list, func(x, y bar) int { return strings.Compare(x.what, y.what) })
	many, exact := find(keysRow(keys), onHost), find(exactRow, onHost)
	list = append(list,
		bar{what: "CPU of a leased decision ÷ of an exact one", a: find(leaseRow, onHost), b: exact, figure: cpu, times: 100.0 / 1000, atMost: 1.0 / 20},
		bar{what: fmt.Sprintf("CPU of a decision with %s keys in the object ÷ with %s", thousands(float64(keys)), thousands(fewKeys)), a: many, b: find(keysRow(fewKeys), onHost), figure: cpu, times: 1, atMost: 1.5},
		bar{what: "p99 of a decision while keys are purged ÷ while they are not", a: find(keysRow(keys)+purgeRow, onHost), b: many, figure: p99, times: 1, atMost: 2},
	)
	for _, x := range list {
		if len(x.a.Runs) == 0 || len(x.b.Runs) == 0 || x.figure(&x.b.Median) == 0 {
			continue // not measured, or for too short a time
		}
		got, want, met := x.times*x.figure(&x.a.Median)/x.figure(&x.b.Median), "", false
		if x.atMost > 0 {
			want, met = fmt.Sprintf("at most %.2f×", x.atMost), got <= x.atMost
		} else {
			want, met = fmt.Sprintf("at least %.2f×", x.atLeast), got >= x.atLeast
		}
		says := "met"
		if !met {
			says = "not met"
		}
		lines = append(lines, fmt.Sprintf("%s: %.3g×, the bar is %s: %s", x.what, got, want, says))
	}
	return lines
}
