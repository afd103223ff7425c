// Package gojs is the GOOS=js import module on a goja realm: the JavaScript world of one guest.
//
// A Go program compiled for js/wasm holds JavaScript values by reference: a 64-bit word that is a number, or a NaN
// whose low half is an index into a table (table.go). Its imports (imports.go) are the functions of the toolchain's
// lib/wasm/wasm_exec.js; each takes the guest's stack pointer and finds arguments in 8-byte slots after it.
//
// A Realm and its guest belong to one goroutine. Every turn enters JavaScript through a trampoline (Enter), because
// goja runs promise jobs whenever its own stack is empty, which it also is inside an import.
package gojs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dop251/goja"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
)

// Options are what a realm takes from outside: time, randomness and output.
type Options struct {
	Now       func() time.Time     // wall clock
	Monotonic func() time.Duration // since any fixed point
	Random    io.Reader
	Stdout    io.Writer
	Stderr    io.Writer

	// Budget is called now and then by the guest's loops (see host/isolate/prepare).
	Budget func()
	// Deadline is told when the Go runtime wants to be resumed, in time from now; false withdraws it.
	Deadline func(d time.Duration, set bool)
	// Current is the context that the guest runs for; a js.Func is called in the one that made it.
	Current func() uint32
	// Enter runs f with the given context current, when JavaScript calls a js.Func from outside a run of the guest.
	Enter func(ctx uint32, f func())
}

// Realm is the JavaScript world of one guest.
type Realm struct {
	o       Options
	vm      *goja.Runtime
	table   table
	goValue *goja.Object // the guest's own `go` object, reference 6
	enter   goja.Callable

	uint8Array, uint8ClampedArray *goja.Object
	newUint8Array                 goja.Constructor

	mod    api.Module
	mem    api.Memory
	buf    []byte
	ctx    context.Context
	resume []api.Function // one for each nesting depth: a wazero function may not be re-entered
	getsp  api.Function
	depth  int
	runs   int // how often guest code has run: the stack may have moved since

	turn      func() error // what Enter runs, through turnValue
	turnValue goja.Value
	failed    error

	pending  goja.Value // go._pendingEvent; nil is null
	timer    int32
	exited   bool
	exitCode int32
}

var prelude = goja.MustCompile("gojs/prelude.js", `({
  enter(f) { f(); },
  wrapper(go, call) {
    go._makeFuncWrapper = function (id) {
      const home = call();
      return function () {
        const event = { id: id, this: this, args: arguments };
        call(home, event);
        return event.result;
      };
    };
  },
  fallbacks: {
    fs: { constants: { O_WRONLY: -1, O_RDWR: -1, O_CREAT: -1, O_TRUNC: -1, O_APPEND: -1, O_EXCL: -1, O_DIRECTORY: -1 } },
    process: {
      getuid() { return -1; }, getgid() { return -1; }, geteuid() { return -1; }, getegid() { return -1; },
      pid: -1, ppid: -1,
    },
    path: { resolve(...parts) { return parts.join("/"); } },
  },
})`, true)

// New makes a realm. Install classes on Global before the guest starts.
func New(o Options) (*Realm, error) {
	r := &Realm{o: o, vm: goja.New()}
	r.vm.SetMaxCallStackSize(2048)
	v, err := r.vm.RunProgram(prelude)
	if err != nil {
		return nil, fmt.Errorf("gojs: prelude: %w", err)
	}
	p := v.ToObject(r.vm)
	r.enter, _ = goja.AssertFunction(p.Get("enter"))
	r.turnValue = r.vm.ToValue(func(goja.FunctionCall) goja.Value {
		r.failed = r.turn()
		return goja.Undefined()
	})
	r.goValue = r.vm.NewObject()
	wrapper, _ := goja.AssertFunction(p.Get("wrapper"))
	if _, err := wrapper(p, r.goValue, r.vm.ToValue(r.callFunc)); err != nil {
		return nil, fmt.Errorf("gojs: prelude: %w", err)
	}
	if err := r.goValue.DefineAccessorProperty("_pendingEvent", r.vm.ToValue(func(goja.FunctionCall) goja.Value {
		if r.pending == nil {
			return goja.Null()
		}
		return r.pending
	}), r.vm.ToValue(func(c goja.FunctionCall) goja.Value {
		r.pending = nil
		if !goja.IsNull(c.Argument(0)) {
			r.pending = c.Argument(0)
		}
		return goja.Undefined()
	}), goja.FLAG_FALSE, goja.FLAG_TRUE); err != nil {
		return nil, err
	}
	g := r.vm.GlobalObject()
	fallbacks := p.Get("fallbacks").ToObject(r.vm)
	for _, k := range fallbacks.Keys() {
		if err := g.Set(k, fallbacks.Get(k)); err != nil {
			return nil, err
		}
	}
	r.uint8Array = g.Get("Uint8Array").ToObject(r.vm)
	r.uint8ClampedArray = g.Get("Uint8ClampedArray").ToObject(r.vm)
	r.newUint8Array, _ = goja.AssertConstructor(r.uint8Array)
	r.table.init(r.vm, g, r.goValue)
	return r, r.installBasics()
}

// Runtime is the realm's engine, for packages that install classes.
func (r *Realm) Runtime() *goja.Runtime { return r.vm }

// Global is the global object.
func (r *Realm) Global() *goja.Object { return r.vm.GlobalObject() }

// Values is how many references the guest holds, for leak checks.
func (r *Realm) Values() int { return r.table.len() }

// Bind joins the realm to its guest. ctx must carry the realm (WithRealm).
func (r *Realm) Bind(ctx context.Context, mod api.Module) {
	r.ctx, r.mod, r.mem = ctx, mod, mod.Memory()
	r.getsp = mod.ExportedFunction("getsp")
	r.refresh()
}

// Memory is the guest's memory; it is good until the guest grows it, which Refresh follows.
func (r *Realm) Memory() []byte { return r.buf }

func (r *Realm) refresh() { r.buf, _ = r.mem.Read(0, r.mem.Size()) }

// Refresh follows growth of the memory.
func (r *Realm) Refresh() {
	if uint32(len(r.buf)) != r.mem.Size() {
		r.refresh()
	}
}

// Exited tells whether the program has ended, and with which code.
func (r *Realm) Exited() (code int, ok bool) { return int(r.exitCode), r.exited }

// Ran notes that guest code has run otherwise than through Resume.
func (r *Realm) Ran() { r.runs++ }

// Start runs the program's main until all goroutines are idle.
func (r *Realm) Start(args []string, env map[string]string) error {
	argc, argv, err := r.writeArgs(args, env)
	if err != nil {
		return err
	}
	return r.Enter(func() error {
		r.depth++
		defer func() { r.depth-- }()
		_, err := r.mod.ExportedFunction("run").Call(r.ctx, uint64(argc), uint64(argv))
		r.runs++
		return r.filterExit(err)
	})
}

// Resume lets the guest run until all goroutines are idle.
func (r *Realm) Resume() error {
	if r.exited {
		return errors.New("the Go program has already exited")
	}
	for r.depth >= len(r.resume) {
		r.resume = append(r.resume, r.mod.ExportedFunction("resume"))
	}
	f := r.resume[r.depth]
	r.depth++
	err := f.CallWithStack(r.ctx, nil)
	r.depth--
	r.runs++
	return r.filterExit(err)
}

func (r *Realm) filterExit(err error) error {
	var exit *sys.ExitError
	if r.exited && (err == nil || errors.As(err, &exit)) {
		return nil
	}
	return err
}

// Running tells whether the guest is on the stack.
func (r *Realm) Running() bool { return r.depth > 0 }

// Enter runs f as one turn of JavaScript; promise jobs run when it has returned.
func (r *Realm) Enter(f func() error) error {
	if r.Running() {
		return f()
	}
	r.turn, r.failed = f, nil
	_, err := r.enter(goja.Undefined(), r.turnValue)
	if r.failed != nil {
		return r.failed
	}
	return err
}

// callFunc is both halves of a js.Func: without arguments it says which context makes it, with them it calls.
func (r *Realm) callFunc(c goja.FunctionCall) goja.Value {
	if len(c.Arguments) == 0 {
		return r.vm.ToValue(r.o.Current())
	}
	home, event := uint32(c.Argument(0).ToInteger()), c.Argument(1)
	run := func() {
		r.pending = event
		if err := r.Resume(); err != nil {
			panic(err)
		}
		r.pending = nil
	}
	if r.Running() {
		run()
	} else {
		r.o.Enter(home, run)
	}
	return goja.Undefined()
}

// argsAt and argsEnd bound where the toolchain lets arguments and environment live.
const (
	argsAt  = 4096
	argsEnd = 4096 + 8192
)

func (r *Realm) writeArgs(args []string, env map[string]string) (argc int, argv uint32, err error) {
	at := uint32(argsAt)
	var pointers []uint32
	put := func(s string) error {
		if strings.ContainsRune(s, 0) || int(at)+len(s)+9 > argsEnd {
			return errors.New("gojs: arguments and environment must be shorter than 8 KiB and hold no zero byte")
		}
		pointers = append(pointers, at)
		n := copy(r.buf[at:], s)
		r.buf[at+uint32(n)] = 0
		at = (at + uint32(n) + 8) &^ 7
		return nil
	}
	for _, a := range args {
		if err := put(a); err != nil {
			return 0, 0, err
		}
	}
	pointers = append(pointers, 0)
	for k, v := range env {
		if err := put(k + "=" + v); err != nil {
			return 0, 0, err
		}
	}
	pointers = append(pointers, 0)
	if int(at)+8*len(pointers) > argsEnd {
		return 0, 0, errors.New("gojs: arguments and environment must be shorter than 8 KiB")
	}
	argv = at
	for _, p := range pointers {
		r.put64(at, uint64(p))
		at += 8
	}
	return len(args), argv, nil
}
