// Package storage is the guest of the conformance tests: objects that do what a script says, line by line, and answer
// what came of each line. testdata/conformance has the scripts, and README.md there the verbs.
package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"durago.example/objects"
)

// Program is what the guest exports. Its objects remember something past their own end: natively as long as there is the
// program, whose isolates share it.
func Program() objects.Program {
	memories := &sync.Map{} // *memory by the objects' ids
	store := objects.NewClass("Store", func(s *objects.State) (*Store, error) { return newStore(s, memories) }, objects.Impl1(run, (*Store).run))
	plain := objects.NewClass("Plain", func(s *objects.State) (*Plain, error) {
		o, err := newStore(s, memories)
		return &Plain{o}, err
	}, objects.Impl1(run, (*Plain).run))
	return objects.Program{Classes: []*objects.Class{store, plain, peerClass(&sync.Map{})}, Services: []*objects.Service{entry}, Fetch: http.HandlerFunc(front)}
}

// Store is an object with an alarm.
type Store struct {
	state *objects.State
	kept  *memory
	// cursors are what open has opened.
	cursors map[string]*cursor
}

// Plain is an object without one.
type Plain struct{ store *Store }

var (
	run = objects.Declare1[[]string, []string]("run", "lines")
	_   = objects.AlarmHandler((*Store)(nil))
)

// memory is what an object tells of itself, past its own end.
type memory struct {
	mu      sync.Mutex // natively goroutines that have slept run beside each other
	marks   []string
	onAlarm *script
	alarmed alarmed
}

func newStore(state *objects.State, memories *sync.Map) (*Store, error) {
	kept, _ := memories.LoadOrStore(state.ID().String(), &memory{})
	s := &Store{state: state, kept: kept.(*memory), cursors: map[string]*cursor{}}
	s.kept.mark("constructed")
	return s, nil
}

func (m *memory) mark(text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.marks = append(m.marks, text)
}

func (m *memory) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.marks, ", ")
}

// run runs the lines of one event.
func (s *Store) run(ctx context.Context, lines []string) ([]string, error) {
	p, err := parse(lines)
	if err != nil {
		return nil, err
	}
	r := &runner{Store: s, outcomes: make([]string, len(lines))}
	err = r.run(ctx, p)
	return r.outcomes, err
}

func (p *Plain) run(ctx context.Context, lines []string) ([]string, error) {
	return p.store.run(ctx, lines)
}

// Alarm runs the lines that onalarm has kept, and marks what came of them.
func (s *Store) Alarm(ctx context.Context, info objects.AlarmInfo) error {
	s.kept.mark(fmt.Sprintf("alarm retry=%d", info.RetryCount))
	s.kept.alarmed.ran(info)
	p := s.kept.onAlarm
	if p == nil {
		return nil
	}
	r := &runner{Store: s, outcomes: make([]string, p.size())}
	err := r.run(ctx, p)
	for _, o := range r.outcomes {
		if o != "" {
			s.kept.mark(o)
		}
	}
	return err
}

// front has the object that the path names run the lines of the body, a JSON array: /<binding>/<name>.
func front(w http.ResponseWriter, r *http.Request) {
	_, path, _ := strings.Cut(r.URL.Path, "/")
	binding, name, _ := strings.Cut(path, "/")
	if binding == "LEND" {
		lendFromFront(w, r, name)
		return
	}
	var lines []string
	if err := json.NewDecoder(r.Body).Decode(&lines); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	outcomes, err := run.Call(r.Context(), objects.NamespaceOf(r.Context(), binding).GetByName(name), lines)
	if err != nil {
		http.Error(w, failure(err), http.StatusBadGateway)
		return
	}
	_ = json.NewEncoder(w).Encode(outcomes)
}

// lendFromFront lends the request's body and a callback to a peer, which keeps the callback past the request.
func lendFromFront(w http.ResponseWriter, r *http.Request, name string) {
	a := peers(r.Context()).GetByName(name)
	f := objects.NewCallback(func(_ context.Context, n int) (int, error) { return n + 1, nil })
	n, err := apply.Call(r.Context(), a, f, 1)
	if err == nil {
		err = keepFunc.Call(r.Context(), a, f)
	}
	text := ""
	if err == nil {
		text, err = readAll.Call(r.Context(), a, r.Body)
	}
	_, err2 := useKeptF.Call(r.Context(), a)
	fmt.Fprintf(w, "%d %s %v %v", n, text, err, err2)
}

// failure is an error with its flags.
func failure(err error) string {
	var e *objects.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	text := e.Error()
	for _, f := range []struct {
		set  bool
		name string
	}{{e.Remote, "remote"}, {e.Retryable, "retryable"}, {e.Overloaded, "overloaded"}, {e.Reset, "reset"}} {
		if f.set {
			text += " [" + f.name + "]"
		}
	}
	return text
}
