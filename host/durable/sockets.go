package durable

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Conn is a socket's connection: package ws has the real one. Its methods do not wait.
type Conn interface {
	Send(text bool, data []byte)
	Close(code int, reason string)
	// Drop ends the connection without a closing handshake.
	Drop()
	// AutoRespond sets what is answered without waking the object, and the clock by which; a nil pair clears it.
	AutoRespond(pair *[2]string, now func() time.Time)
	// LastAutoResponse is when that last happened.
	LastAutoResponse() (time.Time, bool)
}

// Sharer is a Conn that can do work once for all to whom one message goes.
type Sharer interface {
	// SendShared is Send; all that get the message have the same Shared.
	SendShared(text bool, data []byte, s *Shared)
}

// Shared is what was made of a message for several connections. Any goroutine may use it.
type Shared struct {
	once sync.Once
	made any
}

// Made is what the first call's f returns.
func (s *Shared) Made(f func() any) any {
	s.once.Do(func() { s.made = f() })
	return s.made
}

// Socket is one hibernatable socket.
type Socket struct {
	ID         uint32
	Tags       []string
	Attachment []byte
	Conn       Conn // nil until the client has been answered
	sent       []func(Conn)
	state      int
}

// Ready states, as in the browser.
const (
	Open    = 1
	Closing = 2
	Closed  = 3
)

// State is the ready state.
func (s *Socket) State() int { return s.state }

// Sockets are an object's, in the order of acceptance. They outlive its stay in memory.
type Sockets struct {
	o    *Object
	list []*Socket
	byID map[uint32]*Socket
	last uint32
	auto atomic.Pointer[[2]string] // set by the loop, read by anyone
}

func newSockets(o *Object) *Sockets { return &Sockets{o: o, byID: map[uint32]*Socket{}} }

// MaxSockets is how many one object may have.
const MaxSockets = 32_768

// Len is how many there are.
func (k *Sockets) Len() int { return len(k.list) }

// Accept adds a socket; its connection comes with Attach.
func (k *Sockets) Accept(tags []string) (*Socket, error) {
	if len(k.list) >= MaxSockets {
		return nil, &Error{Name: "Error", Message: "only 32768 websockets can be accepted on a single Durable Object instance"}
	}
	var own []string
	for _, t := range tags {
		if len(own) >= 10 {
			return nil, &Error{Name: "Error", Message: "a Hibernatable WebSocket cannot have more than 10 tags"}
		}
		if len(t) > 256 {
			return nil, &Error{Name: "Error", Message: `"` + t + `" is longer than the max tag length (256 characters).`}
		}
		if !slices.Contains(own, t) {
			own = append(own, t)
		}
	}
	k.last++
	s := &Socket{ID: k.last, Tags: own, state: Open}
	k.list = append(k.list, s)
	k.o.ns.counts.Sockets.Add(1)
	k.byID[s.ID] = s
	return s, nil
}

// Attach gives a socket its connection, and sends what was sent before.
func (k *Sockets) Attach(s *Socket, c Conn) {
	s.Conn = c
	k.respond(c)
	for _, f := range s.sent {
		f(c)
	}
	s.sent = nil
}

// Get finds a socket by its number.
func (k *Sockets) Get(id uint32) (*Socket, error) {
	if s := k.byID[id]; s != nil {
		return s, nil
	}
	return nil, &Error{Name: "Error", Message: "this WebSocket is closed"}
}

// All are the sockets, newest first; WithTag those with a tag, oldest first.
func (k *Sockets) All() []*Socket {
	out := slices.Clone(k.list)
	slices.Reverse(out)
	return out
}

// WithTag are the sockets with a tag, oldest first.
func (k *Sockets) WithTag(tag string) []*Socket {
	var out []*Socket
	for _, s := range k.list {
		if slices.Contains(s.Tags, tag) {
			out = append(out, s)
		}
	}
	return out
}

func (s *Socket) with(f func(Conn)) {
	if s.Conn == nil {
		s.sent = append(s.sent, f)
		return
	}
	f(s.Conn)
}

// Send sends to those that are not closed now, once the writes before it are durable. It keeps to.
func (k *Sockets) Send(to []*Socket, text bool, data []byte) {
	to = slices.DeleteFunc(to, func(s *Socket) bool { return s.state == Closed })
	k.o.Output(func(err error) {
		if err != nil {
			return
		}
		send := func(c Conn) { c.Send(text, data) }
		if len(to) > 1 {
			shared := &Shared{}
			send = func(c Conn) {
				if c, ok := c.(Sharer); ok {
					c.SendShared(text, data, shared)
					return
				}
				c.Send(text, data)
			}
		}
		for _, s := range to {
			s.with(send)
		}
	})
}

var errSendAfterClose = &Error{Name: "TypeError", Message: "Can't call WebSocket send() after close()."}

// CheckSend tells whether a message may be sent.
func (s *Socket) CheckSend() error {
	if s.state != Open && s.closedByUs() {
		return errSendAfterClose
	}
	return nil
}

func (s *Socket) closedByUs() bool { return s.state == Closed }

// Close sends a close frame once the writes before it are durable.
func (k *Sockets) Close(s *Socket, code int, reason string) error {
	if err := checkClose(code, reason); err != nil {
		return err
	}
	if s.state == Closed {
		return nil
	}
	s.state = Closed
	k.o.Output(func(err error) {
		if err == nil {
			s.with(func(c Conn) { c.Close(code, reason) })
		}
	})
	return nil
}

// checkClose tells whether a close frame may say this; code 0 is none.
func checkClose(code int, reason string) error {
	if code != 0 && (code < 1000 || code > 4999 || code == 1004 || code == 1005 || code == 1006 || code == 1015) {
		return &Error{Name: "InvalidAccessError", Message: "Invalid WebSocket close code: " + itoa(code) + "."}
	}
	if code == 0 && reason != "" {
		return &Error{Name: "InvalidAccessError", Message: "If you specify a WebSocket close reason, you must also specify a code."}
	}
	if len(reason) > 123 {
		return &Error{Name: "SyntaxError", Message: "WebSocket close reason must not be longer than 123 bytes when UTF-8 encoded."}
	}
	return nil
}

func itoa(n int) string {
	if n == 0 {
		return "0"
	}
	var b []byte
	for ; n > 0; n /= 10 {
		b = append(b, byte('0'+n%10))
	}
	slices.Reverse(b)
	return string(b)
}

// SetAutoResponse sets what all sockets answer by themselves.
func (k *Sockets) SetAutoResponse(pair *[2]string) error {
	if pair != nil {
		for i, name := range [...][2]string{{"Request", "request"}, {"Response", "response"}} {
			if n := len(pair[i]); n > 2048 {
				return &Error{Name: "RangeError", Message: name[0] + " cannot be larger than 2048 bytes. A " + name[1] + " of size " + itoa(n) + " was provided."}
			}
		}
	}
	k.auto.Store(pair)
	for _, s := range k.list {
		s.with(k.respond)
	}
	return nil
}

// respond tells a connection what to answer by itself. It may be called from any goroutine.
func (k *Sockets) respond(c Conn) { c.AutoRespond(k.auto.Load(), k.o.ns.e.o.Clock.Now) }

// Remove forgets a socket; an object out of memory is forgotten with its last one. If that is because its guest has died, its
// database is open still, and would be open twice with the next object of its id: so it retires.
func (k *Sockets) Remove(s *Socket) {
	if k.byID[s.ID] != s {
		return
	}
	delete(k.byID, s.ID)
	k.o.ns.counts.Sockets.Add(-1)
	k.list = slices.DeleteFunc(k.list, func(x *Socket) bool { return x == s })
	s.state = Closed
	if len(k.list) == 0 && !k.o.started {
		k.o.settle()
	}
}

// drop ends all sockets without a handshake.
func (k *Sockets) drop() {
	for _, s := range k.list {
		s.state = Closed
		s.with(func(c Conn) { c.Drop() })
	}
	k.o.ns.counts.Sockets.Add(-int64(len(k.list)))
	k.list, k.byID = nil, map[uint32]*Socket{}
}

// Message delivers a message of the client. done is called once it does not wait for the object any more, so that the
// reader can be held back: nothing else bounds what a socket sends to an object that is busy.
func (k *Sockets) Message(s *Socket, text bool, data []byte, done func()) {
	if k.byID[s.ID] != s {
		done()
		return
	}
	k.o.Deliver(&Event{Payload: SocketMessage{s.ID, text, data}, Size: len(data), patient: true, taken: done, Done: func(_ any, err error) {
		if err != nil && err != errClosed && k.o.broken == nil {
			k.o.ns.e.o.Log(k.o, "webSocketMessage: "+err.Error())
		}
	}})
}

// Gone delivers that the client closed or vanished. When the handler has returned and what it sent is durable, the
// socket is forgotten and end is called.
func (k *Sockets) Gone(s *Socket, code int, reason string, clean bool, end func()) {
	if k.byID[s.ID] != s {
		end()
		return
	}
	if s.state == Open {
		s.state = Closing
	}
	k.o.Deliver(&Event{Payload: SocketClosed{s.ID, code, reason, clean}, patient: true, Done: func(_ any, err error) {
		if err != nil && err != errClosed && k.o.broken == nil {
			k.o.ns.e.o.Log(k.o, "webSocketClose: "+err.Error())
		}
		k.o.Output(func(error) {
			k.Remove(s)
			end()
		})
	}})
}
