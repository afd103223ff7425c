package guest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
)

// event is one delivery, and the context of its handler.
type event struct {
	label
	kind  abi.Event
	frame []byte
	ending
	at       int       // in its scope's events
	exchange *exchange // of an EventFetch
}

// newEvent makes an event, and what it needs in the same piece of memory: one costs a handler less than five.
func newEvent(kind abi.Event, frame []byte) *event {
	if kind != abi.EventFetch {
		return &event{kind: kind, frame: frame}
	}
	x := &exchange{}
	x.event.kind, x.event.frame, x.event.exchange = kind, frame, x
	return &x.event
}

func (g *Guest) eventOf(ctx, ev uint32) *event {
	if s := g.scopes[ctx]; s != nil {
		for _, e := range s.events {
			if e.label.event == ev {
				return e
			}
		}
	}
	return nil
}

// drop takes e out of the events of its scope, whose order does not matter.
func (s *scope) drop(e *event) {
	n := len(s.events) - 1
	s.events[e.at] = s.events[n]
	s.events[e.at].at = e.at
	s.events[n] = nil
	s.events = s.events[:n]
}

// deliver starts a goroutine for an event, or handles it at once. The frame is the guest's.
func (g *Guest) deliver(kind abi.Event, ctx, ev uint32, frame []byte) {
	switch kind {
	case abi.EventWake:
		if s := g.scopes[ctx]; s != nil {
			s.wake()
		}
	case abi.EventDone:
		if s := g.scopes[ctx]; s != nil {
			s.complete(ev, frame)
		}
	case abi.EventGone:
		if s := g.scopes[ctx]; s != nil {
			s.end()
		}
	case abi.EventCancel:
		if e := g.eventOf(ctx, ev); e != nil {
			e.cancel()
		}
	case abi.EventExpire:
		if e := g.eventOf(ctx, ev); e != nil {
			e.expire()
		}
	case abi.EventUnlent:
		if s := g.scopes[ctx]; s != nil {
			s.unlent(ev)
		}
	case abi.EventBlock:
		r := abi.NewReader(frame)
		if b := g.bodies[r.U32()]; b != nil {
			b.event = ev
			g.fire(&b.start)
		}
	case abi.EventManifest:
		g.manifest()
	default:
		g.pin()
		s := g.scopeFor(ctx)
		e := newEvent(kind, frame)
		e.label = *newLabel(s, nil, ev)
		e.at = len(s.events)
		s.events = append(s.events, e)
		g.arrived = append(g.arrived, e)
		g.unpin()
		g.summon()
	}
}

func (g *Guest) manifest() {
	b, err := g.program.Manifest()
	if err != nil {
		b = appendError(nil, err, "")
	}
	_, _ = g.call(0, abi.OpManifest, 0, b, nil)
}

// maxIdle is how many workers wait for events. They keep their grown stacks; growing one costs more than a small event.
const maxIdle = 64

// summon has a worker look at what has arrived. At most one is called and has not come yet. Several events may arrive
// before it does: then one worker handles them one after the other, and another goes on with the next when it has to
// wait, so that they begin in their order.
func (g *Guest) summon() {
	if g.called {
		return
	}
	g.called = true
	if n := len(g.idle); n > 0 {
		w := g.idle[n-1]
		g.idle = g.idle[:n-1]
		g.rouse(w)
		return
	}
	g.start(func() { g.work(g.newWorker()) })
}

// next takes the first event that may begin.
func (g *Guest) next() *event {
	for i, e := range g.arrived {
		if e.scope.shuts == 0 || e.scope.gone {
			g.arrived = slices.Delete(g.arrived, i, i+1)
			return e
		}
	}
	return nil
}

func (g *Guest) work(w *worker) {
	for {
		g.letOthersGoOn()
		g.called = false
		for e := g.next(); e != nil; e = g.next() {
			if len(g.arrived) > 0 {
				g.summon()
			}
			e.run()
		}
		setProfLabel(nil)
		if len(g.idle) >= maxIdle {
			return
		}
		g.pin()
		g.idle = append(g.idle, w)
		g.unpin()
		g.rest(w)
	}
}

// run handles the event. A panic fails it and has the object made anew; runtime.Goexit fails it too.
func (e *event) run() {
	e.label.set()
	finished := false
	g := e.scope.g
	g.handling = e
	g.begun(e.label.event)
	g.settle()
	defer func() {
		r := recover()
		if g.handling == e {
			g.handling = nil
		}
		if !finished {
			g.take()
			if !e.scope.gone {
				e.scope.instance = nil
				e.fail(panicError(r), string(debug.Stack()))
			}
		}
		e.scope.drop(e)
		e.cancel()
	}()
	if err := e.handle(); err != nil {
		e.fail(err, "")
	}
	finished = true
}

func panicError(r any) error {
	if r == nil {
		return errors.New("the handler ended its goroutine with runtime.Goexit")
	}
	if err, ok := r.(runtime.Error); ok {
		return fmt.Errorf("panic: %w", err)
	}
	return fmt.Errorf("panic: %v", r)
}

func (e *event) handle() error {
	s := e.scope
	switch e.kind {
	case abi.EventFetch:
		return e.fetch()
	case abi.EventTarget:
		return e.target()
	case abi.EventService:
		return e.service()
	}
	if e.kind == abi.EventScheduled {
		r := abi.NewReader(e.frame)
		cron, at := r.Str(), r.F64()
		if s.g.program.Scheduled == nil {
			return errors.New("Handler does not export a scheduled() function.")
		}
		return e.finish(s.g.program.Scheduled(e, cron, time.UnixMilli(int64(at))))
	}
	if e.kind == abi.EventConstruct {
		if err := s.describe(e.frame); err != nil {
			return err
		}
		_, err := s.ensure()
		return e.finish(err)
	}
	i, err := s.ensure()
	if err != nil {
		return err
	}
	r := abi.NewReader(e.frame)
	switch e.kind {
	case abi.EventRPC:
		return e.call(&r, i)
	case abi.EventAlarm:
		at, retries := r.F64(), r.U32()
		return e.finish(i.Alarm(e, time.UnixMilli(int64(at)), int(retries)))
	case abi.EventSocketMessage:
		socket, text, data := r.U32(), r.U8(), r.Rest()
		return e.finish(i.SocketMessage(e, socket, text == 1, data))
	case abi.EventSocketClose:
		socket, code, clean, reason := r.U32(), r.U16(), r.U8(), r.Str()
		return e.finish(i.SocketClose(e, socket, int(code), reason, clean == 1))
	case abi.EventSocketError:
		socket, message := r.U32(), r.Str()
		return e.finish(i.SocketError(e, socket, message))
	}
	return fmt.Errorf("durago: unknown event %d: the runtime is newer than this program", e.kind)
}

// call calls the method that the rest of the frame names.
func (e *event) call(r *abi.Reader, of callable) error {
	method := r.Str()
	args := r.Rest()
	if r.Err() != nil {
		return r.Err()
	}
	out, err := of.Call(e, method, args)
	if err != nil {
		return err
	}
	e.scope.sent(out, nil) // before it has: an entrypoint's scope would end with the answer
	e.scope.answer(e.label.event, abi.OpReturn, out)
	return nil
}

// callable has methods: an object, an entrypoint, a target.
type callable interface {
	Call(ctx context.Context, method string, args []byte) ([]byte, error)
}

// service runs an event of a named entrypoint, which is made for it.
func (e *event) service() error {
	s := e.scope
	r := abi.NewReader(e.frame)
	name := r.Str()
	s.props = append([]byte(nil), r.Bytes()...)
	rpc := r.U8() == 1
	i := slices.IndexFunc(s.g.program.Services, func(c driver.Class) bool { return c.Name() == name })
	if i < 0 {
		return fmt.Errorf("durago: this program has no entrypoint %q", name)
	}
	self, err := s.g.program.Services[i].New(s, driver.ID{})
	if err != nil {
		return err
	}
	if rpc {
		return e.call(&r, self)
	}
	e.frame = r.Rest()
	s.instance = self
	return e.fetch()
}

// describe learns which object the scope is.
func (s *scope) describe(frame []byte) error {
	r := abi.NewReader(frame)
	class := r.Str()
	s.object = driver.ID{Hex: r.Str(), Named: r.U8() == 1, Name: r.Str()}
	if err := r.Err(); err != nil {
		return err
	}
	for _, c := range s.g.program.Classes {
		if c.Name() == class {
			s.class = c
			return nil
		}
	}
	return fmt.Errorf("durago: this program has no class %q", class)
}

// ensure makes the object's Go half if there is none, once.
func (s *scope) ensure() (driver.Instance, error) {
	for s.instance == nil {
		if s.gone {
			return nil, errGone
		}
		if s.class == nil {
			return nil, errors.New("durago: this event is for an object, but its context is none")
		}
		if s.building != nil {
			s.g.park(s.building, nil, nil)
			continue
		}
		if err := s.build(); err != nil {
			return nil, err
		}
	}
	return s.instance, nil
}

func (s *scope) build() error {
	building := newSignal()
	s.building = &building
	defer func() {
		s.g.take()
		s.building = nil
		s.g.fire(&building)
		s.g.settle()
	}()
	s.g.settle()
	i, err := s.class.New(s, s.object)
	if err == nil {
		s.instance = i
	}
	return err
}

// finish answers an event that has no result.
func (e *event) finish(err error) error {
	if err == nil {
		e.scope.answer(e.label.event, abi.OpReturn, nil)
	}
	return err
}

func (e *event) fail(err error, stack string) {
	e.scope.g.take()
	if errors.Is(err, context.Canceled) && e.scope.gone {
		return
	}
	e.scope.answer(e.label.event, abi.OpFail, appendError(nil, err, stack))
}

// answer gives the outcome of an event; a scope that is gone has nobody to give it to.
func (s *scope) answer(ev uint32, op abi.Op, frame []byte) {
	_, _ = s.do(op, ev, frame)
}

func (e *event) cancel() { e.end(context.Canceled) }

func (e *event) Deadline() (time.Time, bool) { return time.Time{}, false }

func (e *event) Value(key any) any { return e.scope.value(key) }

// Go and WaitUntil contain what f does.

func (s *scope) Go(f func(context.Context)) {
	s.spawn(func(ctx context.Context) error { f(ctx); return nil }, []byte{0})
}

func (s *scope) WaitUntil(f func(context.Context) error) { s.spawn(f, nil) }

// spawn tells the runtime about the work, so that it keeps timers going for it; a frame says that the work need not
// keep the scope alive.
func (s *scope) spawn(f func(context.Context) error, frame []byte) {
	token := s.g.nextToken()
	if _, err := s.do(abi.OpWaitUntil, token, frame); err != nil {
		return
	}
	l := running()
	var ev uint32
	if l != nil {
		ev = l.event
	}
	s.g.start(func() {
		newLabel(s, nil, ev).set()
		finished := false
		defer func() {
			if r := recover(); r != nil || !finished {
				s.Log(context.Background(), abi.LogError, fmt.Sprintf("%v\n%s", panicError(r), debug.Stack()))
			}
			_, _ = s.do(abi.OpWorkDone, token, nil)
		}()
		err := f(s.Context())
		s.g.take()
		if err != nil && !s.gone {
			s.Log(context.Background(), abi.LogError, err.Error())
		}
		finished = true
	})
}

// stat is a number about the guest; see the Stat constants of wasm/abi.
func (g *Guest) stat(which uint32) uint32 {
	switch which {
	case abi.StatGoroutines:
		return uint32(runtime.NumGoroutine())
	case abi.StatContexts:
		return uint32(len(g.scopes))
	case abi.StatLent:
		n := 0
		for _, s := range g.scopes {
			n += len(s.lent.targets) + len(s.lent.streams)
		}
		return uint32(n)
	case abi.StatParked:
		return g.parked
	case abi.StatHeap:
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return uint32(m.HeapAlloc)
	}
	return 0
}
