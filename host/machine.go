package host

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"durago.example/host/bridge"
	"durago.example/host/clock"
	"durago.example/host/durable"
	"durago.example/host/kv"
	"durago.example/host/storage"
)

// MachineOptions are those of Options that workers share.
type MachineOptions struct {
	Dir    string
	NoSync bool
	Disk   storage.Disk
	Clock  clock.Clock
	// CPULimit is of SQL that one asks for; default 30 s.
	CPULimit time.Duration
}

// Machine is what the workers of one process share: a data directory, KV namespaces, and each other. A worker reaches the
// classes and entrypoints of another by its name while that runs, whichever was started first. Its methods may be called from
// any goroutine.
type Machine struct {
	store *storage.Store
	kv    *kv.Store

	mu      sync.RWMutex
	workers map[string]*Host
}

// OpenMachine takes a data directory. Options.Machine has workers run on it.
func OpenMachine(o MachineOptions) (*Machine, error) {
	if o.Clock == nil {
		o.Clock = clock.Real
	}
	s, err := storage.Open(storage.Options{Dir: o.Dir, NoSync: o.NoSync, Disk: o.Disk, CPULimit: o.CPULimit})
	if err != nil {
		return nil, err
	}
	return &Machine{store: s, kv: kv.New(s.Private("kv", "namespaces"), o.Clock), workers: map[string]*Host{}}, nil
}

// Failed says, once, that the disk has failed: nothing will be durable any more. End the process; the next one begins
// with what is known to be on the disk.
func (m *Machine) Failed() <-chan error { return m.store.Failed() }

// Close waits for the disk and lets the directory go. Its workers must be closed.
func (m *Machine) Close() error { return errors.Join(m.kv.Close(), m.store.Close()) }

// add has others reach a worker.
func (m *Machine) add(h *Host) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.workers[h.o.Name] != nil {
		return fmt.Errorf("two workers have the name %q: give one another", h.o.Name)
	}
	m.workers[h.o.Name] = h
	return nil
}

func (m *Machine) remove(h *Host) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.workers[h.o.Name] == h {
		delete(m.workers, h.o.Name)
	}
}

// worker is one that runs.
func (m *Machine) worker(name string) (*Host, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if h := m.workers[name]; h != nil {
		return h, nil
	}
	return nil, &durable.Error{Name: "Error", Message: fmt.Sprintf("the worker %s does not run: start it beside this one", name), Retryable: true}
}

// namespaceOf is what a binding names, in this worker or in another.
func (h *Host) namespaceOf(binding string) (*durable.Namespace, error) {
	if n := h.bindings[binding]; n != nil {
		return n, nil
	}
	b, ok := h.o.Bindings[binding]
	if !ok {
		return nil, fmt.Errorf("no Durable Object namespace is bound as %s: add it to durable_objects.bindings", binding)
	}
	other, err := h.machine.worker(b.Worker)
	if err != nil {
		return nil, err
	}
	n := other.namespaces[b.Class]
	if n == nil {
		return nil, fmt.Errorf("the binding %s names the class %s of the worker %s, which has none of that name", binding, b.Class, b.Worker)
	}
	return n, nil
}

// guestsOf is where a service binding leads that names another worker.
func (h *Host) guestsOf(binding string, s Service) (*bridge.Guests, error) {
	other, err := h.machine.worker(s.Worker)
	if err != nil {
		return nil, err
	}
	if s.Entrypoint != "" && !other.code.Load().hasEntrypoint(s.Entrypoint) {
		return nil, fmt.Errorf("the binding %s names the entrypoint %s of the worker %s, which has none of that name", binding, s.Entrypoint, s.Worker)
	}
	return other.nextGuests(), nil
}

// nextGuests spreads what is no object's over the loops.
func (h *Host) nextGuests() *bridge.Guests { return h.next.of(h.guests) }
