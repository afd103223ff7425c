package ws

// Idle is how many writers wait.
func (w *Writers) Idle() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.idle)
}
