// Package tcp makes the connections of clients cheap to read and write. A socket does not block: where nothing can be read or
// written the goroutine waits for the poller, and what is left of the system call takes microseconds. So it is made without
// telling Go's scheduler, which would otherwise look for another thread to go on meanwhile, and take that thread away again: of a
// message to a hundred clients a sixth of the time. host/RATIONALE.md has the figures.
package tcp

import (
	"net"
	"sync/atomic"
	"time"
)

// Conn is a TCP connection.
type Conn struct {
	*net.TCPConn
	raw   raw
	until atomic.Int64 // the deadline of writes, in nanoseconds since 1970; 0 is none
}

// Of makes c, which nobody else uses, cheaper if it is a TCP connection and the machine lets it; else it is c itself.
func Of(c net.Conn) net.Conn {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	own := &Conn{TCPConn: t}
	if own.raw.init(t) != nil {
		return c
	}
	return own
}

// OnWait has f called by a Write that has to wait for the other side, before it does; on the goroutine of the Write, and perhaps
// several times. It tells whether that can be had. Call it before the first Write.
func (c *Conn) OnWait(f func()) bool { return c.raw.onWait(f) }

// SetWriteDeadline is net.Conn's, but a deadline that is hardly later than the one before, by a sixteenth of the time until then,
// is not set: a timer for each of many small writes would cost more than it is worth.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if old := c.until.Load(); old != 0 && !t.IsZero() {
		now := time.Now()
		have, want := time.Duration(old-now.UnixNano()), t.Sub(now)
		if have > 0 && have <= want && want-have <= want/16 {
			return nil
		}
	}
	c.keep(t)
	return c.TCPConn.SetWriteDeadline(t)
}

// SetDeadline is net.Conn's.
func (c *Conn) SetDeadline(t time.Time) error {
	c.keep(t)
	return c.TCPConn.SetDeadline(t)
}

func (c *Conn) keep(t time.Time) {
	if t.IsZero() {
		c.until.Store(0)
		return
	}
	c.until.Store(t.UnixNano())
}
