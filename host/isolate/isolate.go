package isolate

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"durago.example/host/clock"
	"durago.example/host/gojs"
	"durago.example/wasm/abi"
)

// Platform is the host side of an isolate. Its methods run on the loop.
type Platform interface {
	// Call performs an operation for ctx. frame is guest memory, valid during the call only. The answer is appended
	// to dst; ok is false if it is an Error frame.
	Call(ctx uint32, op abi.Op, token uint32, frame, dst []byte) (answer []byte, ok bool)
	// Begins is told before a run that the guest has asked for itself, by a timer or a promise: what it was notified of and
	// has not run goes first.
	Begins()
	// Idle is told that a run of the guest for ctx has ended, and how long it took on the machine's clock.
	Idle(ctx uint32, took time.Duration)
	// Died is told once that the guest can run no more, and why, in Go's own words.
	Died(cause error)
}

// Options of an isolate. Loop, Clock, Platform and Stdout must be set.
type Options struct {
	Loop     *Loop
	Clock    clock.Clock
	Random   io.Reader // default crypto/rand
	Platform Platform
	Stdout   func(line string)         // each line that the guest prints
	Env      map[string]string         // GOMEMLIMIT is five eighths of the memory's limit, unless it is set here
	CPULimit time.Duration             // of one run; default 30 s
	Install  func(r *gojs.Realm) error // classes for the realm, before the guest starts
}

// memoryLimit is what Go's collector is told. Linear memory never shrinks, so that it counts what Go ever had at one time: a
// collector that lets the heap double first would reach the limit with half of it in use.
const memoryLimit = "GOMEMLIMIT"

// DefaultCPULimit is what Cloudflare gives an event.
const DefaultCPULimit = 30 * time.Second

// Isolate is a running guest. Everything in it is for its loop only.
type Isolate struct {
	m     *Module
	o     Options
	base  context.Context
	realm *gojs.Realm
	mem   *memory
	mod   api.Module
	ctx   context.Context

	entered bool // it counts as one that runs m

	event   api.Function
	alloc   api.Function
	control uint32
	current uint32
	held    []byte
	answer  []byte
	stderr  tail
	dead    error
	killed  error // what Kill said

	timer   clock.Timer
	resumed func() // what the Go runtime's timer does, made once

	began time.Time // when the current run did
	spent bool      // it took too long
}

type isolateKey struct{}

// Start boots a guest: instantiates the module and runs main until it waits. Loop only.
func (m *Module) Start(ctx context.Context, o Options) (*Isolate, error) {
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.CPULimit == 0 {
		o.CPULimit = DefaultCPULimit
	}
	if _, ok := o.Env[memoryLimit]; !ok {
		o.Env = maps.Clone(o.Env)
		if o.Env == nil {
			o.Env = map[string]string{}
		}
		o.Env[memoryLimit] = strconv.FormatUint(m.limit/8*5, 10)
	}
	i := &Isolate{m: m, o: o, base: context.WithoutCancel(ctx)}
	if err := i.boot(); err != nil {
		i.Close()
		return nil, err
	}
	return i, nil
}

// Restart puts a new guest in the place of a dead one. Loop only, and not while the guest is on the stack.
func (i *Isolate) Restart() error {
	i.Close()
	i.dead, i.killed, i.held, i.stderr.b = nil, nil, nil, nil
	i.spent = false
	if err := i.boot(); err != nil {
		i.dead = err
		return err
	}
	return nil
}

// Current is the context that the guest runs for, 0 between runs. Loop only.
func (i *Isolate) Current() uint32 { return i.current }

// Dead is why the guest can run no more, or nil.
func (i *Isolate) Dead() error { return i.dead }

func (i *Isolate) boot() error {
	if err := i.m.enter(); err != nil {
		return err
	}
	i.entered = true
	mem, err := newMemory(i.m.limit)
	if err != nil {
		return fmt.Errorf("isolate: memory: %w", err)
	}
	i.mem = mem
	if err := i.makeRealm(); err != nil {
		return err
	}
	i.ctx = gojs.WithRealm(context.WithValue(i.base, isolateKey{}, i), i.realm)
	i.mod, err = i.m.runtime.InstantiateModule(experimental.WithMemoryAllocator(i.ctx, i.mem), i.m.compiled,
		wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return fmt.Errorf("isolate: %w", err)
	}
	for _, s := range i.m.segments {
		if !i.mod.Memory().Write(s.Offset, s.Data) {
			return errors.New("isolate: a data segment lies outside the memory")
		}
	}
	i.realm.Bind(i.ctx, i.mod)
	i.begin()
	err = i.realm.Start([]string{"app"}, i.o.Env)
	if err == nil {
		if _, exited := i.realm.Exited(); exited {
			err = errors.New("it ended at start")
		}
	}
	if err != nil {
		return fmt.Errorf("the program did not start: %w", i.cause(err))
	}
	i.event = i.mod.ExportedFunction(abi.ExportEvent)
	i.alloc = i.mod.ExportedFunction(abi.ExportAlloc)
	r, err := i.mod.ExportedFunction(abi.ExportControl).Call(i.ctx)
	if err != nil {
		return fmt.Errorf("isolate: %w", err)
	}
	i.control = uint32(r[0])
	i.realm.Ran()
	i.realm.Refresh()
	return nil
}

func (i *Isolate) makeRealm() (err error) {
	out := &lines{f: i.o.Stdout}
	started := i.o.Clock.Now()
	i.resumed = func() { _ = i.o.Loop.Do(func() { _ = i.wake(0, nil) }) }
	i.realm, err = gojs.New(gojs.Options{
		Now:       i.o.Clock.Now,
		Monotonic: func() time.Duration { return i.o.Clock.Now().Sub(started) },
		Random:    i.o.Random,
		Stdout:    out,
		Stderr:    io.MultiWriter(out, &i.stderr),
		Deadline: func(d time.Duration, set bool) {
			if i.timer != nil {
				i.timer.Stop()
				i.timer = nil
			}
			if set {
				i.timer = i.o.Clock.AfterFunc(d, i.resumed)
			}
		},
		Budget:  i.spend,
		Current: func() uint32 { return i.current },
		Enter:   func(ctx uint32, f func()) { _ = i.wake(ctx, func() error { f(); return nil }) },
	})
	if err != nil {
		return err
	}
	if i.o.Install != nil {
		return i.o.Install(i.realm)
	}
	return nil
}

// Close frees the guest. It may be called again, and Restart after it.
func (i *Isolate) Close() {
	if i.timer != nil {
		i.timer.Stop()
		i.timer = nil
	}
	i.dead = ErrClosed
	if i.mod != nil {
		_ = i.mod.Close(context.Background())
		i.mod = nil
	}
	if i.mem != nil {
		i.mem.unmap()
		i.mem = nil
	}
	if i.entered {
		i.entered = false
		i.m.leave()
	}
}

// Event delivers an event and runs the guest until it is idle.
func (i *Isolate) Event(kind abi.Event, ctx, ev uint32, frame []byte) error {
	return i.run(ctx, func() error { return i.post(kind, ctx, ev, frame) })
}

// Run runs the guest for ctx until it is idle.
func (i *Isolate) Run(ctx uint32) error { return i.run(ctx, nil) }

// Notify delivers an event that needs no run of its own; what it sets free runs with the next one.
func (i *Isolate) Notify(kind abi.Event, ctx, ev uint32, frame []byte) error {
	if i.dead != nil {
		return i.dead
	}
	i.realm.Refresh()
	i.begin()
	if err := i.post(kind, ctx, ev, frame); err != nil {
		i.dead = i.cause(err)
		i.o.Platform.Died(i.dead)
		return i.dead
	}
	return nil
}

// post writes the frame to the inbox and calls the guest's event export.
func (i *Isolate) post(kind abi.Event, ctx, ev uint32, frame []byte) error {
	var stack [4]uint64
	n := uint32(len(frame))
	if n > i.word(abi.ControlInboxSize) {
		stack[0] = uint64(n)
		if err := i.alloc.CallWithStack(i.ctx, stack[:1]); err != nil {
			return err
		}
		i.realm.Ran()
		i.realm.Refresh()
	}
	copy(i.realm.Memory()[i.word(abi.ControlInbox):], frame)
	stack = [4]uint64{uint64(kind), uint64(ctx), uint64(ev), uint64(n)}
	err := i.event.CallWithStack(i.ctx, stack[:])
	i.realm.Ran()
	return err
}

// wake is run, by the guest's own wish.
func (i *Isolate) wake(ctx uint32, first func() error) error {
	i.o.Platform.Begins()
	return i.run(ctx, first)
}

// run makes ctx current, does first, and lets Go run until it is idle.
func (i *Isolate) run(ctx uint32, first func() error) error {
	if i.dead != nil {
		return i.dead
	}
	i.realm.Refresh()
	i.current = ctx
	i.put(abi.ControlCurrent, ctx)
	i.begin()
	err := i.realm.Enter(func() error {
		if first != nil {
			if err := first(); err != nil {
				return err
			}
		}
		return i.realm.Resume()
	})
	i.current = 0
	if _, exited := i.realm.Exited(); err != nil || exited {
		i.dead = i.cause(err)
		i.o.Platform.Died(i.dead)
		return i.dead
	}
	i.realm.Refresh()
	i.put(abi.ControlCurrent, 0)
	i.o.Platform.Idle(ctx, time.Since(i.began))
	return nil
}

// Begun is the last event whose handler began, also of a guest that has died.
func (i *Isolate) Begun() uint32 { return i.word(abi.ControlBegun) }

// Turn runs f as one turn of the realm, with ctx current: for settling promises.
func (i *Isolate) Turn(ctx uint32, f func() error) error {
	if i.dead != nil {
		return i.dead
	}
	err := i.realm.Enter(f)
	return err
}

// Transaction runs the body of a TransactionSync, from inside Platform.Call. finished is false if the body waited,
// which ends the isolate when the run returns.
func (i *Isolate) Transaction(token uint32) (rollback, finished bool, err error) {
	i.put(abi.ControlTransaction, 0)
	r, err := i.mod.ExportedFunction(abi.ExportTransaction).Call(i.ctx, uint64(token))
	i.realm.Ran()
	i.realm.Refresh()
	if err != nil {
		return true, false, err
	}
	return r[0] != 0, i.word(abi.ControlTransaction) == token, nil
}

// Memory is how much linear memory the guest has, in bytes. It never shrinks.
func (i *Isolate) Memory() uint64 {
	if i.dead != nil {
		return 0
	}
	return uint64(i.mod.Memory().Size())
}

// Values is how many values of its realm the guest refers to.
func (i *Isolate) Values() int { return i.realm.Values() }

// Kill ends the guest from inside Platform.Call: the run unwinds and the cause is told to Died.
func (i *Isolate) Kill(cause error) { i.killed = cause }

// Stat is a number about the guest; see the Stat constants of wasm/abi.
func (i *Isolate) Stat(which uint32) uint32 {
	if i.dead != nil {
		return 0
	}
	r, err := i.mod.ExportedFunction(abi.ExportStat).Call(i.ctx, uint64(which))
	i.realm.Ran()
	i.realm.Refresh()
	if err != nil {
		return 0
	}
	return uint32(r[0])
}

func (i *Isolate) word(w uint32) uint32 {
	return binary.LittleEndian.Uint32(i.realm.Memory()[i.control+4*w:])
}

func (i *Isolate) put(w, v uint32) {
	binary.LittleEndian.PutUint32(i.realm.Memory()[i.control+4*w:], v)
}

func isolateOf(ctx context.Context) *Isolate { return ctx.Value(isolateKey{}).(*Isolate) }

// call is the guest's import: an operation.
func call(c context.Context, _ api.Module, stack []uint64) {
	i := isolateOf(c)
	i.realm.Refresh()
	ctx, op, token, p, n := uint32(stack[0]), abi.Op(stack[1]), uint32(stack[2]), uint32(stack[3]), uint32(stack[4])
	mem := i.realm.Memory()
	if uint64(p)+uint64(n) > uint64(len(mem)) {
		panic(errors.New("an operation's frame lies outside the memory"))
	}
	answer, ok := i.o.Platform.Call(ctx, op, token, mem[p:p+n], i.answer[:0])
	if i.killed != nil {
		panic(i.killed)
	}
	if cap(answer) <= 1<<20 {
		i.answer = answer
	}
	i.realm.Refresh()
	if len(answer) <= int(i.word(abi.ControlInboxSize)) {
		copy(i.realm.Memory()[i.word(abi.ControlInbox):], answer)
	} else {
		i.held = answer
		i.answer = nil
	}
	r := int32(len(answer))
	if !ok {
		r = -r
	}
	stack[0] = uint64(uint32(r))
}

// take is the guest's import: an answer that did not fit the inbox.
func take(c context.Context, _ api.Module, stack []uint64) {
	i := isolateOf(c)
	i.realm.Refresh()
	p, n := uint32(stack[0]), uint32(stack[1])
	copy(i.realm.Memory()[p:p+n], i.held)
	i.held = nil
}
