package gate_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/clock"
	"durago.example/host/gate"
)

// input is a gate that scripts drive. What passes is written down by name; a name is that of whoever waited, and of the
// lock that it got.
type input struct {
	*gate.Input
	t        *testing.T
	passed   []string
	broken   []string
	locks    map[string]*gate.Lock
	sections map[string]*gate.Section
	waiters  map[string]*gate.Waiter

	mu   sync.Mutex
	jobs []func() // for the loop, which is the test's goroutine
}

// sleep lets time pass, and then runs what was given to the loop.
func (i *input) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
	i.mu.Lock()
	jobs := i.jobs
	i.jobs = nil
	i.mu.Unlock()
	for _, f := range jobs {
		f()
	}
}

func newInput(t *testing.T) *input {
	i := &input{t: t, locks: map[string]*gate.Lock{}, sections: map[string]*gate.Section{}, waiters: map[string]*gate.Waiter{}}
	i.Input = gate.NewInput(gate.Options{Clock: clock.Real,
		Do: func(f func()) error {
			i.mu.Lock()
			defer i.mu.Unlock()
			i.jobs = append(i.jobs, f)
			return nil
		},
		Broken: func(reason error) { i.broken = append(i.broken, reason.Error()) }})
	return i
}

func (i *input) pass(name string, l *gate.Lock, broken error) {
	if broken != nil {
		i.passed = append(i.passed, name+"!"+broken.Error())
		return
	}
	i.passed = append(i.passed, name)
	i.locks[name] = l
}

// run runs a script, a command a line:
//
//	event a [in S]      a waits for a lock, in the gate or in a section
//	first a             a waits before those who wait in the gate
//	begin S [in R]      asks for a section
//	share a b           b is a's lock a second time
//	release a…          gives locks back
//	cancel a            a waits no more
//	succeed S [keep]    ends a section; keep leaves the lock that it returns, named S too, to a release
//	fail S, break
//	reset               the lock that it returns is named reset
//	? a b!reason        exactly these have passed since the last ?, in order
func (i *input) run(script string) {
	i.t.Helper()
	for n, line := range strings.Split(strings.TrimSpace(script), "\n") {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if f[0] == "?" {
			require.Equal(i.t, strings.Join(f[1:], " "), strings.Join(i.passed, " "), "line %d: %s", n+1, line)
			i.passed = nil
			continue
		}
		i.do(f)
	}
}

func (i *input) do(f []string) {
	verb, args := f[0], f[1:]
	var in *gate.Section
	if len(args) == 3 && args[1] == "in" {
		in = i.sections[args[2]]
		require.NotNil(i.t, in, args[2])
	}
	switch verb {
	case "event":
		wait := i.Wait
		if in != nil {
			wait = in.Wait
		}
		i.waiters[args[0]] = wait(func(l *gate.Lock, broken error) { i.pass(args[0], l, broken) })
	case "first":
		i.waiters[args[0]] = i.WaitFirst(func(l *gate.Lock, broken error) { i.pass(args[0], l, broken) })
	case "begin":
		i.sections[args[0]] = i.Begin(in, func(_ *gate.Section, l *gate.Lock, broken error) { i.pass(args[0], l, broken) })
	case "share":
		i.locks[args[1]] = i.locks[args[0]].Share()
	case "release":
		for _, name := range args {
			require.NotNil(i.t, i.locks[name], name)
			i.locks[name].Release()
		}
	case "cancel":
		i.waiters[args[0]].Cancel()
	case "succeed":
		l := i.sections[args[0]].Succeed()
		require.NotNil(i.t, l, args[0])
		if len(args) == 1 {
			l.Release()
		} else {
			i.locks[args[0]] = l
		}
	case "fail":
		i.sections[args[0]].Fail(errors.New(args[0] + "-failed"))
	case "break":
		i.Break(errors.New("broken"))
	case "reset":
		i.locks["reset"] = i.Reset()
	default:
		i.t.Fatalf("no such command: %s", verb)
	}
}

// TestInput has the cases of workerd's own test of its gate, and those of a gate whose guest dies.
func TestInput(t *testing.T) {
	for _, row := range []struct{ name, script string }{
		{"who waits first passes before those who wait, and after sections", `
			first a
			event b
			first c
			first d
			begin S
			? a
			release a
			? S
			release S
			succeed S
			? d
			cancel c
			release d
			? b`},
		{"locks are given out one at a time, in order", `
			event a
			event b
			event c
			? a
			release a
			? b
			release b
			? c`},
		{"a shared lock holds until both are released", `
			event a
			event b
			share a a2
			release a
			? a
			release a
			?
			release a2
			? b`},
		{"one who waits no more is passed over", `
			event a
			event b
			event c
			cancel b
			release a
			? a c`},
		{"a section gives out locks of its own, and none outside", `
			begin S
			event a in S
			event b in S
			? S
			release S
			? a
			release a
			? b
			release b
			event out
			?
			event c in S
			? c
			succeed S
			?
			release c
			? out`},
		{"a section begins when the lock it was asked under is released", `
			event a
			begin S
			? a
			release a
			? S`},
		{"sections come before the events that waited earlier", `
			event a
			event b
			begin S
			release a
			? a S
			release S
			?
			succeed S
			? b`},
		{"what goes on after a section comes before the events that wait", `
			begin S
			event a
			release S
			? S
			succeed S keep
			?
			release S
			? a`},
		{"several begin one after another", `
			event a
			begin S1
			begin S2
			release a
			? a S1
			release S1
			?
			succeed S1
			? S2
			release S2
			succeed S2
			event b
			? b`},
		{"a nested one shuts the one around it", `
			begin S1
			release S1
			begin S2 in S1
			release S2
			event a in S1
			? S1 S2
			succeed S2
			? a`},
		{"several nested begin one after another", `
			begin S1
			begin S2 in S1
			begin S3 in S1
			? S1
			release S1
			? S2
			release S2
			succeed S2
			? S3
			release S3
			event out
			succeed S3
			?
			succeed S1
			? out`},
		{"a nested one that outlives the one around it holds back what is outside both", `
			begin S1
			release S1
			begin S2 in S1
			release S2
			? S1 S2
			succeed S1
			event out
			?
			succeed S2
			? out`},
		{"what waits in a section that ends waits outside it, in the order of sections and events", `
			begin S1
			release S1
			begin S2 in S1
			? S1 S2
			event w1 in S2
			event w2 in S2
			begin S3 in S2
			begin S4 in S2
			succeed S2
			?
			cancel w2
			release S2
			? S3
			event w5 in S3
			event out
			succeed S1
			succeed S3
			?
			cancel w5
			cancel w1
			release S3
			? S4
			release S4
			?
			succeed S4
			? out`},
		{"a lock that outlives its section holds the gate", `
			begin S
			? S
			succeed S
			event out
			?
			share S again
			release again
			?
			release S
			? out`},
		{"who waits in a section that has ended waits outside", `
			begin S
			release S
			? S
			succeed S keep
			event a in S
			?
			release S
			? a`},
		{"a section that is asked for in one that has ended begins outside", `
			begin S1
			release S1
			succeed S1
			begin S2 in S1
			release S2
			? S1 S2
			event out
			?
			succeed S2
			? out`},
		{"a failure breaks everything, now and later", `
			event a
			begin S1
			begin S3
			release a
			? a S1
			release S1
			begin S2 in S1
			release S2
			? S2
			event b in S1
			event c
			fail S2
			? b!S2-failed S3!S2-failed c!S2-failed
			event d
			event e in S2
			begin S4
			begin S5 in S1
			? d!S2-failed e!S2-failed S4!S2-failed S5!S2-failed
			fail S1
			?`},
		{"a lock of a broken gate may be released", `
			begin S
			event a in S
			break
			? S a!broken
			release S
			event b
			? b!broken`},
		{"a reset forgets sections, and not the events that wait outside", `
			event a
			begin S1
			event b
			event c
			release a
			? a S1
			begin S2 in S1
			event d in S1
			reset
			release S1
			begin S3
			?
			release reset
			? S3
			release S3
			succeed S3
			? b
			release b
			? c`},
	} {
		t.Run(row.name, func(t *testing.T) { newInput(t).run(row.script) })
	}
}

func TestInput_Break(t *testing.T) {
	i := newInput(t)
	require.True(t, i.Open())
	i.run(`
		event a
		event b
		break
		break`)
	require.Equal(t, []string{"broken"}, i.broken, "told once")
	require.EqualError(t, i.Broken(), "broken")
	require.False(t, i.Open())
}

func TestInput_Open(t *testing.T) {
	i := newInput(t)
	require.True(t, i.Open())
	inside := true
	i.Wait(func(l *gate.Lock, _ error) {
		inside = i.Open()
		l.Release()
	})
	require.False(t, inside)
	require.True(t, i.Open())
	i.run("begin S\nrelease S")
	require.False(t, i.Open())
	i.run("event a")
	require.Equal(t, 1, i.Waiting())
	i.run("succeed S\nrelease a")
	require.True(t, i.Open())
	require.Zero(t, i.Waiting())
}

// TestInput_Wait: many wait, and each lets the next one pass; what passes never does so inside another.
func TestInput_Wait(t *testing.T) {
	i := newInput(t)
	i.run("begin S\nrelease S")
	const n = 100_000
	passed, inside := 0, false
	for k := range n {
		i.Wait(func(l *gate.Lock, broken error) {
			require.NoError(t, broken)
			require.False(t, inside)
			inside = true
			require.Equal(t, k, passed)
			passed++
			l.Release()
			inside = false
		})
	}
	require.Equal(t, n, i.Waiting())
	i.run("succeed S")
	require.Equal(t, n, passed)
}

func TestInput_Begin(t *testing.T) {
	nest := func(t *testing.T, depth int) *input {
		i := newInput(t)
		i.run("event a\nbegin S1\nevent out\nrelease a\nrelease S1")
		for d := 2; d <= depth; d++ {
			i.do([]string{"begin", fmt.Sprintf("S%d", d), "in", fmt.Sprintf("S%d", d-1)})
			require.Equal(t, d, i.sections[fmt.Sprintf("S%d", d)].Depth())
			if i.Broken() == nil {
				i.run(fmt.Sprintf("release S%d", d))
			}
		}
		return i
	}
	t.Run("64 deep", func(t *testing.T) {
		i := nest(t, 64)
		require.NoError(t, i.Broken())
		for d := 64; d > 0; d-- {
			i.run(fmt.Sprintf("succeed S%d", d))
		}
		require.Equal(t, "out", i.passed[len(i.passed)-1])
	})
	t.Run("and no deeper", func(t *testing.T) {
		i := nest(t, 65)
		require.ErrorIs(t, i.Broken(), gate.ErrTooDeep)
		require.Equal(t, []string{"out!" + gate.ErrTooDeep.Error(), "S65!" + gate.ErrTooDeep.Error()}, i.passed[len(i.passed)-2:])
	})
	t.Run("a section has 30 seconds from its beginning", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := newInput(t)
			i.run("event a\nbegin S\nevent b\n")
			i.sleep(time.Minute) // it has not begun
			i.run("release a\nrelease S\n? a S")
			i.sleep(gate.MaxTime - 1)
			require.NoError(t, i.Broken())
			i.sleep(time.Nanosecond)
			require.ErrorIs(t, i.Broken(), gate.ErrTooLong)
			require.Equal(t, []string{"b!" + gate.ErrTooLong.Error()}, i.passed)
			require.False(t, i.sections["S"].Open())
			require.Nil(t, i.sections["S"].Succeed())
		})
	})
	t.Run("one that has ended in time, or was forgotten, has no limit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := newInput(t)
			i.run("begin S1\nrelease S1\nsucceed S1\nbegin S2\nreset\nrelease reset")
			i.sleep(time.Hour)
			require.NoError(t, i.Broken())
		})
	})
	t.Run("an inner one does not prolong the outer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := newInput(t)
			i.run("begin S1\nrelease S1")
			i.sleep(20 * time.Second)
			i.run("begin S2 in S1\nrelease S2")
			i.sleep(10 * time.Second)
			require.ErrorIs(t, i.Broken(), gate.ErrTooLong)
		})
	})
}
