package isolate_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"durago.example/host/clock"
	"durago.example/host/gojs"
	"durago.example/host/hosttest"
	"durago.example/host/isolate"
	"durago.example/host/isolate/prepare"
	"durago.example/testdata/guests/language"
	"durago.example/wasm/abi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var plain = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "durago-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "app.wasm")
	c := exec.Command("go", "build", "-o", out, "../../testdata/guests/plain")
	c.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	c.Stderr = os.Stderr
	if err := c.Run(); err != nil {
		return nil, err
	}
	return os.ReadFile(out)
})

// platform writes down what the isolate says.
type platform struct {
	died chan error
	idle chan struct{}
}

func (p *platform) Call(_ uint32, _ abi.Op, _ uint32, _, dst []byte) ([]byte, bool) { return dst, true }
func (p *platform) Idle(uint32, time.Duration) {
	select {
	case p.idle <- struct{}{}:
	default:
	}
}
func (p *platform) Begins()          {}
func (p *platform) Died(cause error) { p.died <- cause }

// guest is an isolate with the plain program.
type guest struct {
	*isolate.Isolate
	loop  *isolate.Loop
	t     *testing.T
	p     *platform
	clock *clock.Virtual
	realm *gojs.Realm
	mu    sync.Mutex
	lines []string
}

func start(t *testing.T, cpu time.Duration) *guest {
	t.Helper()
	wasm, err := plain()
	require.NoError(t, err)
	return startProgram(t, wasm, cpu)
}

func startProgram(t *testing.T, wasm []byte, cpu time.Duration) *guest {
	t.Helper()
	return startWith(t, wasm, isolate.Options{CPULimit: cpu})
}

func startWith(t *testing.T, wasm []byte, o isolate.Options) *guest {
	t.Helper()
	m, err := isolate.Compile(t.Context(), wasm, isolate.CompileOptions{CacheDir: hosttest.CacheDir(), MemoryLimit: 32 << 20})
	require.NoError(t, err)
	g := &guest{t: t, p: &platform{died: make(chan error, 1), idle: make(chan struct{}, 1)}, clock: clock.NewVirtual(hosttest.Epoch)}
	g.loop = isolate.NewLoop()
	o.Loop, o.Clock, o.Platform = g.loop, g.clock, g.p
	o.Install = func(r *gojs.Realm) error { g.realm = r; return nil }
	o.Stdout = func(line string) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.lines = append(g.lines, line)
	}
	g.on(func() { g.Isolate, err = m.Start(t.Context(), o) })
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = g.loop.Do(g.Close)
		g.loop.Close()
		require.NoError(t, m.Close(context.Background()))
	})
	return g
}

// on runs f on the loop and waits.
func (g *guest) on(f func()) {
	g.t.Helper()
	done := make(chan struct{})
	require.NoError(g.t, g.loop.Do(func() { defer close(done); f() }))
	<-done
}

// do has the guest do something and returns how the run ended.
func (g *guest) do(verb string) (err error) {
	g.t.Helper()
	g.on(func() { err = g.Event(abi.EventWake, 1, 1, []byte(verb)) })
	return err
}

func (g *guest) output() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.lines, "\n")
}

// TestIsolate_Memory: the collector keeps the heap below five eighths of the memory, where it would let it double.
func TestIsolate_Memory(t *testing.T) {
	wasm, err := plain()
	require.NoError(t, err)
	size := func(env map[string]string) (n uint64) {
		g := startWith(t, wasm, isolate.Options{CPULimit: 20 * time.Second, Env: env})
		require.NoError(t, g.do("churn"))
		g.on(func() { n = g.Memory() })
		return n
	}
	require.LessOrEqual(t, size(nil), uint64(24<<20))
	require.Greater(t, size(map[string]string{"GOMEMLIMIT": "off"}), uint64(24<<20))
}

func TestCheck(t *testing.T) {
	section := func(id byte, body string) string { return string([]byte{id, byte(len(body))}) + body }
	imports := func(module string) string {
		return section(2, "\x01"+string([]byte{byte(len(module))})+module+"\x01f\x00\x00")
	}
	exports := func(name string) string { return section(7, "\x01"+string([]byte{byte(len(name))})+name+"\x00\x00") }
	const head = "\x00asm\x01\x00\x00\x00"
	for name, row := range map[string]struct{ wasm, err string }{
		"text":               {"hello", "app.wasm is not a WebAssembly module: build it with `durago build`"},
		"another system":     {head + imports("wasi_snapshot_preview1"), "app.wasm is built for GOOS=wasip1, but objects run as GOOS=js: build it with `durago build`"},
		"an unknown import":  {head + imports("env"), "app.wasm imports \"env.f\", which this host does not have: build it with `durago build`"},
		"no objects program": {head + imports("gojs"), "app.wasm has no durago ABI: end its main with objects.Run and build it with `durago build`"},
		"another version":    {head + exports("durago_abi_9"), "app.wasm speaks ABI 9 and this durago speaks ABI 2: build it again with the durago that runs it"},
		"ours":               {head + imports("gojs") + exports("durago_abi_2"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := isolate.Check([]byte(row.wasm))
			if row.err == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, row.err)
		})
	}
}

// TestIsolate_Died: each way to end says why, and the guest that takes its place works.
func TestIsolate_Died(t *testing.T) {
	for verb, cause := range map[string]string{
		"spin":    "exceeded its CPU limit of 1s",
		"alloc":   "out of memory",
		"exit":    "exit code 3",
		"panic":   "panic: on purpose",
		"recurse": "out of memory", // Go's stacks are in the guest's memory
	} {
		t.Run(verb, func(t *testing.T) {
			g := start(t, time.Second)
			err := g.do(verb)
			require.ErrorContains(t, err, cause)
			require.Equal(t, err, <-g.p.died)
			require.Equal(t, err, g.do("nothing"), "the dead run nothing")
			g.on(func() { require.NoError(t, g.Restart()) })
			require.NoError(t, g.do("again"))
			require.Contains(t, g.output(), "done again")
		})
	}
}

func TestIsolate_Close(t *testing.T) {
	g := start(t, time.Second)
	g.on(func() { g.Close(); g.Close() })
	require.ErrorIs(t, g.do("nothing"), isolate.ErrClosed)
	g.on(func() { require.NoError(t, g.Restart()) })
	require.NoError(t, g.do("again"))
	g.loop.Close()
	g.loop.Close()
	require.ErrorIs(t, g.loop.Do(func() {}), isolate.ErrClosed)
}

// TestLoop_AtRest: after what is at hand, before what comes meanwhile.
func TestLoop_AtRest(t *testing.T) {
	l := isolate.NewLoop()
	var seen []string
	done := make(chan struct{})
	note := func(s string) func() { return func() { seen = append(seen, s) } }
	require.NoError(t, l.Do(func() {
		l.AtRest(func() { note("rest")(); l.AtRest(note("rest of that")) })
		require.NoError(t, l.Do(func() { note("later")(); close(done) }))
		require.False(t, l.Quiet())
		note("now")()
	}))
	<-done
	l.Close()
	require.Equal(t, []string{"now", "rest", "rest of that", "later"}, seen)
	require.True(t, l.Quiet())
}

// TestIsolate_realm: what an ordinary Go program does in JavaScript's world.
func TestIsolate_realm(t *testing.T) {
	g := start(t, time.Minute)
	require.Contains(t, g.output(), "hello from js\nand from stderr")
	require.NoError(t, g.do("values"))
	require.Contains(t, g.output(), strings.Join([]string{`{"n":1.5,"s":"é😀","b":true,"nothing":null}`, "3 two true true", "3 [7 8 9]",
		"recovered JavaScript error: "}, "\n"))
	require.Contains(t, g.output(), "\n5 function\ndone values")
	require.NoError(t, g.do("promise"))
	require.Contains(t, g.output(), "resolved\ndone promise")

	values := func() (n int) {
		require.NoError(t, g.do("callbacks"))
		g.on(func() { n = g.realm.Values() })
		t.Logf("%d values", n)
		return n
	}
	before := values()
	require.Less(t, values(), before+1000, "10,000 callbacks that were released leave nothing")

	require.NoError(t, g.do("sleep"))
	require.NotContains(t, g.output(), "slept")
	for g.clock.Step(hosttest.Epoch.Add(time.Minute)) {
	}
	g.on(func() {})
	require.Contains(t, g.output(), "slept\ndone sleep")
}

// TestIsolate_language: what Go computes natively it computes as a guest, through everything that prepare changes.
func TestIsolate_language(t *testing.T) {
	wasm, err := plain()
	require.NoError(t, err)
	small, err := prepare.Shrink(wasm)
	require.NoError(t, err)
	require.Less(t, len(small), len(wasm)*9/10)
	want := language.Lines() // which are others the next time
	t.Run("as Go made it", func(t *testing.T) { speak(t, wasm, want) })
	t.Run("as it is deployed", func(t *testing.T) { speak(t, small, want) })
}

func speak(t *testing.T, wasm []byte, want []string) {
	g := startProgram(t, wasm, time.Minute)
	require.NoError(t, g.do("language"))
	require.Contains(t, g.output(), "done language")
	got := strings.Split(g.output(), "\n")
	require.Greater(t, len(got), len(want))
	for i, line := range want {
		require.Equal(t, line, got[len(got)-1-len(want)+i])
	}
}
