package cluster_test

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"
)

// load is what clients have asked for and been told, in all of the test.
type load struct {
	c *cluster

	mu           sync.Mutex
	next         int
	tried        map[string]map[string]bool // of each object
	acknowledged map[string]map[string]int
	last         map[string]answered // of each object
	moved        map[string]answered // the first acknowledgement from another machine since mark
	marked       map[string]answered
	stored       int            // of account
	refused      int            // tries that reached no machine
	unanswered   map[string]int // other tries that were not acknowledged, and may have been counted: how many of each error
}

// answered is an acknowledgement.
type answered struct {
	machine string
	at      time.Time
}

func newLoad(c *cluster) *load {
	return &load{c: c, tried: map[string]map[string]bool{}, acknowledged: map[string]map[string]int{}, last: map[string]answered{}, unanswered: map[string]int{}}
}

// mark begins to watch which objects move to another machine.
func (l *load) mark() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.marked, l.moved = map[string]answered{}, map[string]answered{}
	for object, a := range l.last {
		l.marked[object] = a
	}
}

// on are the objects whose last acknowledgement is from a machine.
func (l *load) on(machine string) (objects []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for object, a := range l.last {
		if a.machine == machine {
			objects = append(objects, object)
		}
	}
	return objects
}

// total is how many increments have been acknowledged.
func (l *load) total() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.acknowledged {
		n += len(a)
	}
	return n
}

// try asks for one increment of an object of a binding through a machine, by a call or by a request.
func (l *load) try(m *machine, binding, object string) error {
	l.mu.Lock()
	l.next++
	id := fmt.Sprint("i", l.next)
	path := [...]string{"/add", "/call"}[l.next%2]
	if l.tried[object] == nil {
		l.tried[object], l.acknowledged[object] = map[string]bool{}, map[string]int{}
	}
	l.tried[object][id] = true
	l.mu.Unlock()

	var a added
	err := m.ask(l.c.t.Context(), &a, "/"+binding+"/"+object+path, url.Values{"id": {id}})

	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		var failed *url.Error
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			l.refused++
		case errors.As(err, &failed): // without the address
			l.unanswered[reason(failed)]++
		default:
			l.unanswered[strings.TrimSpace(err.Error())]++
		}
		return err
	}
	l.acknowledged[object][id] = a.Number
	now := answered{a.Machine, time.Now()}
	l.last[object] = now
	if was, ok := l.marked[object]; ok && was.machine != a.Machine {
		if _, ok := l.moved[object]; !ok {
			l.moved[object] = now
		}
	}
	return nil
}

// reason is why a request had no answer.
func reason(err *url.Error) string {
	switch {
	case err.Timeout():
		return "the client has waited for long enough"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection broke"
	}
	return err.Err.Error()
}

// patience is how long a client tries to get one increment acknowledged.
const patience = 2 * time.Minute

// run has each object of the binding acknowledge so many increments, asked for from all sides at once: a client at each
// machine, which tries the others when its own does not answer.
func (l *load) run(binding string, objects []string, each int) *sync.WaitGroup {
	var wg sync.WaitGroup
	for _, object := range objects {
		left := make(chan struct{}, each)
		for range each {
			left <- struct{}{}
		}
		close(left)
		for side := range l.c.machines {
			wg.Go(func() {
				for range left {
					if err := l.acknowledge(binding, object, side); err != nil {
						l.c.t.Errorf("no increment of %s was acknowledged for %s: %v", object, patience, err)
						return
					}
				}
			})
		}
	}
	return &wg
}

func (l *load) acknowledge(binding, object string, side int) (err error) {
	for limit := time.Now().Add(patience); time.Now().Before(limit); side++ {
		if err = l.try(l.c.machines[side%len(l.c.machines)], binding, object); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond) // a machine that is not there says so at once
	}
	return err
}
