package durable_test

import (
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"durago.example/host/clock"
	"durago.example/host/durable"
	"durago.example/host/storage"
	"durago.example/host/storage/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// engine is an engine whose loop is the test's own goroutine and whose guest is the test: the payload of an event is the
// function that handles it.
type engine struct {
	*durable.Engine
	t     *testing.T
	clock *clock.Virtual
	store *storage.Store
	ns    *durable.Namespace

	mu   sync.Mutex
	jobs []func()

	// What the guest does; nil handlers succeed.
	constructor func(o *durable.Object) error
	alarm       func(o *durable.Object, a durable.Alarm) error
	message     func(o *durable.Object, m durable.SocketMessage) error
	closed      func(o *durable.Object, c durable.SocketClosed) error
	handle      func(o *durable.Object, ev *durable.Event) bool // instead of all of these
	gone        int
	left        func(o *durable.Object) // is told too; nil is nobody
	log         []string
}

// guest is the engine's guest.
type guest struct{ *engine }

type options struct {
	storage storage.Options
	idle    time.Duration // default never
	clock   *clock.Virtual
}

// newEngine starts an engine; call it in a bubble of synctest, and stop it there.
func newEngine(t *testing.T, o options) *engine {
	t.Helper()
	if o.storage.Dir == "" {
		o.storage.Dir = filepath.Join(t.TempDir(), "state")
	}
	if o.idle == 0 {
		o.idle = -1
	}
	if o.clock == nil {
		o.clock = clock.NewVirtual(epoch)
	}
	s, err := storage.Open(o.storage)
	require.NoError(t, err)
	e := &engine{t: t, clock: o.clock, store: s}
	e.Engine = durable.New(durable.Options{Store: s, Clock: e.clock, Loops: []durable.Loop{e}, Guest: []durable.Guest{guest{e}}, IdleAfter: o.idle,
		Log: func(_ *durable.Object, text string) { e.log = append(e.log, text) }})
	e.ns = e.AddNamespace("worker-Class", "Class", true)
	return e
}

// Do is the loop.
func (e *engine) Do(f func()) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.jobs = append(e.jobs, f)
	return nil
}

// settle runs the loop until nothing is left to do but to wait for the clock.
func (e *engine) settle() {
	for {
		synctest.Wait()
		e.mu.Lock()
		jobs := e.jobs
		e.jobs = nil
		e.mu.Unlock()
		if len(jobs) == 0 {
			return
		}
		for _, f := range jobs {
			f()
		}
	}
}

// some runs a few of the loop's jobs, at most n.
func (e *engine) some(n int) {
	for range n {
		e.mu.Lock()
		if len(e.jobs) == 0 {
			e.mu.Unlock()
			return
		}
		f := e.jobs[0]
		e.jobs = e.jobs[1:]
		e.mu.Unlock()
		f()
	}
}

// advance moves the clock, and stops at each timer on the way.
func (e *engine) advance(d time.Duration) {
	end := e.clock.Now().Add(d)
	e.settle()
	for e.clock.Step(end) {
		e.settle()
	}
}

func (e *engine) stop() error {
	done := make(chan error, 1)
	go func() { done <- e.Close() }()
	e.settle()
	err := <-done
	if err2 := e.store.Close(); err == nil {
		err = err2
	}
	return err
}

func (e guest) Start(o *durable.Object, done func(error)) {
	if e.constructor != nil {
		done(e.constructor(o))
	} else {
		done(nil)
	}
	o.EndTurn()
}

// Deliver is one turn for each event, whose result waits for its writes.
func (e guest) Deliver(o *durable.Object, ev *durable.Event) {
	var err error
	if e.handle != nil && e.handle(o, ev) {
		return
	}
	switch p := ev.Payload.(type) {
	case func(o *durable.Object, done func(error)):
		p(o, func(err error) { answer(o, ev, err) })
		o.EndTurn()
		return
	case durable.Alarm:
		o.BeginAlarm()
		if e.alarm != nil {
			err = e.alarm(o, p)
		}
	case durable.SocketMessage:
		if e.message != nil {
			err = e.message(o, p)
		}
	case durable.SocketClosed:
		if e.closed != nil {
			err = e.closed(o, p)
		}
	}
	answer(o, ev, err)
	o.EndTurn()
}

func answer(o *durable.Object, ev *durable.Event, failed error) {
	o.Output(func(err error) {
		if err == nil {
			err = failed
		}
		ev.Done(nil, err)
	})
}

func (e guest) Gone(o *durable.Object) {
	e.gone++
	if e.left != nil {
		e.left(o)
	}
}

// result is what became of an event.
type result struct {
	done bool
	err  error
	then func(error) // optional
}

// send has the object of a name handle an event; what became of it can be seen when the loop has run.
func (e *engine) send(name string, f func(o *durable.Object, done func(error))) *result {
	r := &result{}
	require.NoError(e.t, e.ns.Visit(e.ns.IDFromName(name), &name, func(o *durable.Object) {
		o.Deliver(&durable.Event{Payload: f, Done: func(_ any, err error) {
			r.done, r.err = true, err
			if r.then != nil {
				r.then(err)
			}
		}})
	}))
	return r
}

// do is send for a handler that is done when it returns, and waits.
func (e *engine) do(name string, f func(o *durable.Object) error) error {
	e.t.Helper()
	r := e.send(name, func(o *durable.Object, done func(error)) { done(f(o)) })
	e.settle()
	require.True(e.t, r.done)
	return r.err
}

// visit looks at an object beside its events.
func (e *engine) visit(name string, f func(o *durable.Object)) {
	require.NoError(e.t, e.ns.Visit(e.ns.IDFromName(name), &name, f))
	e.settle()
}

func exec(o *durable.Object, query string, args ...storage.Arg) error {
	c, err := o.Database().Exec(query, args)
	if err != nil {
		return err
	}
	return c.Close()
}

func write(o *durable.Object) error {
	return exec(o, `CREATE TABLE IF NOT EXISTS n (n); INSERT INTO n VALUES (1)`)
}

func count(t *testing.T, e *engine, name string) (n int) {
	require.NoError(t, e.do(name, func(o *durable.Object) error {
		c, err := o.Database().Exec(`SELECT count(*) FROM n`, nil)
		if err != nil {
			return err
		}
		c.Next()
		n = int(c.Value(0).Float)
		return c.Close()
	}))
	return n
}

// disk holds every sync of a file until it is let go. It is for a store that syncs each log.
type disk struct {
	journal.Machine
	mu   sync.Mutex
	held map[string]chan error
	hold bool
}

func (d *disk) SyncDir(string) error { return nil }
func (d *disk) SyncAll(string) error { return nil }

func (d *disk) SyncFile(path string) error {
	d.mu.Lock()
	if !d.hold {
		d.mu.Unlock()
		return nil
	}
	c := make(chan error)
	d.held[filepath.Base(filepath.Dir(path))+"/"+filepath.Base(path)] = c
	d.mu.Unlock()
	return <-c
}

func newDisk() *disk { return &disk{held: map[string]chan error{}, hold: true} }

// names are the files whose syncs are held, sorted.
func (d *disk) names() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []string
	for name := range d.held {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func (d *disk) release(name string, err error) {
	d.mu.Lock()
	c := d.held[name]
	delete(d.held, name)
	d.mu.Unlock()
	c <- err
}

func (d *disk) releaseAll() {
	d.mu.Lock()
	d.hold = false
	d.mu.Unlock()
	for _, name := range d.names() {
		d.release(name, nil)
	}
}

// bubble runs a test where time and goroutines are the test's own.
func bubble(f func(t *testing.T)) func(*testing.T) {
	return func(t *testing.T) { synctest.Test(t, f) }
}
