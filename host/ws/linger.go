package ws

import (
	"io"
	"net"
	"time"
)

// lingerLimit is how long what a client still sends is read, and forgotten, after the close frame that says what it did wrong:
// a connection that is closed before is reset, and the client may never see the frame.
const lingerLimit = 5 * time.Second

// half is a connection that can be ended in one direction.
type half interface{ CloseWrite() error }

// network is the connection below, of which nothing is checked.
func (c *Conn) network() net.Conn {
	n := c.c.NetConn()
	if s, ok := n.(*strict); ok {
		return s.Conn
	}
	return n
}

// shut ends what is written. It closes the connection too, unless that lingers, or Drop has.
func (c *Conn) shut() {
	c.mu.Lock()
	lingers := c.lingers
	c.mu.Unlock()
	if h, ok := c.network().(half); lingers && ok {
		_ = h.CloseWrite()
		return
	}
	_ = c.c.Close()
}

// linger reads until the client ends, or for lingerLimit, and closes the connection.
func (c *Conn) linger() {
	n := c.network()
	_ = n.SetReadDeadline(time.Now().Add(lingerLimit))
	_, _ = io.Copy(io.Discard, n)
	_ = n.Close()
}
