package durable

// Side is a program's side of a socket, as the connection sees it. Its methods may be called from any goroutine, one after
// another, and do not wait.
type Side interface {
	// Attach gives the side its connection, once; what was sent before leaves then.
	Attach(c Conn)
	// Refuse is called in place of Attach if nobody will connect.
	Refuse()
	// Message delivers a message of the other side. taken is called once it does not wait any more.
	Message(text bool, data []byte, taken func())
	// Gone says, once and last, that the other side has closed or vanished. end is called when nothing is sent any more.
	Gone(code int, reason string, clean bool, end func())
}

// Vanished is the reason of 1006, of a connection that ended without a closing handshake.
const Vanished = "WebSocket disconnected without sending Close frame."

// Side is the program's side of one of the object's hibernatable sockets.
func (o *Object) Side(s *Socket) Side { return hibernatable{o, s} }

type hibernatable struct {
	o *Object
	s *Socket
}

var _ Side = hibernatable{}

func (h hibernatable) Attach(c Conn) {
	if h.o.Do(func() {
		if h.o.broken != nil {
			c.Drop()
			return
		}
		h.o.Sockets.Attach(h.s, c)
	}) != nil {
		c.Drop()
	}
}

func (h hibernatable) Refuse() { _ = h.o.Do(func() { h.o.Sockets.Remove(h.s) }) }

func (h hibernatable) Message(text bool, data []byte, taken func()) {
	if h.o.Do(func() { h.o.Sockets.Message(h.s, text, data, taken) }) != nil {
		taken()
	}
}

func (h hibernatable) Gone(code int, reason string, clean bool, end func()) {
	if h.o.Do(func() { h.o.Sockets.Gone(h.s, code, reason, clean, end) }) != nil {
		end()
	}
}
