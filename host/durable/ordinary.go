package durable

// Ordinary is a socket that its program reads, and that lasts no longer than who has it: an object's stay in memory, or a
// request. It belongs to a loop, as Object does, but for the methods of Side.
type Ordinary struct {
	o    OrdinaryOptions
	conn Conn         // nil until the other side is known
	sent []func(Conn) // before that

	unread []Received
	bytes  int            // of them
	ended  *SocketClosed  // what comes after them
	wait   func(Received) // who waits for the next
	closed bool           // we have, or are not there any more
	over   bool           // the other side has: nothing comes
	lost   bool           // nobody will read what comes
}

// OrdinaryOptions say whose a socket is.
type OrdinaryOptions struct {
	Do     func(f func()) error // runs f on the loop
	Output func(f func(error))  // runs f, on the loop, once what was written before is durable
	Ended  func()               // is called once, on the loop, when nothing comes any more
}

// Received is a message or, if Closed is set, the end.
type Received struct {
	Text   bool
	Data   []byte
	Closed *SocketClosed
	taken  func()
}

var _ Side = (*Ordinary)(nil)

// NewOrdinary makes a socket; its connection comes with Attach.
func NewOrdinary(o OrdinaryOptions) *Ordinary { return &Ordinary{o: o} }

// State is the ready state.
func (s *Ordinary) State() int {
	switch {
	case s.over:
		return Closed
	case s.closed:
		return Closing
	}
	return Open
}

// Receive has f called, once, with what comes next, in the order of the other side; the end again and again. There is one
// Receive at a time.
func (s *Ordinary) Receive(f func(Received)) {
	s.wait = f
	s.flow()
}

func (s *Ordinary) flow() {
	if s.wait == nil {
		return
	}
	r := Received{Closed: s.ended}
	if len(s.unread) > 0 {
		r = s.unread[0]
		s.unread[0] = Received{}
		s.unread = s.unread[1:]
		s.bytes -= len(r.Data) + frameCost
		r.taken()
	} else if s.ended == nil {
		return
	}
	f := s.wait
	s.wait = nil
	f(r)
}

// Send sends a message once what was written before is durable. One to a side that has vanished is dropped.
func (s *Ordinary) Send(text bool, data []byte) error {
	if s.closed {
		return errSendAfterClose
	}
	s.leave(func(c Conn) { c.Send(text, data) })
	return nil
}

// Close sends a close frame once what was written before is durable.
func (s *Ordinary) Close(code int, reason string) error {
	if err := checkClose(code, reason); err != nil {
		return err
	}
	if s.closed {
		return nil
	}
	s.closed = true
	for i := range s.unread { // the answer must not wait behind what nobody may read any more
		s.unread[i].taken()
		s.unread[i].taken = func() {}
	}
	s.leave(func(c Conn) { c.Close(code, reason) })
	return nil
}

// Forget says that nobody will read what comes.
func (s *Ordinary) Forget() {
	s.lost = true
	for _, r := range s.unread {
		r.taken()
	}
	s.unread, s.bytes, s.wait = nil, 0, nil
}

// Lost tells whether nobody will read what comes.
func (s *Ordinary) Lost() bool { return s.lost }

// Drop ends the socket without a closing handshake: who had it is gone.
func (s *Ordinary) Drop() {
	s.Forget()
	s.closed = true
	if !s.over { // else the connection ends once the answer has left
		s.with(func(c Conn) { c.Drop() })
	}
	s.finish()
}

func (s *Ordinary) finish() {
	if !s.over {
		s.over = true
		s.o.Ended()
	}
}

// leave has f called with the connection when what was written before is durable.
func (s *Ordinary) leave(f func(Conn)) {
	s.o.Output(func(err error) {
		if err == nil {
			s.with(f)
		}
	})
}

func (s *Ordinary) with(f func(Conn)) {
	if s.conn == nil {
		s.sent = append(s.sent, f)
		return
	}
	f(s.conn)
}

func (s *Ordinary) Attach(c Conn) {
	if s.o.Do(func() {
		s.conn = c
		for _, f := range s.sent {
			f(c)
		}
		s.sent = nil
	}) != nil {
		c.Drop()
	}
}

func (s *Ordinary) Refuse() { s.Gone(1006, Vanished, false, func() {}) }

func (s *Ordinary) Message(text bool, data []byte, taken func()) {
	if s.o.Do(func() { s.message(Received{Text: text, Data: data, taken: taken}) }) != nil {
		taken()
	}
}

func (s *Ordinary) message(r Received) {
	switch {
	case s.over || s.lost:
		r.taken()
		return
	case s.closed:
		r.taken()
		r.taken = func() {}
		if s.bytes > MaxUnread {
			s.conn.Drop()
			return
		}
	}
	s.unread = append(s.unread, r)
	s.bytes += len(r.Data) + frameCost
	s.flow()
}

func (s *Ordinary) Gone(code int, reason string, clean bool, end func()) {
	if s.o.Do(func() { s.gone(SocketClosed{Code: code, Reason: reason, Clean: clean}, end) }) != nil {
		end()
	}
}

// gone answers a close at once, as the platform does for such sockets.
func (s *Ordinary) gone(c SocketClosed, end func()) {
	if s.over {
		end()
		return
	}
	if c.Clean && !s.closed {
		s.closed = true
		code := c.Code
		if code == 1005 {
			code = 0
		}
		s.leave(func(conn Conn) { conn.Close(code, c.Reason) })
	}
	s.o.Output(func(error) { end() })
	s.ended = &c
	s.flow()
	s.finish()
}
