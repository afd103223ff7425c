package algorithm_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sort"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"durago.example/objects/ratelimit/ratelimitserver/algorithm"
)

var names = map[algorithm.Kind]string{
	algorithm.TokenBucket: "token bucket", algorithm.GCRA: "GCRA", algorithm.FixedWindow: "fixed window", algorithm.Month: "month",
	algorithm.SlidingLog: "sliding log", algorithm.SlidingWindow: "sliding window", algorithm.Concurrency: "concurrency",
}

// steps is how many random steps each algorithm is compared over: DURAGO_STEPS, for example 1000000.
func steps(t *testing.T) int {
	s := os.Getenv("DURAGO_STEPS")
	if s == "" {
		return 20_000
	}
	n, err := strconv.Atoi(s)
	require.NoError(t, err)
	return n
}

// source makes the choices of a walk: rapid's, which shrinks those that end in a difference, or a plain generator's.
type source interface {
	IntN(n int) int
	Int64N(n int64) int64
}

// drawn is rapid's source.
type drawn struct{ *rapid.T }

func (d drawn) IntN(n int) int       { return rapid.IntRange(0, n-1).Draw(d.T, "choice") }
func (d drawn) Int64N(n int64) int64 { return rapid.Int64Range(0, n-1).Draw(d.T, "number") }

// walk is one key under random steps, beside its history. Between two steps the meter is bytes.
type walk struct {
	r       source
	limit   algorithm.Limit // the oracle's
	mutant  func(algorithm.Limit, int64) (algorithm.Limit, int64)
	now     int64
	state   []byte
	history history
	ids     int64
}

const perWalk = 100

func newWalk(r source, kind algorithm.Kind, mutant func(algorithm.Limit, int64) (algorithm.Limit, int64)) *walk {
	pick := func(from ...int64) int64 { return from[r.IntN(len(from))] }
	l := algorithm.Limit{Kind: kind, Quota: pick(1, 2, 3, 5, 7, 10), Period: pick(1, 2, 3, 7, 10, 60, 1000)}
	switch kind {
	case algorithm.TokenBucket, algorithm.GCRA:
		l.Burst = pick(1, 2, 3, 5, 10, 11)
	case algorithm.Month:
		l.Period = 0
	}
	at := time.Date(2026, time.Month(1+r.IntN(36)), 1+r.IntN(28), 0, 0, 0, r.IntN(5)*1e6, time.UTC).UnixMilli()
	return &walk{r: r, limit: l, mutant: mutant, now: at}
}

// meter reads the state, or makes a new one.
func (w *walk) meter() (algorithm.Meter, error) {
	l, now := w.limit, w.now
	if w.mutant != nil {
		l, now = w.mutant(l, now)
	}
	if w.state == nil {
		return algorithm.New(l, now), nil
	}
	m, rest, err := algorithm.Read(l, w.state, now)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes are left", len(rest))
	}
	return m, err
}

// room is the oracle's.
func (w *walk) room(now int64) int64 { return oracles[w.limit.Kind](w.limit, w.history, now) }

// wait is the oracle's: room only grows while nothing happens.
func (w *walk) wait(cost int64) int64 {
	n := sort.Search(100*24*3600*1000, func(d int) bool { return w.room(w.now+int64(d)) >= cost })
	return int64(n)
}

func (w *walk) happened(e event) {
	e.at = w.now
	w.history = append(w.history, e)
}

// step lets time pass, does one thing to both, and compares.
func (w *walk) step() error {
	m, err := w.meter()
	if err != nil {
		return err
	}
	cost := w.r.Int64N(w.limit.Capacity() + 2)
	wait, ever := m.Wait(cost)
	if ever != (cost <= w.limit.Capacity()) {
		return fmt.Errorf("waiting for %d of %d helps: %v", cost, w.limit.Capacity(), ever)
	}
	if ever && w.r.IntN(8) == 0 {
		if want := w.wait(cost); wait != want {
			return fmt.Errorf("wait for %d is %d ms, want %d", cost, wait, want)
		}
	}
	switch w.r.IntN(8) {
	case 0, 1:
		w.now += w.r.Int64N(max(2, w.limit.Period))
	case 2, 3:
		w.now += wait
	case 4:
		w.now += max(0, wait-1)
	case 5:
		w.now += w.r.Int64N(5 * (w.limit.Period + 1))
	}
	if m, err = w.meter(); err != nil {
		return err
	}
	for range 1 + w.r.IntN(2) { // the second without being bytes between
		if err := w.act(m); err != nil || w.state == nil && w.history == nil {
			return err
		}
	}
	if full := m.Full(); w.r.IntN(8) == 0 && w.limit.Kind != algorithm.Month {
		if got := w.room(full); got != w.limit.Capacity() {
			return fmt.Errorf("when it is full there are %d, want %d", got, w.limit.Capacity())
		}
		if full > w.now && w.room(full-1) == w.limit.Capacity() && w.limit.Kind != algorithm.SlidingWindow && w.limit.Kind != algorithm.FixedWindow {
			return fmt.Errorf("it is full before %d", full)
		}
	}
	w.state = m.Append(nil)
	return nil
}

// act does one thing to a meter and to its history.
func (w *walk) act(m algorithm.Meter) error {
	room := w.room(w.now)
	if got := m.Room(); got != room {
		return fmt.Errorf("room is %d, want %d", got, room)
	}
	cost := w.r.Int64N(w.limit.Capacity() + 2)
	h, leases := m.(algorithm.Holder)
	switch op := w.r.IntN(16); {
	case op == 0: // reset
		w.state, w.history = nil, nil
	case op == 1: // refund
		m.Give(cost)
		w.happened(event{cost: -cost})
	case op == 2: // penalty
		m.Take(cost)
		w.happened(event{cost: min(cost, room)})
	case leases && op < 6:
		id := name(1 + w.r.Int64N(w.ids+2))
		h.Release(id)
		w.happened(event{kind: 'r', id: id})
	case leases && op < 8:
		id := name(1 + w.r.Int64N(w.ids+2))
		h.Renew(id)
		w.happened(event{kind: 'n', id: id})
	case leases && cost <= room:
		id := name(w.ids + 1)
		if w.r.IntN(2) == 0 {
			w.ids++
		}
		h.Hold(id, cost)
		w.happened(event{kind: 'h', id: id, cost: cost})
	case cost <= room:
		m.Take(cost)
		w.happened(event{cost: cost})
	}
	return nil
}

// name is the id of the nth lease: two of them share a batch, if they can.
func name(n int64) int64 { return n << (algorithm.LowBits - 1) }

// compare walks, and says where the two differ.
func compare(r source, kind algorithm.Kind, mutant func(algorithm.Limit, int64) (algorithm.Limit, int64)) error {
	w := newWalk(r, kind, mutant)
	for k := range perWalk {
		if err := w.step(); err != nil {
			return fmt.Errorf("step %d, %+v, %d events: %w", k, w.limit, len(w.history), err)
		}
	}
	return nil
}

// TestMeter_oracle holds that each algorithm answers as its oracle does from the log of all events: the walks that rapid draws, and
// as many whose choices are all as likely.
func TestMeter_oracle(t *testing.T) {
	walks := (steps(t) + perWalk - 1) / perWalk
	setFlag(t, "rapid.checks", strconv.Itoa(walks))
	for kind, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				if err := compare(drawn{t}, kind, nil); err != nil {
					t.Fatal(err)
				}
			})
			r := rand.New(rand.NewPCG(1, uint64(kind)))
			for range walks {
				require.NoError(t, compare(r, kind, nil))
			}
		})
	}
}

// TestMeter_mutants holds that the comparison sees an algorithm that is off by one.
func TestMeter_mutants(t *testing.T) {
	setFlag(t, "rapid.nofailfile", "true")
	setFlag(t, "rapid.shrinktime", "0s")
	mutants := map[string]func(algorithm.Limit, int64) (algorithm.Limit, int64){
		"a unit more": func(l algorithm.Limit, now int64) (algorithm.Limit, int64) {
			if l.Burst > 0 {
				l.Burst++
			} else {
				l.Quota++
			}
			return l, now
		},
		"a unit faster": func(l algorithm.Limit, now int64) (algorithm.Limit, int64) {
			l.Quota++
			return l, now
		},
		"a millisecond longer": func(l algorithm.Limit, now int64) (algorithm.Limit, int64) {
			if l.Kind == algorithm.Month {
				return l, now - 1 // that is where a month ends
			}
			l.Period++
			return l, now
		},
		"a millisecond shorter": func(l algorithm.Limit, now int64) (algorithm.Limit, int64) {
			if l.Kind == algorithm.Month {
				return l, now + 1
			}
			l.Period = max(1, l.Period-1)
			return l, now
		},
	}
	for kind, name := range names {
		for mutation, mutant := range mutants {
			t.Run(name+" "+mutation, func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, uint64(kind)))
				var found error
				for k := 0; found == nil && k < 20; k++ {
					found = compare(r, kind, mutant)
				}
				require.Error(t, found)
				require.True(t, caught(t, func(t *rapid.T) {
					if err := compare(drawn{t}, kind, mutant); err != nil {
						t.Fatal(err)
					}
				}))
			})
		}
	}
}

// setFlag sets a flag for as long as a test runs.
func setFlag(t *testing.T, name, value string) {
	t.Helper()
	old := flag.Lookup(name).Value.String()
	require.NoError(t, flag.Set(name, value))
	t.Cleanup(func() { require.NoError(t, flag.Set(name, old)) })
}

// caught tells whether rapid finds that a property does not hold.
func caught(t *testing.T, property func(*rapid.T)) bool {
	c := &failing{TB: t}
	done := make(chan struct{})
	go func() { // a check that fails ends its goroutine
		defer close(done)
		rapid.Check(c, property)
	}()
	<-done
	return c.failed
}

// failing is a test that is to fail.
type failing struct {
	rapid.TB
	failed bool
}

func (f *failing) fail() {
	f.failed = true
	runtime.Goexit()
}

func (f *failing) Log(...any)            {}
func (f *failing) Logf(string, ...any)   {}
func (f *failing) Error(...any)          { f.failed = true }
func (f *failing) Errorf(string, ...any) { f.failed = true }
func (f *failing) Fatal(...any)          { f.fail() }
func (f *failing) Fatalf(string, ...any) { f.fail() }
func (f *failing) Fail()                 { f.failed = true }
func (f *failing) FailNow()              { f.fail() }
func (f *failing) Failed() bool          { return f.failed }
