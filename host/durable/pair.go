package durable

import (
	"sync"
	"time"
)

// Join connects two sides of programs, perhaps of different loops, with no network between them: what one sends the other is
// given as it is, however large.
func Join(a, b Side) {
	p := &pair{}
	p.ends[0] = end{p: p, own: a, other: b, peer: &p.ends[1]}
	p.ends[1] = end{p: p, own: b, other: a, peer: &p.ends[0]}
	a.Attach(&p.ends[0])
	b.Attach(&p.ends[1])
}

// MaxUnread bounds what waits for a side that does not read, in bytes. If more than that waits the next message ends the
// connection.
const MaxUnread = 32 << 20

// frameCost is what a message counts beside its data, or empty ones would have no bound.
const frameCost = 64

// pair is the state that both ends share.
type pair struct {
	mu   sync.Mutex
	ends [2]end
}

// end is the connection as one side has it. The fields below are guarded by the pair's lock, which is not held while a
// side is called: what one end sends comes from one goroutine, in order.
type end struct {
	p          *pair
	own, other Side
	peer       *end

	closed  bool // nothing is sent from here any more
	told    bool // other has been told that it is gone
	waiting int  // bytes that other has not taken
	auto    *[2]string
	pinged  time.Time
}

var _ Conn = (*end)(nil)

// Send has the other side given a message, or answers it as that side would.
func (e *end) Send(text bool, data []byte) {
	p, n := e.p, len(data)+frameCost
	p.mu.Lock()
	auto := e.peer.auto
	switch {
	case e.closed:
		p.mu.Unlock()
	case text && auto != nil && auto[0] == string(data):
		e.peer.pinged = time.Now()
		p.mu.Unlock()
		e.peer.Send(text, []byte(auto[1]))
	case e.waiting > MaxUnread:
		p.mu.Unlock()
		e.Drop()
	default:
		e.waiting += n
		p.mu.Unlock()
		e.other.Message(text, data, func() {
			p.mu.Lock()
			e.waiting -= n
			p.mu.Unlock()
		})
	}
}

// Close tells the other side. When that has done with it, and has not closed, this side finds that it has vanished.
func (e *end) Close(code int, reason string) {
	e.p.mu.Lock()
	if e.closed {
		e.p.mu.Unlock()
		return
	}
	e.closed, e.told = true, true
	e.p.mu.Unlock()
	if code == 0 {
		code = 1005
	}
	e.other.Gone(code, reason, true, e.peer.over)
}

// over ends what is sent from here.
func (e *end) over() {
	e.p.mu.Lock()
	told := e.told
	e.closed, e.told = true, true
	e.p.mu.Unlock()
	if !told {
		e.other.Gone(1006, Vanished, false, func() {})
	}
}

// Drop ends both directions.
func (e *end) Drop() {
	e.over()
	e.peer.over()
}

func (e *end) AutoRespond(pair *[2]string) {
	e.p.mu.Lock()
	e.auto = pair
	e.p.mu.Unlock()
}

func (e *end) LastAutoResponse() (time.Time, bool) {
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	return e.pinged, !e.pinged.IsZero()
}
