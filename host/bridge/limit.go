package bridge

import (
	"time"

	"durago.example/host/durable"
	"durago.example/wasm/abi"
)

var errSubrequests = &durable.Error{Name: "Error", Message: "Too many subrequests by single Worker invocation. To configure this limit, refer to https://developers.cloudflare.com/workers/wrangler/configuration/#limits"}

// subrequest counts a request or call. As on the platform those of an object's events count together, from the latest on.
func (s *scope) subrequest() error {
	if limit := s.b.o.Subrequests; limit > 0 && s.subrequests >= limit {
		return errSubrequests
	}
	s.subrequests++
	return nil
}

// connect runs f on a goroutine of its own, once there are not too many that do.
func (s *scope) connect(f func()) {
	if limit := s.b.o.Connections; limit > 0 && s.connections >= limit {
		s.waiting = append(s.waiting, f)
		return
	}
	s.connections++
	go f()
}

// connected is told that one of them has got its response.
func (s *scope) connected() {
	s.connections--
	if len(s.waiting) > 0 {
		f := s.waiting[0]
		s.waiting = s.waiting[1:]
		s.connect(f)
	}
}

// wallLimit is how long a handler may take before its event fails. CPU time has a limit of its own, the isolate's.
const wallLimit = 15 * time.Minute

// watch has a sweep look at the events in a while. There is one timer for all of them: most events end in less than a
// millisecond, and one of their own would cost more than they do.
func (b *Bridge) watch() {
	if b.sweep == nil {
		b.sweep = b.o.Clock.AfterFunc(wallLimit/15, func() { _ = b.Do(b.expire) })
	}
}

// expire fails the events that have taken too long. The guest says what they wait for.
func (b *Bridge) expire() {
	b.sweep = nil
	now := b.o.Clock.Now()
	for id, e := range b.events {
		// A response that streams and a socket may take their time, and a critical section has a limit of its own.
		if e.pipe != nil || e.conn != 0 || e.kind == abi.EventBlock || now.Sub(e.began) < wallLimit {
			continue
		}
		b.post(e.s, abi.EventExpire, id, nil)
		if b.events[id] == e { // it could not even do that
			delete(b.events, id)
			e.s.live--
			b.count(e, true)
			e.done(nil, &durable.Error{Name: "Error", Message: "the handler did not finish in time"})
		}
	}
	if b.tire(now) || len(b.events) > 0 {
		b.watch()
	}
}
