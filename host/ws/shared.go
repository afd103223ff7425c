package ws

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// shared is a message that goes to several connections, as it goes over the wire. Each form is made when it is first needed.
type shared struct {
	kind int
	data []byte

	framing   sync.Once
	frame     []byte
	deflating sync.Once
	prepared  *websocket.PreparedMessage
}

// maxWhole bounds what is framed once for all, in bytes. The frame is a copy beside the message for as long as that waits for
// somebody, and the larger it is the less there is to gain.
const maxWhole = 4 << 10

// plain is its frame to those that have not agreed to have it deflated.
func (m *shared) plain() []byte {
	m.framing.Do(func() {
		m.frame = append(appendHead(make([]byte, 0, headSize(126)+len(m.data)), m.kind, len(m.data)), m.data...)
	})
	return m.frame
}

// deflated is its frame to those that have; nil if there is none.
func (m *shared) deflated() *websocket.PreparedMessage {
	m.deflating.Do(func() { m.prepared, _ = websocket.NewPreparedMessage(m.kind, m.data) })
	return m.prepared
}

// appendHead appends the head of a frame that is a whole message of n bytes, at most maxWhole, from a server. See
// https://www.rfc-editor.org/rfc/rfc6455#section-5.2.
func appendHead(b []byte, kind, n int) []byte {
	b = append(b, 0x80|byte(kind))
	if n < 126 {
		return append(b, byte(n))
	}
	return binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
}

// writeWhole writes a frame as it is. Gorilla would make the same of it, and set a deadline before each, which takes longer than
// all else but the system call; here it is set again when it is late by a sixteenth.
func (c *Conn) writeWhole(frame []byte, now time.Time) error {
	if now.Sub(c.limited) > writeLimit/16 {
		c.limited = now
		if err := c.whole.SetWriteDeadline(now.Add(writeLimit)); err != nil {
			return err
		}
	}
	return c.whole.writeWhole(frame)
}
