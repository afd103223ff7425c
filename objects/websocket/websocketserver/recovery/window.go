package recovery

// Window counts what a session was sent and has not acknowledged. It is an upper bound: not every message of the room
// is for everybody, and what was sent again when a session was resumed does not count.
type Window struct {
	sent int64 // since everything was acknowledged
	last int64 // the number of the last message that was sent
}

// Send counts a message, and tells whether the session may still have size unacknowledged ones.
func (w *Window) Send(seq, size int64) bool {
	w.sent++
	w.last = seq
	return w.sent <= size
}

// Ack is told that everything up to seq has been seen.
func (w *Window) Ack(seq int64) {
	if seq < w.last {
		w.sent = min(w.sent, w.last-seq)
	} else {
		w.sent = 0
	}
}
