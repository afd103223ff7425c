// Package hosttest starts a worker in a Go test and drives it: the compiled program, on real SQLite files, on a clock
// that stands still until it is told to go on.
//
//	h := hosttest.Start(t, hosttest.Options{Config: "../../wrangler.toml"})
//	n, err := counter.Increment.Call(t.Context(), h.Object("COUNTER", "a"), 2)
//	h.Advance(time.Minute)
//
// The program is compiled once for each package in a test run. Hosts are isolated from each other and may run in
// parallel.
//
// # Without wasm
//
// With Options.Native the program runs in the test's own process, for the debugger, coverage and the race detector: see
// package native below this one, and Options.Bubble for its clock.
//
// # Two runtimes
//
// Each runs a scenario on the host, in wasm and natively if Options have the program, and, where the environment variable
// DURAGO_WORKERD names a workerd executable, on that too, and compares what the scenario saw. Fetch, Do, Dial, CallRPC, Evict,
// Hibernate, Wait and Restart are the verbs that both have; the others are the host's own. At runs a scenario on what something
// else serves, wrangler dev for one, and compares it too.
package hosttest

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"durago.example/build"
	"durago.example/build/wrangler"
	"durago.example/host"
	"durago.example/host/clock"
	"durago.example/host/local"
	"durago.example/host/storage"
)

// Options say what to start.
type Options struct {
	Config  string // the wrangler configuration
	Workerd bool   // run under workerd; only OwnInstance and the options above Isolates are taken
	// Native runs this program in the test's process: native.Program of package host/hosttest/native makes it. Limits of
	// memory and CPU time are not kept.
	Native host.Native
	// Bubble says that the test runs in a bubble of testing/synctest, natively: time is the bubble's, for the host and the
	// guest, and goes on when nothing else does. The worker is reached in memory, by the verbs and by Client.
	Bubble       bool
	Beside       []byte        // an ES module that workerd serves at BesideURL
	BesideConfig string        // whose bindings Beside has; default the worker's own
	Package      string        // as for durago build
	With         []string      // the configurations of other workers beside it, which have no server of their own
	Transcript   string        // what Each compares with, in testdata/transcripts; default the test's name
	Machine      *host.Machine // that the worker shares with others; default one of its own
	Dir          string        // of the data; default a new one that the test removes
	Address      string        // of its HTTP server, host:port, which Restart keeps; default a free port, another each time
	Isolates     int           // default 2, of Native 1
	SharedMemory bool          // Each runs it in one isolate only: its objects know each other by more than calls
	OwnInstance  bool          // as host.Options has it
	RealTime     bool          // the machine's clock instead of a virtual one
	CPULimit     time.Duration // default the configuration's
	IdleAfter    time.Duration // default never: tests evict by hand
	Disk         storage.Disk
	NoSync       bool // as --durability process
	Open         int  // how many databases are open at once; default as the host's
	MaxBody      int64
	BodyTimeout  time.Duration      // as host.Options has it
	Server       host.ServerOptions // of its HTTP server
	Memory       uint64             // of an isolate, bytes; default 128 MiB
	Assets       string             // the folder of static files; default the configuration's
	RecycleAt    uint64             // this and the next two as host.Options has them

	Subrequests, Connections int
	SocketMemory             int64 // as host.Options has it

	start time.Time // of the virtual clock, if not Epoch
}

// Epoch is where the virtual clock starts.
var Epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Host is a running worker.
type Host struct {
	*host.Host               // nil under workerd
	URL        string        // of its HTTP server
	BesideURL  string        // of Options.Beside, under workerd
	Dir        string        // of its data
	machine    *host.Machine // that it shares with others
	others     []*host.Host
	o          Options
	t          testing.TB
	clock      *clock.Virtual // nil if time is the machine's
	client     *http.Client
	dialer     *websocket.Dialer
	stop       func() // of its HTTP server
	workerd    *workerd
	once       sync.Once

	mu         sync.Mutex
	lines      []host.Line
	transcript *transcript
}

var compiled sync.Map // key → func() ([]byte, error)

// Wasm compiles a worker's program, once for each package in a run.
func Wasm(t testing.TB, c *wrangler.Config, pkg string) []byte {
	t.Helper()
	f, _ := compiled.LoadOrStore(c.Dir+"\x00"+pkg, sync.OnceValues(func() ([]byte, error) {
		return build.Compile(context.Background(), c.Dir, pkg)
	}))
	b, err := f.(func() ([]byte, error))()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// CacheDir is where compiled code is kept between runs.
func CacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "durago")
}

// Start starts a worker; the test's end stops it.
func Start(t testing.TB, o Options) *Host {
	t.Helper()
	c, err := wrangler.Load(o.Config)
	if err != nil {
		t.Fatal(err)
	}
	if o.Bubble && o.Native == nil {
		t.Fatal("hosttest: Bubble is for Native")
	}
	h := &Host{t: t, o: o, Dir: o.Dir, transcript: &transcript{}, client: http.DefaultClient, dialer: websocket.DefaultDialer}
	if h.Dir == "" {
		h.Dir = filepath.Join(t.TempDir(), "state")
	}
	all := []*wrangler.Config{c}
	for _, file := range o.With {
		other, err := wrangler.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, other)
	}
	if o.Workerd {
		h.workerd = startWorkerd(t, all, o, h.Dir)
		h.URL, h.BesideURL = h.workerd.main, h.workerd.beside
		t.Cleanup(h.Stop)
		return h
	}
	if !o.RealTime && !o.Bubble {
		switch {
		case !o.start.IsZero():
		case o.Native != nil: // the guest sees the machine's
			o.start = time.Now()
		default:
			o.start = Epoch
		}
		h.clock = clock.NewVirtual(o.start)
	}
	if len(all) > 1 {
		m := host.MachineOptions{Dir: h.Dir, NoSync: o.NoSync, Disk: o.Disk, CPULimit: o.CPULimit}
		if h.clock != nil {
			m.Clock = h.clock
		}
		if h.machine, err = host.OpenMachine(m); err != nil {
			t.Fatal(err)
		}
		o.Machine = h.machine
		for _, c := range all[1:] {
			beside := o
			beside.Package = ""
			other, err := host.New(context.Background(), h.options(c, beside))
			if err != nil {
				t.Fatal(err)
			}
			h.others = append(h.others, other)
		}
	}
	if h.Host, err = host.New(context.Background(), h.options(c, o)); err != nil {
		t.Fatal(err)
	}
	h.serve(h.objects(h.Handler()))
	t.Cleanup(h.Stop)
	return h
}

// options are those of one worker.
func (h *Host) options(c *wrangler.Config, o Options) host.Options {
	ho := local.Of(c, c.Vars)
	ho.Machine, ho.Native, ho.Dir, ho.CacheDir = o.Machine, o.Native, h.Dir, CacheDir()
	ho.Isolates, ho.OwnInstance, ho.IdleAfter, ho.Disk, ho.NoSync = o.Isolates, o.OwnInstance, o.IdleAfter, o.Disk, o.NoSync
	ho.BodyTimeout = o.BodyTimeout
	ho.MaxBody, ho.OpenDatabases, ho.MemoryLimit, ho.RecycleAt = o.MaxBody, o.Open, o.Memory, o.RecycleAt
	ho.Subrequests, ho.Connections, ho.SocketMemory = o.Subrequests, o.Connections, o.SocketMemory
	ho.Log = func(l host.Line) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.lines = append(h.lines, l)
	}
	if o.Native == nil {
		ho.Wasm = Wasm(h.t, c, o.Package)
	}
	if o.Assets != "" {
		ho.Assets.Directory = o.Assets
	}
	if o.CPULimit != 0 {
		ho.CPULimit = o.CPULimit
	}
	if ho.Isolates == 0 {
		ho.Isolates = min(2, runtime.GOMAXPROCS(0))
		if o.Native != nil {
			ho.Isolates = 1
		}
	}
	if ho.IdleAfter == 0 {
		ho.IdleAfter = -1
	}
	if h.clock != nil {
		ho.Clock = h.clock
	}
	if o.Bubble { // a connection that is kept would be found from outside
		ho.HTTP = &http.Transport{DisableKeepAlives: true}
	}
	return ho
}

// serve serves the worker and says how to reach it.
func (h *Host) serve(handler http.Handler) {
	if h.o.Bubble {
		m := newMemory()
		h.URL, h.dialer = memoryURL, m.dialer()
		h.client, h.stop = m.serve(handler)
		return
	}
	l, err := net.Listen("tcp", cmp.Or(h.o.Address, "127.0.0.1:0"))
	if err != nil {
		h.t.Fatal(err)
	}
	h.URL = "http://" + l.Addr().String()
	server := host.NewServer(handler, h.o.Server)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	h.stop = func() {
		_ = server.Close()
		<-served
	}
}

// Client sends requests to the worker's URL.
func (h *Host) Client() *http.Client { return h.client }

// Dialer opens WebSockets to the worker's URL. It is the caller's.
func (h *Host) Dialer() *websocket.Dialer {
	d := *h.dialer
	return &d
}

// PID is the process that runs the worker.
func (h *Host) PID() int {
	if h.workerd != nil {
		return h.workerd.cmd.Process.Pid
	}
	return os.Getpid()
}

// Workerd tells whether the worker runs under workerd.
func (h *Host) Workerd() bool { return h.workerd != nil }

// Native tells whether the worker runs in this process without wasm.
func (h *Host) Native() bool { return h.o.Native != nil }

// Stop ends the worker before the test does: for tests that start it again on the same data.
func (h *Host) Stop() {
	if err := h.Fail(); err != nil {
		h.t.Errorf("hosttest: close: %v", err)
	}
}

// Fail is Stop of a worker whose disk has failed, and returns what it says of that.
func (h *Host) Fail() (err error) {
	h.once.Do(func() {
		if h.workerd != nil {
			h.workerd.Stop()
			return
		}
		h.stop()
		err = h.Host.Close()
		for _, other := range h.others {
			err = errors.Join(err, other.Close())
		}
		if h.machine != nil {
			err = errors.Join(err, h.machine.Close())
		}
	})
	return err
}

// Restart stops the worker and starts it again on the same data. Time goes on.
func (h *Host) Restart() *Host {
	h.t.Helper()
	h.Stop()
	o := h.o
	o.Dir, o.start = h.Dir, h.Now()
	if o.Address != "" {
		o.Address = strings.TrimPrefix(h.URL, "http://")
	}
	again := Start(h.t, o)
	again.transcript = h.transcript
	return again
}

// Now is the worker's time.
func (h *Host) Now() time.Time {
	if h.clock == nil {
		return time.Now()
	}
	return h.clock.Now()
}

// Wait lets d pass for the worker: at once where its clock is virtual, else by waiting.
func (h *Host) Wait(d time.Duration) {
	h.t.Helper()
	if h.clock == nil && !h.o.Bubble {
		time.Sleep(d)
		return
	}
	h.Advance(d)
}

// Advance moves the worker's clock, runs every timer and alarm on the way in order, and waits after each until nothing
// goes on any more.
func (h *Host) Advance(d time.Duration) {
	h.t.Helper()
	h.Settle()
	if h.o.Bubble {
		time.Sleep(d)
		h.Settle()
		return
	}
	end := h.clock.Now().Add(d)
	for h.clock.Step(end) {
		h.Settle()
	}
}

// Settle waits until nothing goes on in the worker.
func (h *Host) Settle() {
	h.t.Helper()
	switch {
	case h.workerd != nil:
		return
	case h.o.Bubble:
		synctest.Wait()
		return
	}
	limit := time.Now().Add(30 * time.Second)
	for !h.quiet() {
		if time.Now().After(limit) {
			h.t.Fatal("hosttest: the worker does not come to rest")
		}
		time.Sleep(50 * time.Microsecond)
	}
}

func (h *Host) quiet() bool {
	for _, other := range h.others {
		if !other.Quiet() {
			return false
		}
	}
	return h.Quiet()
}

// Log is what the guest has logged, a line each.
func (h *Host) Log() string {
	if h.workerd != nil {
		return h.workerd.Log()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var b strings.Builder
	for _, l := range h.lines {
		b.WriteString(l.Text)
		b.WriteByte('\n')
	}
	return b.String()
}

// Lines are what the host has logged.
func (h *Host) Lines() []host.Line {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.lines)
}

// Fetch sends a request to the worker over HTTP. path begins with a slash.
func (h *Host) Fetch(method, path, body string) (status int, answer string) {
	h.t.Helper()
	resp := h.Do(method, path, body)
	defer resp.Body.Close()
	answer = read(h.t, resp)
	h.transcript.add("%s %s → %d %s", method, path, resp.StatusCode, answer)
	return resp.StatusCode, answer
}

// Do is Fetch with the whole response; the caller closes its body.
func (h *Host) Do(method, path, body string) *http.Response {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.URL+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	resp, err := h.client.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp
}
