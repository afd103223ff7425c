package host

import (
	"sync"

	"durago.example/host/ws"
)

// sockets are the WebSockets of clients, each with a goroutine that serves it and nobody else to wait for that.
type sockets struct {
	budget  *ws.Budget
	writers ws.Writers
	open    sync.WaitGroup // and those that are still answered

	mu     sync.Mutex
	conns  map[*ws.Conn]struct{}
	closed bool
}

// enter counts a socket to be. leave follows.
func (s *sockets) enter() { s.open.Add(1) }

func (s *sockets) add(c *ws.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		c.Drop()
		return
	}
	if s.conns == nil {
		s.conns = map[*ws.Conn]struct{}{}
	}
	s.conns[c] = struct{}{}
}

// leave is told that a socket has ended; c is nil if it never was one.
func (s *sockets) leave(c *ws.Conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.open.Done()
}

// close ends what is left of them: those that still write to a client that takes its time, or wait for one that has broken the
// protocol to end.
func (s *sockets) close() {
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		c.Drop()
	}
	s.mu.Unlock()
	s.open.Wait()
	s.writers.Close()
}
