// Package soak_test has one host serve everything at once for as long as it is told: requests, calls from object to object,
// sockets of either kind, streams, alarms, evictions, hibernation, clients that go away, isolates that are recycled and
// programs that are replaced; and, in storms, panics, aborts and isolates that end. Calm and storm take turns. After each
// pair everything ends, and then every acknowledged write is there, once; and memory, descriptors, goroutines, values of
// the realm, contexts, handles and links are what they were after the first.
//
// DURAGO_SOAK says for how long; else it is a hundredth of what make soak does. DURAGO_SOAK_RESULT names the file that the result
// goes to after each round. A run that was interrupted goes on with the next round of that file; one that was complete begins
// again with the next seed.
package soak_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"durago.example/build/wrangler"
	"durago.example/host"
	"durago.example/host/hosttest"
	"durago.example/host/local"
	"durago.example/wasm/abi"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

const (
	isolates = 2
	clients  = 8
)

// result is what a soak has come to.
type result struct {
	Seed     uint64           `json:"seed"`
	Target   string           `json:"target"`
	Took     float64          `json:"seconds"`
	Rounds   int              `json:"rounds"`
	Runs     int              `json:"processes"`
	Steps    map[string]int64 `json:"steps"`
	Writes   int64            `json:"acknowledged_writes"`
	Messages int64            `json:"messages_of_sockets"`
	First    *figures         `json:"first"` // of the last process
	Last     *figures         `json:"last"`
	Largest  *figures         `json:"largest"` // after any round of any process
	Failures []string         `json:"failures"`
}

// resume reads a result that is not complete, or begins one.
func resume(file string, target time.Duration) (*result, error) {
	r := &result{Seed: 1, Target: target.String(), Steps: map[string]int64{}, Largest: &figures{}, Failures: []string{}}
	if file == "" {
		return r, nil
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	old := &result{}
	if err := json.Unmarshal(b, old); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if old.Target == r.Target && old.Took < target.Seconds() && len(old.Failures) == 0 {
		return old, nil
	}
	r.Seed = old.Seed + 1
	return r, nil
}

func (r *result) save(file string) error {
	if file == "" {
		return nil
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// soak is a host and its traffic.
func soak(t *testing.T, leak string) *traffic {
	t.Helper()
	c, err := wrangler.Load("../../../testdata/guests/soak/wrangler.toml")
	require.NoError(t, err)
	wasm := hosttest.Wasm(t, c, "")
	const first = "version one"
	require.Equal(t, 1, bytes.Count(wasm, []byte(first)))
	o := local.Of(c, nil)
	o.Wasm, o.Dir, o.CacheDir = wasm, filepath.Join(t.TempDir(), "state"), hosttest.CacheDir()
	o.Isolates, o.RecycleAt = isolates, 40<<20
	s := &traffic{leak: leak, acked: map[string]map[string]bool{}}
	o.Log = s.log
	h, err := host.New(t.Context(), o)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := host.NewServer(h.Handler(), host.ServerOptions{})
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		require.NoError(t, errors.Join(server.Close(), h.Close()))
		<-served
		if t.Failed() {
			t.Logf("%s", strings.Join(s.lines, "\n"))
		}
	})
	s.h, s.url = h, "http://"+l.Addr().String()
	s.program = func(version int) []byte {
		return bytes.Replace(wasm, []byte(first), fmt.Appendf(nil, "version %03d", version), 1)
	}
	return s
}

// databaseLocked is what SQLite says if a database is open twice. Nobody may ever see it.
const databaseLocked = "database is locked"

// log keeps the last lines that are more than news.
func (t *traffic) log(l host.Line) {
	if l.Level < abi.LogWarn {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) >= 200 {
		t.lines = t.lines[1:]
	}
	text, _, _ := strings.Cut(l.Text, "\n")
	if strings.Contains(text, databaseLocked) { // two have it open at once, or one has left it so
		t.failing("the log: %s %s %s: %s", l.Class, l.Name, l.Event, text)
	}
	t.lines = append(t.lines, fmt.Sprintf("%s %s %s %s: %s", time.Now().Format("05.000"), l.Class, l.Name, l.Event, text))
}

// round is a calm and a storm, and what is left when all of it has ended, which is to be as at first unless that is nil. What fails
// in the calm ends it, with the lines of the log that were of the calm.
func (t *traffic) round(seed uint64, calm, storm time.Duration, first *figures) (*figures, error) {
	t.mu.Lock()
	t.lines = nil
	t.mu.Unlock()
	t.run(2*seed, clients, calm, false)
	if len(t.failures()) > 0 {
		return &figures{}, nil
	}
	if storm > 0 {
		t.run(2*seed+1, clients, storm, true)
	}
	if err := t.settle(); err != nil {
		return nil, err
	}
	var f *figures
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) { // what ends may take a moment, a program half a minute
		f = measure(t.h)
		if f.Open == 0 && f.Isolates <= isolates && (first == nil || len(f.grown(first)) == 0) || time.Now().After(end) {
			return f, nil
		}
	}
}

// patience is how long something may take that does not depend on the machine's speed, and is waited for no longer than it takes.
const patience = time.Minute

// TestSoak runs for DURAGO_SOAK. What it has found last is in testdata/soak/result.json.
func TestSoak(t *testing.T) {
	target := asked(t)
	calm := min(5*time.Second, target/10)
	storm := calm // most of what was ever found was found in storms
	file := os.Getenv("DURAGO_SOAK_RESULT")
	r, err := resume(file, target)
	require.NoError(t, err)
	s := soak(t, "")
	_, err = s.round(1<<32, calm, storm, nil) // what is made once, and kept
	require.NoError(t, err)
	require.Empty(t, s.failures())
	r.Runs++
	var first *figures
	began, before := time.Now(), r.Took
	steps, writes, messages := s.sums()
	for r.Took < target.Seconds() || !r.all() {
		f, err := s.round(r.Seed<<20+uint64(r.Rounds), calm, storm, first)
		if err != nil {
			s.fail("%v", err)
			f = &figures{}
		}
		if first == nil {
			first = f
		}
		first.Heap = min(first.Heap, f.Heap) // at first there may have been a program that was replaced
		r.Rounds++
		r.Took = before + time.Since(began).Seconds()
		r.First, r.Last = first, f
		r.Largest.larger(f)
		r.Failures = append(s.failures(), f.grown(first)...)
		nowSteps, nowWrites, nowMessages := s.sums()
		for i, n := range nowSteps {
			r.Steps[stepNames[i]] += n - steps[i]
		}
		r.Writes += nowWrites - writes
		r.Messages += nowMessages - messages
		steps, writes, messages = nowSteps, nowWrites, nowMessages
		require.NoError(t, r.save(file))
		if len(r.Failures) > 0 {
			b := make([]byte, 1<<20)
			t.Logf("%s", b[:runtime.Stack(b, true)])
			require.Empty(t, r.Failures, "after %d rounds: %+v", r.Rounds, f)
		}
	}
	t.Logf("%d rounds in %.0f s: %v, %d acknowledged writes, %d messages; at last %+v", r.Rounds, r.Took, r.Steps, r.Writes, r.Messages, *r.Last)
}

// asked is for how long to soak.
func asked(t *testing.T) time.Duration {
	t.Helper()
	duration := os.Getenv("DURAGO_SOAK")
	switch {
	case duration != "":
	case hosttest.WorkerdPath() != "":
		t.Skip("nothing here is compared with workerd")
	default:
		return 30 * time.Minute / 100
	}
	d, err := time.ParseDuration(duration)
	require.NoError(t, err)
	return d
}

// all tells whether each of the steps that are not rare was taken.
func (r *result) all() bool {
	for i, name := range stepNames {
		if weights[i] >= weights[stepLend] && r.Steps[name] == 0 {
			return false
		}
	}
	return true
}

func (t *traffic) sums() (of [steps]int64, writes, messages int64) {
	for i := range of {
		of[i] = t.counts[i].Load()
	}
	return of, t.wrote.Load(), t.heard.Load()
}

// TestSoak_leak: each leak that is seeded is found.
func TestSoak_leak(t *testing.T) {
	for leak, want := range map[string]string{"goroutine": "goroutines of a guest", "memory": "heap of a guest", "value": "values of a realm",
		"descriptor": "descriptors", "write": "acknowledged writes"} {
		t.Run(leak, func(t *testing.T) {
			s := soak(t, "")
			first, err := s.round(1, 400*time.Millisecond, 0, nil)
			require.NoError(t, err)
			require.Empty(t, append(s.failures(), first.grown(first)...))
			s.leak = leak
			f, err := s.round(2, 0, 0, nil)
			require.NoError(t, err)
			found := append(s.failures(), f.grown(first)...)
			require.Condition(t, func() bool { return contains(found, want) }, "%q: %+v, then %+v", found, *first, *f)
			for _, c := range s.left {
				require.NoError(t, c.Close())
			}
		})
	}
}

func contains(list []string, part string) bool {
	for _, s := range list {
		if bytes.Contains([]byte(s), []byte(part)) {
			return true
		}
	}
	return false
}

// TestResult: a soak that was interrupted goes on, and one that was complete or failed begins again with another seed.
func TestResult(t *testing.T) {
	file := filepath.Join(t.TempDir(), "result.json")
	r, err := resume(file, time.Minute)
	require.NoError(t, err)
	r.Rounds, r.Took = 3, 30
	require.NoError(t, r.save(file))
	again, err := resume(file, time.Minute)
	require.NoError(t, err)
	require.Equal(t, r, again)
	again.Took = 61
	require.NoError(t, again.save(file))
	next, err := resume(file, time.Minute)
	require.NoError(t, err)
	require.Equal(t, uint64(2), next.Seed)
	require.Zero(t, next.Rounds)
}
