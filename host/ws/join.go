package ws

import (
	"sync"

	"durago.example/host/durable"
)

// Join gives the connection to a program's side of a socket and serves it until it ends.
func (c *Conn) Join(s durable.Side) {
	s.Attach(c)
	c.Serve(&joined{s: s, c: c, read: make(chan struct{}, 1)})
}

// joined carries what the client does to the program. The client is read no further while too much of it waits there.
type joined struct {
	s    durable.Side
	c    *Conn
	read chan struct{} // something does not wait any more

	mu      sync.Mutex
	waiting int // messages
	bytes   int // of them
}

// Bounds of what waits of one client for the program. One message may be larger.
const (
	maxUnread      = 64
	maxUnreadBytes = 1 << 20
)

// enter counts a message of n bytes if there is room for it.
func (k *joined) enter(n int) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.waiting > 0 && (k.waiting == maxUnread || k.bytes+n > maxUnreadBytes) {
		return false
	}
	k.waiting++
	k.bytes += n
	return true
}

func (k *joined) leave(n int) {
	k.mu.Lock()
	k.waiting--
	k.bytes -= n
	k.mu.Unlock()
	select {
	case k.read <- struct{}{}:
	default:
	}
}

func (k *joined) Message(text bool, data []byte) {
	for !k.enter(len(data)) {
		select {
		case <-k.read:
		case <-k.c.Ended(): // nor is anything read any more
			return
		}
	}
	k.c.waitsInside(len(data))
	k.s.Message(text, data, func() {
		k.c.waitsInside(-len(data))
		k.leave(len(data))
	})
}

func (k *joined) Gone(code int, reason string, clean bool) { k.s.Gone(code, reason, clean, k.c.End) }
