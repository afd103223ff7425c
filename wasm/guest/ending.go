package guest

import "sync"

// ending is how a context ends: once, with a reason. Goroutines may ask in no turn of theirs.
type ending struct {
	mu   sync.Mutex
	done chan struct{} // made when first asked for
	err  error
}

func (e *ending) end(reason error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == nil {
		e.err = reason
		if e.done != nil {
			close(e.done)
		}
	}
}

func (e *ending) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

func (e *ending) Done() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done == nil {
		e.done = make(chan struct{})
		if e.err != nil {
			close(e.done)
		}
	}
	return e.done
}
