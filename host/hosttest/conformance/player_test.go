package conformance_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/host/hosttest/conformance"
	"durago.example/host/hosttest/native"
	"durago.example/testdata/guests/storage/storage"
)

// player plays scripts on one runtime. On the host time is virtual: it goes on only while an event waits for it, or when
// a script says so. What waits for the disk is another test's: here nothing does.
type player struct {
	t *testing.T
	h *hosttest.Host
}

// eventLimit is how long an event may take; a critical section has 30 s.
const eventLimit = 45 * time.Second

// reference is the number of an internal error in workerd's log.
var reference = regexp.MustCompile(`reference = \w+`)

func start(t *testing.T, workerd bool) *player {
	t.Helper()
	return &player{t, hosttest.Start(t, hosttest.Options{Config: "../../../testdata/guests/storage/wrangler.toml", Workerd: workerd, Isolates: 1, NoSync: true,
		Memory: 512 << 20})}
}

// startNatively has the test be in a bubble.
func startNatively(t *testing.T) *player {
	t.Helper()
	return &player{t, hosttest.Start(t, hosttest.Options{Config: "../../../testdata/guests/storage/wrangler.toml", Native: native.Program(storage.Program()), Bubble: true, NoSync: true})}
}

// play plays a row and returns what came of it.
func (p *player) play(row *conformance.Row) (out []conformance.Answer) {
	p.t.Helper()
	script, err := row.Script()
	require.NoError(p.t, err)
	answer := func(line, got string) {
		if got != "" {
			out = append(out, conformance.Answer{ID: row.ID, N: len(out) + 1, Line: line, Got: reference.ReplaceAllString(strings.ReplaceAll(got, "\n", "⏎"), "reference = …")})
		}
	}
	for len(script) > 0 {
		a := script[0]
		if a.Verb != "event" {
			script = script[1:]
			if got := p.act(row, a); !a.Given {
				answer(a.Verb, got)
			}
			continue
		}
		n := 1
		for n < len(script) && script[n].Meanwhile {
			n++
		}
		events := script[:n]
		script = script[n:]
		for i, got := range p.events(row, events) {
			for k, line := range events[i].Lines {
				if !a.Given {
					answer(line, got[k])
					continue
				}
				require.NotContains(p.t, got[k], "error: ", "%s is given %s", row.ID, line)
				require.NotContains(p.t, got[k], "event failed: ", "%s is given %s", row.ID, line)
			}
		}
	}
	return out
}

func object(row *conformance.Row, part string) (binding, name string) {
	name = row.ID
	if part != "" {
		name += "/" + part
	}
	return strings.ToUpper(cmp.Or(row.Class, "Store")), name
}

// act does what is no event.
func (p *player) act(row *conformance.Row, a conformance.Act) string {
	p.t.Helper()
	binding, name := object(row, a.Object)
	switch a.Verb {
	case "evict":
		if err := p.h.Object(binding, name).Evict(); err != nil {
			return "error: " + err.Error()
		}
	case "restart":
		p.h = p.h.Restart()
	case "wait":
		p.h.Wait(a.Wait)
	case "files":
		return p.files(row, a.Object)
	}
	return ""
}

// files are the names of an object's files after a clean end, the id replaced.
func (p *player) files(row *conformance.Row, part string) string {
	p.t.Helper()
	id := p.events(row, []conformance.Act{{Object: part, Lines: []string{"id"}}})[0][0]
	p.h.Stop()
	var found []string
	require.NoError(p.t, filepath.WalkDir(p.h.Dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), id) {
			found = append(found, filepath.Base(filepath.Dir(path))+"/"+strings.Replace(d.Name(), id, "<id>", 1))
		}
		return err
	}))
	p.h = p.h.Restart()
	slices.Sort(found)
	return cmp.Or(strings.Join(found, " "), "none")
}

// events plays events that overlap, each begun once the runtime has got the one before.
func (p *player) events(row *conformance.Row, events []conformance.Act) [][]string {
	p.t.Helper()
	results := make([]chan []string, len(events))
	for i, e := range events {
		results[i] = make(chan []string, 1)
		binding, name := object(row, e.Object)
		body, err := json.Marshal(e.Lines)
		require.NoError(p.t, err)
		path := "/" + binding + "/" + name
		if p.h.Workerd() {
			go func() { results[i] <- answers(len(e.Lines))(p.fetch(path, body)) }()
		} else {
			p.begin(path, body, func(status int, text []byte) { results[i] <- answers(len(e.Lines))(status, text) })
		}
		if i < len(events)-1 {
			p.gone()
		}
	}
	out := make([][]string, len(events))
	for i := range out {
		out[i] = p.await(results[i])
	}
	return out
}

// gone waits until an event has reached its object, as far as it gets.
func (p *player) gone() {
	if p.h.Workerd() {
		time.Sleep(40 * time.Millisecond) // nothing there tells
		return
	}
	p.h.Settle()
}

// await lets time pass until an answer is there, in steps that grow with the time that it has taken.
func (p *player) await(c <-chan []string) []string {
	p.t.Helper()
	if p.h.Workerd() {
		return <-c
	}
	for began := p.h.Now(); ; {
		p.h.Settle()
		select {
		case got := <-c:
			return got
		case <-time.After(time.Millisecond): // the answer leaves the host
		}
		took := p.h.Now().Sub(began)
		if took > eventLimit { // unless it has not come to run at all, on a machine that is busy
			select {
			case got := <-c:
				return got
			case <-time.After(20 * time.Second):
				p.t.Fatal("the event does not end")
			}
		}
		p.h.Advance(max(10*time.Millisecond, took/10))
	}
}

func (p *player) fetch(path string, body []byte) (int, []byte) {
	ctx, cancel := context.WithTimeout(p.t.Context(), eventLimit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.h.URL+path, bytes.NewReader(body))
	if err != nil {
		return 0, []byte(err.Error())
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, []byte(err.Error())
	}
	return resp.StatusCode, b
}

// begin hands an event to the host itself and returns once the host has taken it: it is seen to work, or has had time to
// get to where it waits.
func (p *player) begin(path string, body []byte, done func(status int, text []byte)) {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, path, bytes.NewReader(body))
	w := httptest.NewRecorder()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.h.Handler().ServeHTTP(w, r)
		done(w.Code, w.Body.Bytes())
	}()
	for limit := time.After(10 * time.Millisecond); p.h.Quiet(); {
		select {
		case <-ended:
			return
		case <-limit:
			return
		case <-time.After(20 * time.Microsecond):
		}
	}
}

// answers reads the answer to an event of n lines. One that failed is the answer to its first line.
func answers(n int) func(status int, text []byte) []string {
	return func(status int, text []byte) []string {
		out := make([]string, n)
		if status != http.StatusOK {
			out[0] = "event failed: " + strings.TrimSpace(string(text))
		} else if err := json.Unmarshal(text, &out); err != nil {
			out[0] = fmt.Sprintf("event failed: %v: %s", err, text)
		}
		return out
	}
}
