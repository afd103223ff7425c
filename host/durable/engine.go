// Package durable is the object engine: ids, namespaces, lifecycle, gates, alarms, sockets. It knows no wasm and no
// JavaScript, and is tested without them.
//
// # Who owns what
//
// Objects are spread over loops by id. An Object, its database, its sockets' table and everything else here that is
// about one object belongs to its loop: all of its methods run there. What crosses loops does so as a function given to
// Loop.Do. A Guest runs the code of the objects of one loop.
//
// # A turn
//
// The guest runs an object's code in turns (one event or wake-up until nothing can go on). When a turn has ended the
// guest calls EndTurn: the writes of the turn commit together, and what the object wanted to send (Output) is held
// until they are durable.
//
// # Gates
//
// Package gate has the theory. An object's events wait at its input gate while its constructor runs or a critical section
// is open; what it sends waits at its output gate for the commits before it. Within a Transaction nothing is committed, so
// that what is sent from inside waits for what was committed before it.
package durable

import (
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"time"

	"durago.example/host/clock"
	"durago.example/host/gate"
	"durago.example/host/storage"
)

// Loop runs functions one after another on a goroutine of its own.
type Loop interface{ Do(f func()) error }

// Guest runs the code of objects, on their loop.
type Guest interface {
	// Start has the guest make the object; done is called when its constructor has returned.
	Start(o *Object, done func(error))
	// Deliver gives an event of a started object to the guest, which calls e.Done once.
	Deliver(o *Object, e *Event)
	// Gone tells the guest that the object is no more in memory.
	Gone(o *Object)
}

// Event is one delivery. Payload is the guest's business.
type Event struct {
	Payload any
	Size    int // bytes that it carries; a bound for those that wait
	Done    func(result any, err error)
	Nested  bool // what a guest is doing waits for it

	arm      func() bool  // called right before the delivery; false says that there is nothing to deliver, nor to be done
	taken    func()       // called once it does not wait any more
	waiter   *gate.Waiter // while it waits
	at       *Object      // where
	asked    int64        // when it began to, ns; 0 if it never waited
	onCancel func()
	order    uint64 // of its delivery; 0 before

	undelivered func() // takes the delivery back

	patient   bool // however many wait, and however long: who sends it is held back
	cancelled bool
	returned  bool
}

// Cancel says that nobody waits for the event any more: one that waits fails at once, and the guest is told of one that
// has been delivered. On the object's loop only.
func (e *Event) Cancel() {
	if e.cancelled {
		return
	}
	e.cancelled = true
	if e.waiter != nil {
		e.waiter.Cancel()
		e.waiter = nil
		e.at.wait(e, -1)
		e.leave()
		e.Done(nil, errCancelled)
		return
	}
	if e.onCancel != nil {
		e.onCancel()
	}
}

// OnCancel has f called if the event is cancelled after its delivery.
func (e *Event) OnCancel(f func()) { e.onCancel = f }

// Payloads that the engine itself makes.
type (
	// Alarm is the payload of an alarm.
	Alarm struct {
		Scheduled time.Time
		Retries   int
	}
	// SocketMessage is the payload of a message.
	SocketMessage struct {
		Socket uint32
		Text   bool
		Data   []byte
	}
	// SocketClosed is the payload of a close.
	SocketClosed struct {
		Socket uint32
		Code   int
		Reason string
		Clean  bool
	}
)

// Options of an engine.
type Options struct {
	Store *storage.Store
	Clock clock.Clock
	Loops []Loop
	Guest []Guest // of each loop
	Log   func(o *Object, text string)
	// IdleAfter is how long an object without events or work stays in memory; default 10 s, negative for ever.
	IdleAfter time.Duration
	// OpenDatabases is how many databases are open at once, all loops together; default 2,000. More objects can be in
	// memory: a database is opened again by its next statement.
	OpenDatabases int
}

// Engine holds the namespaces.
type Engine struct {
	o          Options
	databases  []*storage.Cache // of each loop
	watches    []*watch         // of each loop
	updates    []updates        // of each loop
	namespaces map[string]*Namespace
}

// New makes an engine.
func New(o Options) *Engine {
	if o.IdleAfter == 0 {
		o.IdleAfter = 10 * time.Second
	}
	if o.OpenDatabases == 0 {
		o.OpenDatabases = 2000
	}
	e := &Engine{o: o, namespaces: map[string]*Namespace{}}
	for _, l := range o.Loops {
		e.databases = append(e.databases, o.Store.NewCache(max(1, o.OpenDatabases/len(o.Loops))))
		e.updates = append(e.updates, updates{timers: map[int]clock.Timer{}})
		e.watches = append(e.watches, &watch{clock: o.Clock, loop: l})
	}
	return e
}

// Namespace is one class of objects under one unique key.
type Namespace struct {
	UniqueKey string
	Class     string

	hasAlarm atomic.Bool
	e        *Engine
	alarms   *scheduler
	shards   []shard
	counts   Counts
	named    named
}

// shard is the part of a namespace that one loop owns.
type shard struct {
	objects map[string]*Object
	closed  bool // no object is started any more
}

// AddNamespace makes a namespace; call it before events come. hasAlarm says that the class has an alarm handler.
func (e *Engine) AddNamespace(uniqueKey, class string, hasAlarm bool) *Namespace {
	n := &Namespace{UniqueKey: uniqueKey, Class: class, e: e, shards: make([]shard, len(e.o.Loops))}
	for i := range n.shards {
		n.shards[i].objects = map[string]*Object{}
	}
	n.SetHasAlarm(hasAlarm)
	n.alarms = newScheduler(n)
	e.namespaces[uniqueKey] = n
	return n
}

// SetHasAlarm says whether the class has an alarm handler.
func (n *Namespace) SetHasAlarm(has bool) { n.hasAlarm.Store(has) }

// Start loads the alarms of all namespaces and lets them fire.
func (e *Engine) Start() error {
	for _, n := range e.namespaces {
		if err := n.alarms.load(); err != nil {
			return fmt.Errorf("alarms of %s: %w", n.UniqueKey, err)
		}
	}
	return nil
}

// Close takes all objects out of memory and ends their sockets. No event may come any more.
func (e *Engine) Close() error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for i := range e.o.Loops {
		_ = e.o.Loops[i].Do(e.watches[i].stop)
		_ = e.o.Loops[i].Do(e.updates[i].stop)
		for _, n := range e.namespaces {
			wg.Add(1)
			err := e.o.Loops[i].Do(func() {
				defer wg.Done()
				n.shards[i].closed = true // an object would leave its database open
				for _, o := range n.shards[i].objects {
					err := o.unload()
					if o.Sockets != nil {
						o.Sockets.drop()
					}
					if err != nil {
						mu.Lock()
						failed = errors.Join(failed, err)
						mu.Unlock()
					}
				}
			})
			if err != nil {
				wg.Done()
			}
		}
	}
	wg.Wait()
	for _, n := range e.namespaces {
		failed = errors.Join(failed, n.alarms.close())
	}
	return failed
}

// place is which loop owns an id.
func (n *Namespace) place(id string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return int(h.Sum32() % uint32(len(n.shards)))
}

// Visit runs f with the object on its loop; the object may be out of memory. name is given if it is known.
func (n *Namespace) Visit(id string, name *string, f func(o *Object)) error {
	i := n.place(id)
	return n.e.o.Loops[i].Do(func() { f(n.object(i, id, name)) })
}

// maxName is how long a name may be that its object is told, in bytes.
const maxName = 1024

// object finds or makes the object; on its loop only.
func (n *Namespace) object(loop int, id string, name *string) *Object {
	o := n.shards[loop].objects[id]
	if o == nil {
		o = newObject(n, loop, id)
		n.shards[loop].objects[id] = o
	}
	if o.name == nil && name != nil && len(*name) <= maxName && !o.started {
		o.name = name
	}
	return o
}

// On runs f on the loop that owns an id.
func (n *Namespace) On(id string, f func()) error { return n.e.o.Loops[n.place(id)].Do(f) }

// LoopOf is the loop that owns an id.
func (n *Namespace) LoopOf(id string) int { return n.place(id) }
