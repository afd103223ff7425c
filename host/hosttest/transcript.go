package hosttest

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/gorilla/websocket"

	"durago.example/host"
	"durago.example/wasm/value"
)

// transcript is what a scenario saw, a line for each verb. A nil transcript keeps nothing.
type transcript struct {
	mu    sync.Mutex
	lines []string
	off   bool
}

func (s *transcript) add(format string, args ...any) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.off {
		s.lines = append(s.lines, strings.ReplaceAll(strings.TrimRight(fmt.Sprintf(format, args...), "\n"), "\n", "⏎"))
	}
}

// printed is an encoded value as text.
func printed(b []byte) string {
	if len(b) == 0 {
		return "-"
	}
	var v any
	if err := value.Unmarshal(b, &v); err != nil {
		return err.Error()
	}
	return fmt.Sprint(v)
}

// Record adds a line of the scenario's own to what is compared between the runtimes.
func (h *Host) Record(format string, args ...any) { h.transcript.add(format, args...) }

// Unrecorded runs f without recording what its verbs see: for what depends on timing.
func (h *Host) Unrecorded(f func()) {
	h.transcript.mu.Lock()
	h.transcript.off = true
	h.transcript.mu.Unlock()
	defer func() {
		h.transcript.mu.Lock()
		h.transcript.off = false
		h.transcript.mu.Unlock()
	}()
	f()
}

// Diverges runs f, a verb or two whose outcome differs on purpose from workerd's; row is the heading of the section of
// host/DIVERGENCE.md that says so.
func (h *Host) Diverges(row string, f func()) {
	h.t.Helper()
	b, err := os.ReadFile(inModule(h.t, "host", "DIVERGENCE.md"))
	if err != nil || !strings.Contains(string(b), "\n## "+row+"\n") {
		h.t.Errorf("hosttest: host/DIVERGENCE.md has no section %q (%v)", row, err)
	}
	h.Unrecorded(f)
	h.transcript.add("≠ %s", row)
}

// inModule is a path below the folder of the module that the running test belongs to.
func inModule(t testing.TB, path ...string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(append([]string{dir}, path...)...)
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("hosttest: the test is in no module")
		}
		dir = filepath.Dir(dir)
	}
}

// recording tells whether transcripts of workerd are written rather than compared.
func recording() bool { return os.Getenv("DURAGO_RECORD") != "" }

// Each runs a scenario on the host, natively too if Options have the program (in a bubble with Bubble) and, if WorkerdPath is
// set, on workerd; and on host and workerd again with OwnInstance. What the scenario saw must be equal, and equal to the
// transcript in testdata/transcripts, which the environment variable DURAGO_RECORD has written anew from workerd. Forms of a
// worker that must see the same share Options.Transcript.
func Each(t *testing.T, o Options, scenario func(t *testing.T, h *Host)) {
	t.Helper()
	file := transcriptFile(t, o.Transcript)
	var seen []string
	program := o.Native
	run := func(name string, native host.Native, workerd, again bool) bool {
		once := func(t *testing.T) {
			o := o
			o.Native, o.Workerd, o.OwnInstance = native, workerd, o.OwnInstance || again
			o.Bubble = o.Bubble && native != nil
			h := Start(t, o)
			scenario(t, h)
			lines := h.transcript.lines
			if workerd || again {
				report(t, "the host", seen, lines)
			} else {
				seen = lines
			}
			switch {
			case recording() && workerd && !again:
				if err := write(file, lines); err != nil {
					t.Error(err)
				}
			case !recording():
				compare(t, file, lines)
			}
		}
		if o.Bubble && native != nil {
			return t.Run(name, func(t *testing.T) { synctest.Test(t, once) })
		}
		return t.Run(name, once)
	}
	if !run("host", nil, false, false) || program != nil && !run("native", program, false, false) {
		return
	}
	once := o.SharedMemory || o.OwnInstance || racing
	if !once {
		run("host, own instances", nil, false, true)
	}
	if WorkerdPath() != "" && run("workerd", nil, true, false) && !once {
		run("workerd, own instances", nil, true, true)
	}
}

// At runs a scenario on a worker that is served at a URL already, and compares what it saw with a transcript of Each. Of the
// verbs Fetch, Do, Dial and Wait are there.
func At(t *testing.T, url, transcriptName string, scenario func(t *testing.T, h *Host)) {
	t.Helper()
	h := &Host{URL: strings.TrimSuffix(url, "/"), t: t, transcript: &transcript{}, client: http.DefaultClient, dialer: websocket.DefaultDialer}
	scenario(t, h)
	compare(t, transcriptFile(t, transcriptName), h.transcript.lines)
}

// transcriptFile is where the transcript of a name is, or that of the test.
func transcriptFile(t testing.TB, name string) string {
	t.Helper()
	return inModule(t, "testdata", "transcripts", strings.ReplaceAll(cmp.Or(name, t.Name()), "/", "-")+".txt")
}

// compare fails the test for each difference from a transcript.
func compare(t testing.TB, file string, lines []string) {
	t.Helper()
	want, err := os.ReadFile(file)
	if err != nil {
		t.Errorf("hosttest: no transcript: record it with DURAGO_RECORD=1 and DURAGO_WORKERD (%v)", err)
		return
	}
	report(t, filepath.Base(file), split(string(want)), lines)
}

func split(text string) []string {
	if text = strings.TrimRight(text, "\n"); text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func write(file string, lines []string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644)
}

// report fails the test for each difference and logs the counts.
func report(t testing.TB, name string, want, got []string) {
	t.Helper()
	d := differences(want, got)
	listed := 0
	for _, l := range got {
		if strings.HasPrefix(l, "≠ ") {
			listed++
		}
	}
	t.Logf("conformance: %d lines here, %d from %s, %d unlisted differences, %d listed", len(got), len(want), name, len(d), listed)
	for _, x := range d {
		t.Errorf("hosttest: differs from %s: %s", name, x)
	}
}

// differences compares line by line.
func differences(want, got []string) (out []string) {
	for i := range max(len(want), len(got)) {
		w, g := "(nothing)", "(nothing)"
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		if w != g {
			out = append(out, fmt.Sprintf("line %d:\n  want %s\n  got  %s", i+1, w, g))
		}
	}
	return out
}
