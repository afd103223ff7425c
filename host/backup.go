package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"durago.example/host/clock"
	"durago.example/host/durable"
	"durago.example/host/storage"
)

// Backup writes what an object has stored to a new file: one plain SQLite database, as it is at some moment of the call,
// whole and durable when Backup returns nil. The object's events wait for a checkpoint of its database, as they do now and
// then in any case; no other object's do.
func (p *Operator) Backup(ctx context.Context, class, object, file string) error {
	_, err := visit(ctx, p, class, object, func(o *durable.Object, done func(struct{}, error)) {
		o.Backup(ctx, file, func(err error) { done(struct{}{}, err) })
	})
	return noData("back up", class, object, err)
}

// Restore replaces all that an object has stored, its alarm included, by what a file of Backup has. The object is reset,
// as by Abort, and its next event finds the other state. When Restore returns an error, or the process dies meanwhile,
// the object has what it had before.
func (p *Operator) Restore(ctx context.Context, class, object, file string) error {
	t, err := p.find(class, object)
	if err != nil {
		return err
	}
	b, err := storage.CheckBackup(file)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	done := make(chan error, 1)
	if err := t.ns.Restore(t.id, t.name, b, func(err error) { done <- err }); err != nil {
		return err
	}
	return <-done
}

// Data is the data directory of a worker that does not run, without its program: no event is delivered and no alarm fires.
type Data struct {
	Operator
	store  *storage.Store
	engine *durable.Engine
	loop   *loop
}

// OpenData takes the data directory of Options; of the others only Classes, Bindings and CPULimit count. It fails with
// storage.ErrInUse while a host has the directory.
func OpenData(o Options) (_ *Data, err error) {
	if _, err := os.Stat(o.Dir); err != nil {
		return nil, fmt.Errorf("there is no data directory: %w: name it with --persist-to", err)
	}
	d := &Data{Operator: newOperator(), loop: newLoop()}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	if d.store, err = storage.Open(storage.Options{Dir: o.Dir, Disk: o.Disk, CPULimit: o.CPULimit}); err != nil {
		return nil, err
	}
	still := clock.NewVirtual(time.Now())
	d.engine = durable.New(durable.Options{Store: d.store, Clock: still, Loops: []durable.Loop{d.loop}, Guest: []durable.Guest{nobody{}}, IdleAfter: -1,
		Log: func(*durable.Object, string) {}})
	for _, c := range o.Classes {
		d.namespaces[c.Name] = d.engine.AddNamespace(c.UniqueKey, c.Name, true)
	}
	for binding, b := range o.Bindings {
		if b.Worker == "" {
			d.bindings[binding] = d.namespaces[b.Class]
		}
	}
	return d, d.engine.Start() // what a host that was killed has left is put right first
}

// Close lets the directory go.
func (d *Data) Close() (failed error) {
	if d.engine != nil {
		failed = d.engine.Close()
	}
	d.loop.close()
	if d.store != nil {
		failed = errors.Join(failed, d.store.Close())
	}
	return failed
}

// nobody is the guest of objects whose program does not run.
type nobody struct{}

var errNoProgram = errors.New("the program does not run")

func (nobody) Start(_ *durable.Object, done func(error))   { done(errNoProgram) }
func (nobody) Deliver(_ *durable.Object, e *durable.Event) { e.Done(nil, errNoProgram) }
func (nobody) Gone(*durable.Object)                        {}

// loop runs functions one after another.
type loop struct {
	mu     sync.Mutex
	some   sync.Cond
	jobs   []func()
	closed bool
	done   chan struct{}
}

func newLoop() *loop {
	l := &loop{done: make(chan struct{})}
	l.some.L = &l.mu
	go l.run()
	return l
}

// Do has f run after all that was given before.
func (l *loop) Do(f func()) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errNoProgram
	}
	l.jobs = append(l.jobs, f)
	l.some.Signal()
	return nil
}

func (l *loop) run() {
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
}

func (l *loop) close() {
	l.mu.Lock()
	l.closed = true
	l.some.Signal()
	l.mu.Unlock()
	<-l.done
}
