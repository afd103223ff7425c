package native_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"durago.example/host/hosttest"
	"durago.example/host/hosttest/native"
	"durago.example/objects"
	"durago.example/testdata/guests/inside/inside"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// desk is an object for these tests: no field of it has a lock.
type desk struct {
	state *objects.State
	sql   *objects.SQL
	n     int
	wait  chan struct{}
	at    time.Time // of the alarm
}

var (
	count  = objects.Method1("count", (*desk).count, "times")
	wait   = objects.MethodProc0("wait", (*desk).wait_)
	signal = objects.MethodProc0("signal", (*desk).signal)
	bare   = objects.Method0("bare", (*desk).bare)
	sleep  = objects.Method1("sleep", (*desk).sleep, "ms")
	set    = objects.MethodProc1("set", (*desk).set, "ms")
	rang   = objects.Method0("rang", (*desk).rang)
	trace  = objects.Method0("trace", (*desk).trace)

	program = objects.Program{Classes: []*objects.Class{objects.NewClass("Desk", newDesk, count, wait, signal, bare, sleep, set, rang, trace)},
		Fetch: http.NotFoundHandler(), Scheduled: scheduled}
)

// scheduled counts in the object that the pattern names.
func scheduled(ctx context.Context, e objects.ScheduledEvent) error {
	_, err := count.Call(ctx, objects.NamespaceOf(ctx, "DESK").GetByName(e.Cron), 1)
	return err
}

func newDesk(state *objects.State) (*desk, error) {
	d := &desk{state: state, sql: state.Storage().SQL(), wait: make(chan struct{})}
	_, err := d.sql.Exec(`CREATE TABLE IF NOT EXISTS n (v INTEGER)`)
	return d, err
}

// count counts, with statements and waits for the platform between reading and writing.
func (d *desk) count(ctx context.Context, times int) (int, error) {
	for range times {
		n := d.n
		if _, err := d.sql.Exec(`INSERT INTO n VALUES (?)`, n); err != nil {
			return 0, err
		}
		d.n = n + 1
		if err := d.state.Storage().Sync(ctx); err != nil {
			return 0, err
		}
	}
	return d.n, nil
}

func (d *desk) wait_(ctx context.Context) error {
	select {
	case <-d.wait:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *desk) signal(context.Context) error {
	close(d.wait)
	return nil
}

// bare has goroutines of its own do statements, and waits for them.
func (d *desk) bare(context.Context) (int, error) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { _, _ = d.sql.Exec(`INSERT INTO n VALUES (?)`, i) })
	}
	wg.Wait()
	return objects.One[int](d.sql, `SELECT count(*) FROM n`)
}

// sleep sleeps, and says for how long by its own clock.
func (d *desk) sleep(_ context.Context, ms int) (int, error) {
	began := time.Now()
	time.Sleep(time.Duration(ms) * time.Millisecond)
	return int(time.Since(began).Milliseconds()), nil
}

func (d *desk) set(ctx context.Context, ms int) error {
	return d.state.Storage().SetAlarm(ctx, time.Now().Add(time.Duration(ms)*time.Millisecond))
}

func (d *desk) Alarm(context.Context, objects.AlarmInfo) error {
	d.at = time.Now()
	return nil
}

func (d *desk) rang(context.Context) (string, error) { return d.at.UTC().Format(time.TimeOnly), nil }

// trace is the functions on the stack.
func (d *desk) trace(context.Context) (string, error) {
	pc := make([]uintptr, 64)
	frames := runtime.CallersFrames(pc[:runtime.Callers(1, pc)])
	var b strings.Builder
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		fmt.Fprintf(&b, "%s %s:%d\n", f.Function, filepath.Base(f.File), f.Line)
	}
	return b.String(), nil
}

func start(t *testing.T) *hosttest.Object {
	return hosttest.Start(t, hosttest.Options{Config: "testdata/wrangler.toml", Native: native.Program(program)}).Object("DESK", "a")
}

// TestNative_turns: the code of one object runs one goroutine at a time, and its turns end where it waits for the platform. The
// race detector sees it if not.
func TestNative_turns(t *testing.T) {
	o := start(t)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			_, err := count.Call(t.Context(), o, 20)
			require.NoError(t, err)
		})
	}
	wg.Wait()
	n, err := count.Call(t.Context(), o, 0)
	require.NoError(t, err)
	require.Equal(t, 320, n, "no two have read the same")
	rows, err := o.SQL(`SELECT count(DISTINCT v) FROM n`)
	require.NoError(t, err)
	require.Equal(t, []string{"320"}, rows)
}

// TestNative_plain: a handler that waits for another in plain Go does not keep it from running, nor does one that waits for
// goroutines of its own.
func TestNative_plain(t *testing.T) {
	o := start(t)
	waits := make(chan error, 1)
	go func() { waits <- wait.Call(t.Context(), o) }()
	require.Eventually(t, func() bool { return o.InMemory() && len(waits) == 0 }, 5*time.Second, time.Millisecond)
	require.NoError(t, signal.Call(t.Context(), o))
	require.NoError(t, <-waits)
	n, err := bare.Call(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, 8, n)
}

// TestNative_bubble: in a bubble the host and the object have one clock. An hour passes in no time, to the nanosecond.
func TestNative_bubble(t *testing.T) {
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		h := hosttest.Start(t, hosttest.Options{Config: "testdata/wrangler.toml", Native: native.Program(program), Bubble: true})
		o, ctx := h.Object("DESK", "a"), t.Context()
		ms, err := sleep.Call(ctx, o, 600_000)
		require.NoError(t, err)
		require.Equal(t, 600_000, ms)
		require.Equal(t, "00:10:00", time.Now().UTC().Format(time.TimeOnly), "a bubble begins at midnight")
		require.NoError(t, set.Call(ctx, o, 1_800_000))
		h.Advance(1_799_999 * time.Millisecond)
		at, err := rang.Call(ctx, o)
		require.NoError(t, err)
		require.Equal(t, "00:00:00", at)
		h.Advance(time.Millisecond)
		at, err = rang.Call(ctx, o)
		require.NoError(t, err)
		require.Equal(t, "00:40:00", at)
	})
	require.Less(t, time.Since(began), time.Minute)
}

// TestNative_verbs: what tests do to a worker beside calling it.
func TestNative_verbs(t *testing.T) {
	h := hosttest.Start(t, hosttest.Options{Config: "testdata/wrangler.toml", Native: native.Program(program)})
	require.True(t, h.Native())
	o, ctx := h.Object("DESK", "a"), t.Context()
	require.NoError(t, set.Call(ctx, o, 3_600_000))
	ran, err := o.RunAlarm()
	require.NoError(t, err)
	require.True(t, ran)

	fired := make(chan error, 1)
	require.NoError(t, h.Guests()[0].Scheduled("a", 0, func(err error) { fired <- err }))
	require.NoError(t, <-fired)
	n, err := count.Call(ctx, o, 0)
	require.NoError(t, err)
	require.Equal(t, 1, n)

	require.NoError(t, o.Evict())
	require.False(t, o.InMemory())
	n, err = count.Call(ctx, o, 0)
	require.NoError(t, err)
	require.Zero(t, n, "its fields are new")
	rows, err := h.Restart().Object("DESK", "a").SQL(`SELECT v FROM n`)
	require.NoError(t, err)
	require.Equal(t, []string{"0"}, rows, "its storage is not")
}

// TestNative_goroutines: a profile reads the labels of a guest's goroutines, which are the adapter's own.
func TestNative_goroutines(t *testing.T) {
	o := start(t)
	waits := make(chan error, 1)
	go func() { waits <- wait.Call(t.Context(), o) }()
	var profile strings.Builder
	require.Eventually(t, func() bool {
		profile.Reset()
		require.NoError(t, pprof.Lookup("goroutine").WriteTo(&profile, 1))
		return strings.Contains(profile.String(), "(*desk).wait_")
	}, 5*time.Second, time.Millisecond)
	require.Contains(t, profile.String(), `# labels: {"durago":"guest"}`)
	require.NoError(t, signal.Call(t.Context(), o))
	require.NoError(t, <-waits)
}

// TestNative_stack: the object's code is where a debugger looks for it: this file, called by the adapter, with nothing
// generated between.
func TestNative_stack(t *testing.T) {
	o := start(t)
	stack, err := trace.Call(t.Context(), o)
	require.NoError(t, err)
	require.Regexp(t, `(?s)^durago\.example/host/hosttest/native_test\.\(\*desk\)\.trace native_test\.go:\d+\n.*durago\.example/wasm/guest\.\(\*event\)\.run event\.go:`, stack)
}

// TestNative_cover: go test -cover counts the lines of an object.
func TestNative_cover(t *testing.T) {
	if testing.CoverMode() != "" {
		t.Skip("it would be measured itself")
	}
	const of = "durago.example/testdata/guests/inside/inside"
	file := filepath.Join(t.TempDir(), "cover.out")
	c := exec.CommandContext(t.Context(), "go", "test", "-run", "^TestNative_covered$", "-covermode", "count", "-coverpkg", of, "-coverprofile", file, ".")
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	source, err := os.ReadFile("../../../testdata/guests/inside/inside/inside.go")
	require.NoError(t, err)
	for name, times := range map[string]int{"insert": 3, "put": 0} {
		before, _, found := strings.Cut(string(source), "func (o *Inside) "+name+"(")
		require.True(t, found)
		require.Regexp(t, fmt.Sprintf(`inside\.go:%d\.\S+ \d+ %d\n`, strings.Count(before, "\n")+1, times), string(b), name)
	}
}

// TestNative_covered is what TestNative_cover runs.
func TestNative_covered(t *testing.T) {
	h := hosttest.Start(t, hosttest.Options{Config: "../../../testdata/guests/inside/wrangler.toml", Native: native.Program(inside.Program())})
	status, text := h.Object("INSIDE", "a").Fetch("POST", "/insert/0/3", "")
	require.Equal(t, http.StatusOK, status, text)
}
