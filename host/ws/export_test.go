package ws

import "durago.example/host/durable"

// Idle is how many writers wait.
func (w *Writers) Idle() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.idle)
}

// Forms tells what was made of a message.
func Forms(s *durable.Shared) (framed, deflated bool) {
	m, ok := s.Made(func() any { return nil }).(*shared)
	return ok && m.frame != nil, ok && m.prepared != nil
}
