// Package host runs a worker on one machine: the compiled program on wazero isolates, its Durable Objects on SQLite
// files, its sockets over gorilla/websocket. New starts it, Handler serves it, Close ends it.
package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"durago.example/host/assets"
	"durago.example/host/bridge"
	"durago.example/host/clock"
	"durago.example/host/durable"
	"durago.example/host/gojs"
	"durago.example/host/isolate"
	"durago.example/host/storage"
	"durago.example/host/workersapi"
	"durago.example/host/ws"
	"durago.example/wasm/abi"
	"durago.example/wasm/value"
)

// Class is a Durable Object class of the worker.
type Class struct {
	Name      string
	UniqueKey string // ids and the data directory depend on it
}

// Binding is what a binding of a Durable Object class names.
type Binding struct {
	Class  string
	Worker string // that has the class; empty is this one
}

// Service is what a service binding names: an entrypoint.
type Service struct {
	Worker     string         // that has it; empty is this one
	Entrypoint string         // empty for the worker's own handlers
	Props      map[string]any // JSON that the entrypoint is told; nil is none
	Handler    http.Handler   // answers requests in the place of a worker; calls have nobody to answer them
}

// Assets are static files beside the worker.
type Assets struct {
	assets.Options
	Binding string // by which the worker asks for files; empty is none
}

// Options say what to run. One of Program, Wasm and Native must be set, and Dir or Machine.
type Options struct {
	Name    string   // of the worker, by which others on its Machine know it
	Machine *Machine // default one of its own, in Dir

	Program  *Program // the caller closes it, after the host
	Wasm     []byte
	Native   Native // limits of memory and CPU time are not kept
	Classes  []Class
	Bindings map[string]Binding
	Vars     map[string]any    // strings and JSON values
	KV       map[string]string // binding → namespace id
	Services map[string]Service
	Assets   *Assets

	Dir      string // of the data; this, NoSync and Disk are the machine's if there is one
	CacheDir string // of code compiled from Wasm
	Isolates int    // default GOMAXPROCS
	NoSync   bool   // acknowledged writes survive the process, not the machine
	Disk     storage.Disk
	// OpenDatabases is how many databases of objects are open at once, of all isolates; default 2,000. One that is open
	// holds about 420 KB and two files; an object whose database is closed opens it again with its next statement.
	OpenDatabases int

	MemoryLimit uint64 // of each isolate that runs Wasm, bytes; default 128 MiB
	RecycleAt   uint64 // memory of an isolate, bytes, past which it is replaced between events; default 3/4 of its limit
	// OwnInstance gives each object an isolate of its own: what one does ends no other, for 5 MB of memory each and 4 ms at its start. By
	// default the objects of a loop share one.
	OwnInstance bool
	CPULimit    time.Duration // of each run, and of SQL that one asks for; default 30 s
	IdleAfter   time.Duration // until an idle object leaves memory; default 10 s, negative never
	MaxBody     int64         // of a request, bytes; default 100 MiB
	// BodyTimeout is how long a client may send nothing of a body that is asked for, or take nothing of one that is there, until
	// its connection ends; default 1 min. A body of up to 16 KiB, which is read before the program runs, must be there within it.
	BodyTimeout time.Duration
	// SocketMemory bounds what the WebSockets of clients hold of messages together, beside 64 KiB of each and way, bytes: of
	// those that clients have sent in part, or do not take. Of too much the client that has held most for longest is dropped.
	// Default 256 MiB.
	SocketMemory int64
	Subrequests  int // requests and calls that an event may make; one more fails; default any number
	Connections  int // requests to the network of one object that wait for a response; others wait for them; default any number

	Clock clock.Clock // default the machine's
	Log   func(Line)  // default none
	HTTP  http.RoundTripper
	// Observer says who may read HealthPath and MetricsPath; default Loopback.
	Observer func(*http.Request) bool
}

// Line is one line of the log.
type Line = bridge.Line

// Host is a running worker.
type Host struct {
	Operator
	o        Options
	machine  *Machine
	program  *Program
	guests   []*bridge.Guests
	engine   *durable.Engine
	assets   *assets.Site // nil if there are none
	code     atomic.Pointer[code]
	updating sync.Mutex
	next     next
	sockets  sockets
	lines    lines
	closing  atomic.Bool
}

// New starts a worker: takes the data directory, compiles, starts the isolates, checks the classes, loads the alarms.
// What fails is undone, and the error says what to do.
func New(ctx context.Context, o Options) (_ *Host, err error) {
	if o.Isolates <= 0 {
		o.Isolates = runtime.GOMAXPROCS(0)
	}
	if o.OpenDatabases < 0 {
		return nil, fmt.Errorf("OpenDatabases is %d: must be at least 1, or 0 for the default", o.OpenDatabases)
	}
	if o.Subrequests < 0 || o.Connections < 0 {
		return nil, fmt.Errorf("the options Subrequests, %d, and Connections, %d: neither may be negative, and 0 is no limit", o.Subrequests, o.Connections)
	}
	if o.SocketMemory < 0 {
		return nil, fmt.Errorf("SocketMemory is %d: must be a number of bytes, or 0 for the default", o.SocketMemory)
	}
	set(&o.SocketMemory, 256<<20)
	if o.MaxBody == 0 {
		o.MaxBody = 100 << 20
	}
	set(&o.BodyTimeout, time.Minute)
	if o.Clock == nil {
		o.Clock = clock.Real
	}
	if o.HTTP == nil {
		o.HTTP = http.DefaultTransport
	}
	h := &Host{Operator: newOperator(), o: o, sockets: sockets{budget: ws.NewBudget(o.SocketMemory)}}
	h.elsewhere = h.namespaceOf
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	if o.Program == nil && o.Native == nil {
		if err := isolate.Check(o.Wasm); err != nil {
			return nil, err
		}
	}
	if h.machine = o.Machine; h.machine == nil {
		if h.machine, err = OpenMachine(MachineOptions{Dir: o.Dir, NoSync: o.NoSync, Disk: o.Disk, Clock: o.Clock, CPULimit: o.CPULimit}); err != nil {
			return nil, err
		}
	}
	if len(o.KV) > 0 {
		if err := h.machine.store.MakeNamespace("kv"); err != nil {
			return nil, err
		}
	}
	program, err := h.takeProgram(ctx)
	if err != nil {
		return nil, err
	}
	if err := h.openAssets(); err != nil {
		return nil, err
	}
	services, err := h.services()
	if err != nil {
		return nil, err
	}
	for i := range o.Isolates {
		b, err := bridge.New(ctx, bridge.Options{Program: program, Clock: o.Clock, HTTP: o.HTTP, Dial: dial, Namespace: h.namespaceOf, Services: services, Install: h.install, RecycleAt: h.o.RecycleAt, OwnInstance: o.OwnInstance,
			Subrequests: o.Subrequests, Connections: o.Connections,
			CPULimit: isolate.Options{CPULimit: o.CPULimit},
			Log:      h.log, Loop: i})
		if err != nil {
			return nil, err
		}
		h.guests = append(h.guests, b)
	}
	manifest, err := h.guests[0].Manifest()
	if err != nil {
		return nil, err
	}
	return h, h.startEngine(manifest)
}

// dial opens a socket to the network.
func dial(ctx context.Context, url string, header http.Header) (bridge.Dialed, *http.Response, error) {
	c, resp, err := ws.Dial(ctx, url, header)
	if c == nil { // a nil of its type would be no nil
		return nil, resp, err
	}
	return c, resp, nil
}

func (h *Host) openAssets() (err error) {
	a := h.o.Assets
	if a == nil {
		return nil
	}
	if h.assets, err = assets.Open(a.Options); err != nil || a.Binding == "" {
		return err
	}
	if _, taken := h.o.Services[a.Binding]; taken {
		return fmt.Errorf("the binding %s is that of the assets and of a service: rename one", a.Binding)
	}
	h.o.Services = maps.Clone(h.o.Services)
	if h.o.Services == nil {
		h.o.Services = map[string]Service{}
	}
	h.o.Services[a.Binding] = Service{Handler: h.assets}
	return nil
}

// services are the service bindings as the bridges take them.
func (h *Host) services() (map[string]bridge.Service, error) {
	out := map[string]bridge.Service{}
	for binding, s := range h.o.Services {
		b := bridge.Service{Entrypoint: s.Entrypoint, Handler: s.Handler}
		if s.Worker != "" {
			b.Guests = func() (*bridge.Guests, error) { return h.guestsOf(binding, s) }
		}
		if s.Props != nil {
			var err error
			if b.Props, err = value.Marshal(nil, s.Props); err != nil {
				return nil, fmt.Errorf("the props of the binding %s: %w", binding, err)
			}
		}
		out[binding] = b
	}
	return out, nil
}

func (h *Host) startEngine(manifest []byte) error {
	loops, guests := make([]durable.Loop, len(h.guests)), make([]durable.Guest, len(h.guests))
	for i, g := range h.guests {
		loops[i], guests[i] = g, g
	}
	h.engine = durable.New(durable.Options{Store: h.machine.store, Clock: h.o.Clock, Loops: loops, Guest: guests, IdleAfter: h.o.IdleAfter, OpenDatabases: h.o.OpenDatabases,
		Log: func(o *durable.Object, text string) {
			name, ok := o.Name()
			if !ok {
				name = o.ID()
			}
			h.log(Line{Level: abi.LogError, Class: o.Namespace().Class, Name: name, Text: text})
		}})
	for _, c := range h.o.Classes {
		h.namespaces[c.Name] = h.engine.AddNamespace(c.UniqueKey, c.Name, false)
	}
	for binding, b := range h.o.Bindings {
		if b.Worker != "" {
			continue // it may start later
		}
		n := h.namespaces[b.Class]
		if n == nil {
			return fmt.Errorf("the binding %s names the class %s, which is not declared: add it to new_sqlite_classes of a migration", binding, b.Class)
		}
		h.bindings[binding] = n
	}
	c, err := h.check(manifest)
	if err != nil {
		return err
	}
	h.put(c)
	if err := h.engine.Start(); err != nil {
		return err
	}
	return h.machine.add(h)
}

// install gives a realm what syumai/workers looks for: the runtime context with env and its bindings.
func (h *Host) install(r *gojs.Realm, b *bridge.Bridge) error {
	vm := r.Runtime()
	env := vm.NewObject()
	for name, v := range h.o.Vars {
		if err := env.Set(name, vm.ToValue(v)); err != nil {
			return err
		}
	}
	for binding, id := range h.o.KV {
		if err := env.Set(binding, workersapi.NewKVNamespace(r, h.machine.kv.Namespace(id), b)); err != nil {
			return err
		}
	}
	c := vm.NewObject()
	return errors.Join(c.Set("env", env), c.Set("ctx", vm.NewObject()), c.Set("binding", vm.NewObject()),
		r.Global().Set("context", c))
}

// Namespace is the namespace of a binding, for the harness.
func (h *Host) Namespace(binding string) (*durable.Namespace, bool) {
	n, err := h.namespaceOf(binding)
	return n, err == nil
}

// Quiet tells whether no loop has work and everything committed is durable: nothing happens until a request or a timer.
func (h *Host) Quiet() bool {
	for range 2 { // work may move from one to another while we look
		for _, g := range h.guests {
			if !g.Quiet() {
				return false
			}
		}
		if !h.machine.store.Quiet() {
			return false
		}
	}
	return true
}

// OpenDatabases is how many databases are open now, the host's own included: one for each class, and that of KV.
func (h *Host) OpenDatabases() int { return h.machine.store.OpenDatabases() }

// Failed says, once, that the disk has failed: nothing will be durable any more. End the process; the next one begins
// with what is known to be on the disk.
func (h *Host) Failed() <-chan error { return h.machine.store.Failed() }

// Manifest is what the program says about itself.
func (h *Host) Manifest() abi.Manifest { return h.code.Load().manifest }

// Guests are the isolates, those of a loop each, for the harness.
func (h *Host) Guests() []*bridge.Guests { return h.guests }

// Close takes all objects out of memory, ends all sockets, waits for the disk, and frees everything. Requests must have ended.
func (h *Host) Close() error {
	h.Drain()
	h.updating.Lock()
	defer h.updating.Unlock()
	var failed error
	if h.machine != nil {
		h.machine.remove(h)
	}
	if h.engine != nil {
		failed = errors.Join(failed, h.engine.Close())
	}
	for _, g := range h.guests {
		g.Close()
	}
	h.sockets.close()
	if h.program != nil && h.program != h.o.Program {
		failed = errors.Join(failed, h.program.Close())
	}
	if h.assets != nil {
		failed = errors.Join(failed, h.assets.Close())
	}
	if h.machine != nil && h.machine != h.o.Machine {
		failed = errors.Join(failed, h.machine.Close())
	}
	return failed
}
