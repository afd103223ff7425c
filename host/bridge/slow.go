package bridge

import (
	"fmt"
	"time"

	"durago.example/wasm/abi"
)

// slowRun is how long a run of the guest may take before the log says whose it was: nothing else of the isolate has run
// meanwhile.
const slowRun = time.Second

// slow names the run that has just ended.
func (b *Bridge) slow(took time.Duration) {
	s := b.current
	if s == nil { // a timer began it: the goroutine that waited says for whom when it wants to go on
		s = b.asked
	}
	text := fmt.Sprintf("ran for %v without a pause: the others of its isolate waited", took.Round(time.Millisecond))
	if n := len(b.batch.events); b.posted == nil && n > 1 {
		text = fmt.Sprintf("%d events together %s", n, text)
	}
	e := b.running()
	switch {
	case s == nil && e != nil:
		s = e.s
	case s != nil && e == nil:
		e = s.only()
	}
	b.write(s, abi.LogWarn, e, text)
}

// running is the event that the guest runs for, if there is one and only one.
func (b *Bridge) running() *event {
	if b.posted == nil && len(b.batch.events) == 1 {
		return b.batch.events[0]
	}
	return b.posted
}

// only is the event that the scope has under way, if there is one and only one.
func (s *scope) only() (e *event) {
	for _, x := range s.b.events {
		if x.s != s {
			continue
		}
		if e != nil {
			return nil
		}
		e = x
	}
	return e
}
