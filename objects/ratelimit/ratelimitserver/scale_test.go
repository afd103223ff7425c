//go:build !js

package ratelimitserver_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"durago.example/host/hosttest"
	"durago.example/objects/ratelimit"
)

// load calls an object from several goroutines at once, and logs what that took. It counts what passed.
type load struct {
	took   []time.Duration
	passed int
	cpu    time.Duration // of this process, which is host and callers
}

func processor(t *testing.T) time.Duration {
	var u unix.Rusage
	require.NoError(t, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(unix.TimevalToNsec(u.Utime) + unix.TimevalToNsec(u.Stime))
}

func run(t *testing.T, o *hosttest.Object, conns, calls int, key func(r *rand.Rand) string) *load {
	l, mu, all, before := &load{}, sync.Mutex{}, sync.WaitGroup{}, processor(t)
	for c := range conns {
		all.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(c)))
			for range calls {
				start := time.Now()
				ok, err := ratelimit.Consume.Call(t.Context(), o, key(r), 1)
				took := time.Since(start)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if l.took = append(l.took, took); ok {
					l.passed++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	l.cpu = processor(t) - before
	slices.Sort(l.took)
	return l
}

func (l *load) String() string {
	at := func(part float64) time.Duration {
		return l.took[int(part*float64(len(l.took)-1))].Round(time.Microsecond)
	}
	return fmt.Sprintf("%d decisions, %v CPU each, p50 %v, p99 %v", len(l.took), (l.cpu / time.Duration(len(l.took))).Round(time.Microsecond), at(.5), at(.99))
}

// TestScenario_keys fills one object with keys (DURAGO_KEYS), decides about them, and purges them meanwhile. It logs what
// that costs, and holds only that every answer is right.
func TestScenario_keys(t *testing.T) {
	n := keys(t)
	h := hosttest.Start(t, hosttest.Options{Config: guest, RealTime: true, Isolates: 1})
	o := h.Object("RATE_LIMITER", "many")
	require.NoError(t, ratelimit.SetOptions.Call(t.Context(), o, ratelimit.Options{MaxTokens: ptr(1e9), RefillEverySeconds: ptr(3600.0)}))
	ok, err := ratelimit.Consume.Call(t.Context(), o, "k", 1)
	require.NoError(t, err)
	require.True(t, ok)
	fill := func(from, to int) {
		for ; from < to; from += 50_000 { // a statement at a time, so that none takes long
			_, err := o.SQL(fmt.Sprintf(`WITH RECURSIVE c(n) AS (SELECT %d UNION ALL SELECT n + 1 FROM c WHERE n + 1 < %d)
				INSERT INTO ratelimit_keys SELECT 'default/k' || n, state, 0 FROM c, (SELECT state FROM ratelimit_keys WHERE id = 'default/k')`, from, min(from+50_000, to)))
			require.NoError(t, err)
		}
	}
	measure := func(name string, among, calls int) *load {
		l := run(t, o, 16, calls, func(r *rand.Rand) string { return fmt.Sprint("k", r.IntN(among)) })
		require.Equal(t, 16*calls, l.passed)
		t.Logf("%s: %v", name, l)
		return l
	}
	fill(0, 1000)
	measure("warm", 1000, 100)
	few := measure("1,000 keys", 1000, 200)
	fill(1000, n)
	many := measure(fmt.Sprintf("%d keys", n), n, 200)
	t.Logf("%d keys: %.2f times the CPU", n, float64(many.cpu)/float64(few.cpu))

	unused := func() int {
		rows, err := o.SQL(`SELECT count(*) FROM ratelimit_keys WHERE expires = 0`)
		require.NoError(t, err)
		n, err := strconv.Atoi(rows[0])
		require.NoError(t, err)
		return n
	}
	before := unused()
	require.Greater(t, before, 512)
	_, err = o.SQL(`UPDATE durago_alarms SET at = 0, due = 0`)
	require.NoError(t, err)
	ran, err := o.RunAlarm()
	require.NoError(t, err)
	require.True(t, ran)
	measure(fmt.Sprintf("%d keys, while they are purged", n), n, 200)
	rows, err := o.SQL(`SELECT count(*) FROM ratelimit_keys WHERE expires > 0`)
	require.NoError(t, err)
	require.NotEqual(t, "0", rows[0], "what is used is kept")
	require.Eventually(t, func() bool { // all of it, or three batches: the pass goes on
		now := unused()
		return now == 0 || before-now > 2*512
	}, 20*time.Second, 20*time.Millisecond, "what is not goes")
}
