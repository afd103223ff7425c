package durable_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/clock"
	"durago.example/host/durable"
	"durago.example/host/storage"
	"durago.example/host/storage/powerloss"
)

// thread is a loop on a goroutine of its own.
type thread struct {
	mu     sync.Mutex
	some   sync.Cond
	jobs   []func()
	closed bool
	done   chan struct{}
}

func newThread() *thread {
	l := &thread{done: make(chan struct{})}
	l.some.L = &l.mu
	go func() {
		defer close(l.done)
		for {
			l.mu.Lock()
			for len(l.jobs) == 0 && !l.closed {
				l.some.Wait()
			}
			jobs := l.jobs
			l.jobs = nil
			l.mu.Unlock()
			if jobs == nil {
				return
			}
			for _, f := range jobs {
				f()
			}
		}
	}()
	return l
}

func (l *thread) Do(f func()) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.jobs = append(l.jobs, f)
	l.some.Signal()
	return nil
}

func (l *thread) close() {
	l.mu.Lock()
	l.closed = true
	l.some.Signal()
	l.mu.Unlock()
	<-l.done
}

// turns is a guest whose events are functions, each a turn.
type turns struct{}

func (turns) Start(o *durable.Object, done func(error)) { done(nil); o.EndTurn() }
func (turns) Gone(*durable.Object)                      {}

func (turns) Deliver(o *durable.Object, e *durable.Event) {
	answer(o, e, e.Payload.(func(o *durable.Object) error)(o))
	o.EndTurn()
}

// crowd is an engine with very many objects, and real loops.
type crowd struct {
	t     *testing.T
	store *storage.Store
	e     *durable.Engine
	ns    *durable.Namespace
	loops []*thread
}

func newCrowd(t *testing.T, dir string, open int) *crowd {
	s, err := storage.Open(storage.Options{Dir: dir})
	require.NoError(t, err)
	c := &crowd{t: t, store: s, loops: []*thread{newThread(), newThread()}}
	c.e = durable.New(durable.Options{Store: s, Clock: clock.Real, Loops: []durable.Loop{c.loops[0], c.loops[1]}, Guest: []durable.Guest{turns{}, turns{}},
		IdleAfter: -1, OpenDatabases: open, Log: func(_ *durable.Object, text string) { t.Error(text) }})
	c.ns = c.e.AddNamespace("worker-Class", "Class", false)
	require.NoError(t, c.e.Start())
	return c
}

func (c *crowd) id(i int) string { return c.ns.IDFromName(fmt.Sprint(i)) }

// ask has an object handle an event and waits.
func (c *crowd) ask(id string, f func(o *durable.Object) error) error {
	done := make(chan error, 1)
	if err := c.ns.Visit(id, nil, func(o *durable.Object) {
		o.Deliver(&durable.Event{Payload: f, Done: func(_ any, err error) { done <- err }})
	}); err != nil {
		return err
	}
	return <-done
}

func (c *crowd) put(i int) error {
	return c.ask(c.id(i), func(o *durable.Object) error { return o.Database().Put("n", []byte(fmt.Sprint(i))) })
}

func (c *crowd) check(i int) error {
	return c.ask(c.id(i), func(o *durable.Object) error {
		v, ok, err := o.Database().Get("n")
		if err == nil && (!ok || string(v) != fmt.Sprint(i)) {
			err = fmt.Errorf("object %d has %q", i, v)
		}
		return err
	})
}

const clients = 16

// each does something with the numbers below n, many at a time, and returns how long each took, sorted.
func (c *crowd) each(n int, f func(i int) error) []time.Duration {
	var next atomic.Int64
	took := make([]time.Duration, n)
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				began := time.Now()
				if err := f(i); err != nil {
					c.t.Error(err)
					return
				}
				took[i] = time.Since(began)
			}
		})
	}
	wg.Wait()
	slices.Sort(took)
	return took
}

func (c *crowd) evict(i int) error {
	done := make(chan error, 1)
	if err := c.ns.Visit(c.id(i), nil, func(o *durable.Object) { done <- o.Evict() }); err != nil {
		return err
	}
	return <-done
}

// stop ends everything and returns how long the engine and the store took.
func (c *crowd) stop() (engine, store time.Duration) {
	began := time.Now()
	require.NoError(c.t, c.e.Close())
	engine = time.Since(began)
	for _, l := range c.loops {
		l.close()
	}
	began = time.Now()
	require.NoError(c.t, c.store.Close())
	return engine, time.Since(began)
}

func p99(sorted []time.Duration) time.Duration { return sorted[len(sorted)*99/100] }

// TestEngine_many has very many objects on disk and in memory, and few open databases: each has what it wrote, and open
// files are bounded. The rest it reports: memory, and what those feel that go on while a thousand idle ones are evicted.
// DURAGO_CROWD asks for more objects than 2,000, and DURAGO_BENCH_DIR for a disk.
func TestEngine_many(t *testing.T) {
	objects := powerloss.Number(t, "DURAGO_CROWD", 2000)
	dir, open := powerloss.Scratch(t), max(50, objects/50)
	if d := os.Getenv("DURAGO_BENCH_DIR"); d != "" {
		var err error
		dir, err = os.MkdirTemp(d, "durago-")
		require.NoError(t, err)
		defer os.RemoveAll(dir)
	}
	dir = filepath.Join(dir, "state")
	files, empty := descriptors(t), memory()
	c := newCrowd(t, dir, open)

	began := time.Now()
	c.each(objects, c.put)
	created := time.Since(began)
	require.LessOrEqual(t, c.store.OpenDatabases(), open+1, "and the namespace's own")
	require.LessOrEqual(t, descriptors(t), files+2*(open+1)+32, "a database and its log are two files; the journal has some")
	full := memory()
	t.Logf("%d objects with one write, made in %v: %.0f/s", objects, created.Round(time.Millisecond), float64(objects)/created.Seconds())

	rng := rand.New(rand.NewPCG(1, 1))
	order := rng.Perm(objects)[:min(objects, 10_000)]
	took := c.each(len(order), func(i int) error { return c.check(order[i]) })
	t.Logf("reads of any: p50 %v, p99 %v", took[len(took)/2], p99(took))
	require.LessOrEqual(t, c.store.OpenDatabases(), open+1)

	// The first few go on, while a thousand of the others are evicted, and their logs copied.
	hot, idle := open/2, min(1000, objects/2)
	load := func() []time.Duration { return c.each(1000, func(i int) error { return c.put(i % hot) }) }
	var before, during []time.Duration
	load()
	for range 10 {
		before = append(before, load()...)
	}
	var evicted sync.WaitGroup
	evicted.Go(func() {
		for i := range idle {
			if err := c.evict(objects - 1 - i); err != nil {
				t.Error(err)
			}
		}
	})
	for len(during) < len(before) || !c.store.Quiet() {
		during = append(during, load()...)
	}
	evicted.Wait()
	slices.Sort(before)
	slices.Sort(during)
	t.Logf("writes to %d, c=%d: p99 %v, and %v of %d while %d others are evicted: %.1f times", hot, clients, p99(before), p99(during), len(during), idle,
		float64(p99(during))/float64(p99(before)))

	engine, store := c.stop()
	c.e, c.ns = nil, nil
	t.Logf("stopped in %v, and %v for the logs", engine.Round(time.Millisecond), store.Round(time.Millisecond))
	closed := memory()
	idleObject := (full.heap - closed.heap) / int64(objects)
	t.Logf("%d bytes of heap for each object in memory; %d KB for each open database", idleObject, (full.resident-empty.resident-int64(objects)*idleObject)/int64(open)/1024)

	c = newCrowd(t, dir, open)
	took = c.each(min(objects, 1000), func(i int) error { return c.check(objects - 1 - i) })
	t.Logf("after a restart, first reads: p50 %v, p99 %v", took[len(took)/2], p99(took))
	c.stop()
}

type used struct{ heap, resident int64 }

func memory() used {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b, _ := os.ReadFile("/proc/self/statm")
	var size, pages int64
	_, _ = fmt.Sscan(string(b), &size, &pages)
	return used{int64(m.HeapAlloc), pages * int64(os.Getpagesize())}
}

func descriptors(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}
