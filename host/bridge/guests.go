package bridge

import (
	"context"
	"sync"
	"time"

	"durago.example/host/durable"
	"durago.example/host/isolate"
)

// Guests are the isolates of one loop: that of the present program, which serves whatever is no object's and, unless each
// has an isolate of its own, the objects; and those that end with what they have under way. Start, Deliver, Gone and what
// belongs to a Bridge are for the loop only.
type Guests struct {
	o       Options
	loop    *isolate.Loop
	program Program
	present *Bridge
	bridges map[*Bridge]bool // all of them
	dialed  sync.WaitGroup   // connections to the network
	made    int              // ever
	counts  Counts
	still   sync.Map // *Bridge → Still, of those that have it
}

var (
	_ durable.Guest = (*Guests)(nil)
	_ durable.Loop  = (*Guests)(nil)
)

// New starts a loop and an isolate on it.
func New(ctx context.Context, o Options) (*Guests, error) {
	g := &Guests{o: o, loop: isolate.NewLoop(), program: o.Program, bridges: map[*Bridge]bool{}}
	err := g.wait(func() (err error) {
		g.present, err = g.newBridge(ctx, g.program)
		return err
	})
	if err != nil {
		g.loop.Close()
		return nil, err
	}
	return g, nil
}

// wait runs f on the loop and waits for it.
func (g *Guests) wait(f func() error) error {
	c := make(chan error, 1)
	if err := g.Do(func() { c <- f() }); err != nil {
		return err
	}
	return <-c
}

// Do runs f on the loop.
func (g *Guests) Do(f func()) error { return g.loop.Do(f) }

// Quiet tells whether the loop has nothing to do, nor has any goroutine of a guest. It may be called from any goroutine.
func (g *Guests) Quiet() bool {
	quiet := g.loop.Quiet()
	g.still.Range(func(_, s any) bool {
		quiet = quiet && s.(Still).Still()
		return quiet
	})
	return quiet && g.loop.Quiet()
}

// Busy is how long what runs on the loop now has been running; 0 if nothing does. It may be called from any goroutine.
func (g *Guests) Busy() time.Duration { return g.loop.Busy() }

// Close ends the isolates and the loop.
func (g *Guests) Close() {
	_ = g.wait(func() error {
		for b := range g.bridges {
			b.close()
		}
		return nil
	})
	g.loop.Close()
	g.dialed.Wait()
}

// Present is the isolate of the present program. Loop only.
func (g *Guests) Present() *Bridge { return g.present }

// Isolates is how many there are now. Loop only.
func (g *Guests) Isolates() int { return len(g.bridges) }

// Manifest asks the present program what it is. It may be called from any goroutine but the loop's.
func (g *Guests) Manifest() (m []byte, err error) {
	err = g.wait(func() (err error) {
		m, err = g.present.readManifest()
		return err
	})
	return m, err
}

// Start has a guest make an object.
func (g *Guests) Start(o *durable.Object, done func(error)) {
	o.Context = nil
	b := g.present
	if g.o.OwnInstance {
		var err error
		if b, err = g.newBridge(context.Background(), g.program); err != nil {
			done(err)
			return
		}
		b.last = true
	}
	b.start(o, done)
}

// Deliver gives an event of an object to the guest that has it.
func (g *Guests) Deliver(o *durable.Object, e *durable.Event) {
	if s, ok := o.Context.(*scope); ok {
		s.deliver(o, e)
		return
	}
	o.Return(e)
}

// Gone tells the guest that an object has left memory.
func (g *Guests) Gone(o *durable.Object) {
	if s, ok := o.Context.(*scope); ok && s.object == o {
		s.end(&durable.Error{Name: "Error", Message: "the object left memory"})
		o.Context = nil // an object that has left may be known for a while, which its guest and program need not be
	}
}

// Prepare starts an isolate of another program, which Update may put in place, and asks it what it is. It may be called from
// any goroutine but the loop's.
func (g *Guests) Prepare(ctx context.Context, p Program) (b *Bridge, manifest []byte, err error) {
	err = g.wait(func() (err error) {
		if b, err = g.newBridge(ctx, p); err == nil {
			manifest, err = b.readManifest()
		}
		return err
	})
	return b, manifest, err
}

// Drop ends what Prepare started and nobody wants.
func (b *Bridge) Drop() { _ = b.Do(b.close) }

// Update has everything that begins run in an isolate that Prepare started. What is under way goes on where it is, for as
// long as grace. Loop only.
func (g *Guests) Update(b *Bridge, p Program, grace time.Duration, reason error) {
	g.present, g.program = b, p
	for other := range g.bridges {
		if other != b && !other.old {
			other.old, other.last = true, true
			other.goOn()
			other.willRest()
			other.grace = g.o.Clock.AfterFunc(grace, func() { _ = g.Do(func() { other.finish(reason) }) })
		}
	}
}

// finish ends all contexts, and so the isolate.
func (b *Bridge) finish(reason error) {
	for _, s := range b.scopes {
		if s.object != nil {
			s.object.Break(reason)
		}
		s.end(reason)
	}
}
