// Package bridge joins isolates and the engine: it turns events of the engine into frames for a guest, and the guest's
// operations into calls of the engine. There is one Bridge for each isolate, and everything in it belongs to the isolate's
// loop. Guests are those of one loop; each object is in one of them.
package bridge

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"durago.example/host/clock"
	"durago.example/host/durable"
	"durago.example/host/gojs"
	"durago.example/host/isolate"
	"durago.example/wasm/abi"
)

// Options of the guests of a loop.
type Options struct {
	Program     Program
	OwnInstance bool // each object runs in an isolate of its own
	Clock       clock.Clock
	CPULimit    isolate.Options // only CPULimit and Env are taken
	Namespace   func(binding string) (*durable.Namespace, error)
	Services    map[string]Service // by binding
	Install     func(*gojs.Realm, *Bridge) error
	Log         func(Line)
	Loop        int               // a number of its own, for the ids of events
	HTTP        http.RoundTripper // for outgoing requests
	Dial        Dial              // for those that ask for a socket
	RecycleAt   uint64            // bytes of the guest's memory past which it is replaced; 0 never
	// Subrequests is how many requests and calls an event may make, Connections how many requests to the network a context
	// may have that wait for a response; 0 is any number.
	Subrequests, Connections int
}

// Bridge is one isolate's.
type Bridge struct {
	o      Options
	guests *Guests
	iso    Isolate
	pause  func()        // made once
	took   time.Duration // that the last run did
	paused bool          // pause will be called
	last   bool          // it gets no context any more, and ends with its last one
	old    bool          // another program has taken its place
	grace  clock.Timer   // how long it may still take

	scopes     map[uint32]*scope
	events     map[uint32]*event
	statements map[uint32]string
	lastCtx    uint32
	lastEvent  uint32
	current    *scope
	posted     *event // what the guest runs for, if that began with an event
	asked      *scope // the first that a goroutine asked to be woken for, in a run that a timer began
	inCall     bool
	manifest   []byte
	sweep      clock.Timer // looks for events that take too long
	gone       []uint32    // contexts whose end the guest has not been told
	batch      batch
	recycling  recycling
	scratch    []byte // of the value that is on its way to storage
	number     int    // among those of its loop
}

var _ isolate.Platform = (*Bridge)(nil)

// newBridge starts an isolate. Loop only.
func (g *Guests) newBridge(ctx context.Context, p Program) (*Bridge, error) {
	g.made++
	b := &Bridge{o: g.o, guests: g, number: g.made}
	b.pause = b.rest
	b.clear()
	io := isolate.Options{Loop: g.loop, Clock: b.o.Clock, Platform: b, CPULimit: b.o.CPULimit.CPULimit, Env: b.o.CPULimit.Env,
		Stdout: func(line string) { b.say(b.current, abi.LogInfo, 0, line) }}
	if b.o.Install != nil {
		io.Install = func(r *gojs.Realm) error { return b.o.Install(r, b) }
	}
	var err error
	if b.iso, err = p.Start(ctx, io, b); err != nil {
		return nil, err
	}
	g.bridges[b] = true
	if s, ok := b.iso.(Still); ok {
		g.still.Store(b, s)
	}
	return b, nil
}

func (b *Bridge) clear() {
	b.scopes, b.events, b.statements = map[uint32]*scope{}, map[uint32]*event{}, map[uint32]string{}
	b.gone, b.batch.s, b.batch.events = nil, nil, nil
}

// Do runs f on the loop.
func (b *Bridge) Do(f func()) error { return b.guests.loop.Do(f) }

// close frees the isolate, and ends the sockets of what is left in it.
func (b *Bridge) close() {
	delete(b.guests.bridges, b)
	for _, s := range b.scopes {
		s.dropConns()
	}
	b.scopes = map[uint32]*scope{} // what was under way finds nobody
	b.guests.still.Delete(b)
	b.iso.Close()
	for _, t := range []clock.Timer{b.sweep, b.recycling.limit, b.grace} {
		if t != nil {
			t.Stop()
		}
	}
}

// Links counts what crosses in values and is no data: what the guest has lent, the stubs that it has got, and the streams
// under way in either direction. Loop only.
func (b *Bridge) Links() (lent, stubs, streams int) {
	for _, s := range b.scopes {
		lent += len(s.lent)
		stubs += s.given
		streams += len(s.bodies) + len(s.streams)
	}
	return lent, stubs, streams
}

// Conns is how many ordinary sockets the guest has. Loop only.
func (b *Bridge) Conns() int {
	n := 0
	for _, s := range b.scopes {
		n += len(s.conns)
	}
	return n
}

// Contexts is how many objects and requests the guest has, and how many events it has not answered. Loop only.
func (b *Bridge) Contexts() (contexts, events int) { return len(b.scopes), len(b.events) }

// Values is how many values of its realm the guest refers to; 0 if it has none. Loop only.
func (b *Bridge) Values() int {
	if r, ok := b.iso.(interface{ Values() int }); ok {
		return r.Values()
	}
	return 0
}

// Stat is a number about the guest. Loop only.
func (b *Bridge) Stat(which uint32) uint32 { return b.iso.Stat(which) }

// Memory is how much memory the guest has, in bytes. Loop only.
func (b *Bridge) Memory() uint64 { return b.iso.Memory() }

// scope is a context of the guest: an object, or a request to the front.
type scope struct {
	id      uint32
	b       *Bridge
	object  *durable.Object // nil for a request
	live    int             // events and work that the guest has not finished
	cursors map[uint32]*cursor
	stubs   map[uint32]stub
	lent    map[uint32]*capability // what others may call, by the guest's number
	depth   int                    // services that its latest event came through
	service bool                   // it lasts as long as somebody has something of it
	given   int                    // stubs that came in values
	holding counted                // keeps the object in memory while it has stubs of what others have lent
	bodies  map[uint32]Stream
	streams map[uint32]*pipe
	work    map[uint32]*work
	aborts  map[uint32]context.CancelFunc
	conns   map[uint32]*durable.Ordinary
	open    int               // of conns, those of which something may come
	blocks  map[uint32]*block // by event
	known   known
	handles uint32
	abort   error

	subrequests int      // since its last event
	connections int      // requests that wait for a response
	waiting     []func() // requests that wait for one of those

	counts *EventCounts
}

// work is what goes on beside events, and keeps its object in memory.
type work struct {
	began   time.Time
	release func() // once
	kept    bool   // it must end before the guest may be replaced
}

// event is one that the guest has not answered.
type event struct {
	id      uint32
	kind    abi.Event
	began   time.Time
	s       *scope
	request *Request
	done    func(result any, err error)
	pipe    *pipe          // the body that the guest still writes, after the answer
	conn    uint32         // the socket that it was answered with, whose handler may go on
	hold    func()         // keeps the object in memory until the body has ended; nil for a request
	source  *durable.Event // what may be delivered again if its handler never began
	landed  []uint32       // stubs that came with the arguments; they end with the event. nil if the arguments are data
	counted bool
}

func (b *Bridge) newScope(o *durable.Object) *scope {
	b.lastCtx++
	var n *durable.Namespace
	if o != nil {
		n = o.Namespace()
	}
	s := &scope{id: b.lastCtx, b: b, object: o, counts: b.guests.counts.of(n)}
	b.scopes[s.id] = s
	return s
}

// here tells whether the guest still has it.
func (s *scope) here() bool { return s.b.scopes[s.id] == s }

// revive has a guest in place before an event: a dead one is replaced.
func (b *Bridge) revive() error {
	if b.iso.Dead() == nil {
		return nil
	}
	b.clear()
	b.guests.counts.Restarts.Add(1)
	return b.iso.Restart()
}

// send delivers an event to the guest and keeps what its answer goes to.
func (b *Bridge) send(s *scope, kind abi.Event, frame []byte, r *Request, done func(any, error)) {
	b.post(s, kind, b.expect(s, kind, r, done).id, frame)
}

// nextEvent is the number of the next event.
func (b *Bridge) nextEvent() uint32 { return max(b.lastEvent+1, abi.FirstEvent) }

// expect makes the event whose answer goes to done.
func (b *Bridge) expect(s *scope, kind abi.Event, r *Request, done func(any, error)) *event {
	b.lastEvent = b.nextEvent()
	e := &event{id: b.lastEvent, kind: kind, began: b.o.Clock.Now(), s: s, request: r, done: done}
	b.events[e.id] = e
	s.live++
	s.subrequests = 0
	b.watch()
	return e
}

// post delivers an event. The guest is not on the stack.
func (b *Bridge) post(s *scope, kind abi.Event, ev uint32, frame []byte) {
	b.flush()
	b.tell()
	b.current = s
	if kind < abi.EventWake {
		b.posted = b.events[ev]
	}
	_ = b.iso.Event(kind, s.id, ev, frame) // a death is told to Died
	b.current, b.posted = nil, nil
	b.willRest()
}

// tell tells the guest which contexts have ended.
func (b *Bridge) tell() {
	for _, id := range b.gone {
		if b.iso.Notify(abi.EventGone, id, 0, nil) != nil {
			break
		}
	}
	b.gone = b.gone[:0]
}

// soon runs f now, or when the guest is off the stack.
func (b *Bridge) soon(f func()) {
	if b.inCall {
		_ = b.Do(f)
		return
	}
	f()
}

// start has the guest make an object.
func (b *Bridge) start(o *durable.Object, done func(error)) {
	if !b.inCall {
		if err := b.revive(); err != nil {
			done(err)
			return
		}
	}
	s := b.newScope(o)
	o.Context = s
	b.soon(func() {
		if !s.here() { // the guest has died since, and the object knows
			return
		}
		name, named := o.Name()
		f := abi.AppendStr(nil, o.Namespace().Class)
		f = abi.AppendStr(f, o.ID())
		f = abi.AppendStr(abi.AppendBool(f, named), name)
		b.send(s, abi.EventConstruct, f, nil, func(_ any, err error) { done(err) })
	})
}

// deliver gives an event of an object to the guest.
func (s *scope) deliver(o *durable.Object, e *durable.Event) {
	b := s.b
	b.soon(func() {
		if b.draining() && !e.Nested {
			b.hold(held{o: o, e: e})
			return
		}
		b.room(s.id)
		if !s.here() || b.iso.Dead() != nil { // the isolate has died since: the object is made anew first
			o.Return(e)
			return
		}
		s.depth = depthOf(e.Payload)
		switch p := e.Payload.(type) {
		case *Request:
			ev := b.nextEvent()
			e.OnCancel(func() { b.cancel(s, ev) })
			b.gather(s, abi.EventFetch, s.requestFrame(nil, p), p, e)
		case Call:
			b.call(s, abi.EventRPC, nil, p, e)
		case targetCall:
			if p.c.owner != s {
				e.Done(nil, errHostGone)
				return
			}
			b.call(s, abi.EventTarget, abi.AppendU32(nil, p.c.id), p.Call, e)
		case durable.Alarm:
			o.BeginAlarm()
			f := abi.AppendF64(nil, float64(p.Scheduled.UnixMilli()))
			b.send(s, abi.EventAlarm, abi.AppendU32(f, uint32(p.Retries)), nil, e.Done)
		case durable.SocketMessage:
			f := abi.AppendBool(abi.AppendU32(nil, p.Socket), p.Text)
			b.gather(s, abi.EventSocketMessage, append(f, p.Data...), nil, e)
		case durable.SocketClosed:
			f := abi.AppendU16(abi.AppendU32(nil, p.Socket), uint16(p.Code))
			b.gather(s, abi.EventSocketClose, abi.AppendStr(abi.AppendBool(f, p.Clean), p.Reason), nil, e)
		default:
			e.Done(nil, fmt.Errorf("bridge: unknown payload %T", p))
		}
	})
}

// cancel tells the guest that nobody waits for an event any more.
func (b *Bridge) cancel(s *scope, ev uint32) {
	b.soon(func() {
		if b.events[ev] != nil && b.iso.Dead() == nil {
			b.post(s, abi.EventCancel, ev, nil)
		}
	})
}

// end takes a scope away from the guest.
func (s *scope) end(reason error) {
	b := s.b
	if !s.here() {
		return
	}
	delete(b.scopes, s.id)
	b.willRest()
	if s.object != nil && s.object.Broken() != nil {
		reason = s.object.Broken()
	}
	for id, e := range b.events {
		if e.s == s {
			delete(b.events, id)
			b.count(e, true)
			e.done(nil, reason)
			if e.pipe != nil {
				e.streamed()
				e.pipe.end(reason)
			}
		}
	}
	s.release(reason)
	if b.batch.s == s {
		b.batch.drop() // what was gathered runs when the guest is told, below
	}
	if b.iso.Dead() != nil {
		return
	}
	b.soon(func() {
		b.flush()
		if b.iso.Dead() == nil {
			_ = b.iso.Event(abi.EventGone, s.id, 0, nil)
		}
	})
}

// release lets go of what a scope holds outside.
func (s *scope) release(reason error) {
	for _, c := range s.cursors {
		_ = c.c.Close()
	}
	for _, body := range s.bodies {
		body.Cancel()
	}
	for _, p := range s.streams {
		p.end(reason)
	}
	for _, w := range s.work {
		w.release()
	}
	for _, f := range s.aborts {
		f()
	}
	s.dropConns()
	for _, t := range s.stubs {
		t.drop()
	}
	s.holding.end()
	for _, c := range s.lent {
		c.release()
	}
	s.waiting = nil
	s.cursors, s.bodies, s.streams, s.work, s.aborts, s.stubs, s.lent = nil, nil, nil, nil, nil, nil, nil
}

// Idle ends the turn of the context that ran.
func (b *Bridge) Idle(ctx uint32, took time.Duration) {
	if took >= slowRun {
		b.slow(took)
	}
	b.took = took
	b.asked = nil
	b.endTurn(ctx)
}

func (b *Bridge) endTurn(ctx uint32) {
	s := b.scopes[ctx]
	if s == nil {
		return
	}
	if s.object == nil {
		if s.live == 0 {
			delete(b.scopes, s.id)
			s.release(nil)
			b.gone = append(b.gone, s.id)
		}
		return
	}
	if s.abort != nil {
		err := s.abort
		s.abort = nil
		s.object.Break(err)
		return
	}
	s.object.EndTurn()
}

// Died fails everything that was under way. An object with writes that were not committed is reset; the others are made
// anew by their next event, or by one that had been given to the guest and had not begun.
func (b *Bridge) Died(cause error) {
	failure := &durable.Error{Name: "Error", Message: "the isolate ended: " + cause.Error()}
	b.willRest()
	b.write(b.current, abi.LogError, b.running(), failure.Message)
	b.asked = nil
	scopes := b.scopes
	b.scopes = map[uint32]*scope{}
	again := b.unbegun()
	for id, e := range b.events {
		delete(b.events, id)
		b.count(e, true)
		e.done(nil, failure)
		if e.pipe != nil {
			e.streamed()
			e.pipe.end(failure)
		}
	}
	for _, s := range scopes {
		s.release(failure)
		if s.object == nil {
			continue
		}
		var events []*durable.Event
		for _, e := range again {
			if e.s == s {
				events = append(events, e.source)
			}
		}
		if s.object.Database().Writing() || len(s.blocks) > 0 {
			s.object.Break(failure)
			for _, e := range events {
				e.Done(nil, failure)
			}
		} else {
			s.object.Lost(events...)
		}
	}
}
