package bridge

import "time"

// workLimit is how long work keeps its object in memory; after that it goes on, until the object is evicted. It is what the
// platform gives: https://developers.cloudflare.com/durable-objects/concepts/durable-object-lifecycle/.
const workLimit = 15 * time.Minute

// begin counts work of the guest.
func (s *scope) begin(token uint32, kept bool) {
	if s.work == nil {
		s.work = map[uint32]*work{}
	}
	w := &work{began: s.b.o.Clock.Now(), kept: kept, release: func() {}}
	if s.object != nil {
		w.release = s.object.Hold()
	}
	s.work[token] = w
	s.live++
	s.b.watch()
}

// workDone is told that it has ended.
func (s *scope) workDone(token uint32) {
	if w := s.work[token]; w != nil {
		delete(s.work, token)
		s.live--
		w.release()
	}
}

// kept tells whether work is under way that must end before the guest may be replaced.
func (s *scope) kept() bool {
	for _, w := range s.work {
		if w.kept {
			return true
		}
	}
	return false
}

// tire lets objects go whose work has kept them for too long, and tells whether some has not.
func (b *Bridge) tire(now time.Time) (younger bool) {
	for _, s := range b.scopes {
		for _, w := range s.work {
			if now.Sub(w.began) >= workLimit {
				w.release()
			} else {
				younger = true
			}
		}
	}
	return younger
}
