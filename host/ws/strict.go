package ws

import (
	"bufio"
	"net"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

// strict is the connection of a client whose frames are checked, as they are read, for the breaches of RFC 6455 and RFC 7692
// that gorilla lets pass: a close frame of one byte, a length that begins with a one or takes more bytes than it must, and a
// frame marked as deflated that is not the first of a message. What came before such a frame is still read.
type strict struct {
	net.Conn
	head []byte // of a frame, as much as has been read
	rest uint64 // bytes of the frame behind its head
	err  error

	closing sync.Mutex // held while a close frame is written, or one beside gorilla
	closes  bool       // a close frame was written
}

// Write writes what gorilla has made of a frame. It does so with its own close frame too, when the client breaks the protocol,
// beside what else is written; its deadline of a second then bounds that too.
func (s *strict) Write(b []byte) (int, error) {
	if len(b) > 0 && len(b) <= maxControl && b[0] == 0x80|websocket.CloseMessage { // no message begins so, nor is the middle of one that short
		s.closing.Lock()
		defer s.closing.Unlock()
		s.closes = true
	}
	return s.Conn.Write(b)
}

// writeWhole writes a frame that gorilla does not see. Nothing follows a close frame.
func (s *strict) writeWhole(frame []byte) error {
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.closes {
		return websocket.ErrCloseSent
	}
	_, err := s.Conn.Write(frame)
	return err
}

// maxControl is how long the frame of a control message is at most.
const maxControl = 2 + 125

func (s *strict) Read(b []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.Conn.Read(b)
	whole := s.check(b[:n])
	if s.err != nil {
		if whole == 0 {
			return 0, s.err
		}
		return whole, nil
	}
	return n, err
}

// check goes over what was read, and returns how much of it may be used.
func (s *strict) check(b []byte) int {
	for i := 0; i < len(b); {
		if s.rest > 0 {
			n := min(s.rest, uint64(len(b)-i))
			s.rest -= n
			i += int(n)
			continue
		}
		s.head = append(s.head, b[i])
		if s.err = s.breach(); s.err != nil {
			return max(0, i+1-len(s.head)) // less, if part of the head has been passed on: gorilla waits for its end
		}
		if len(s.head) >= 2 && len(s.head) == headSize(s.head[1]) {
			s.rest = length(s.head)
			s.head = s.head[:0]
		}
		i++
	}
	return len(b)
}

// headSize is how long the head of a frame is, whose second byte is given.
func headSize(second byte) int {
	n := 2
	switch second & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if second&0x80 != 0 {
		n += 4
	}
	return n
}

// length is what the head of a frame says of its payload.
func length(head []byte) (n uint64) {
	switch l := head[1] & 0x7f; l {
	case 126:
		head = head[2:4]
	case 127:
		head = head[2:10]
	default:
		return uint64(l)
	}
	for _, b := range head {
		n = n<<8 | uint64(b)
	}
	return n
}

func protocolError(reason string) error { return &breach{websocket.CloseProtocolError, reason} }

// breach tells what is wrong with a head, as soon as there is enough of it. See
// https://www.rfc-editor.org/rfc/rfc6455#section-5.2 and https://www.rfc-editor.org/rfc/rfc7692#section-6.1.
func (s *strict) breach() error {
	if len(s.head) < 3 {
		return nil
	}
	opcode, short := s.head[0]&0xf, s.head[1]&0x7f
	if short == 127 && s.head[2]&0x80 != 0 { // gorilla would take it for a limit of ours
		return protocolError("a length of 64 bits")
	}
	if len(s.head) < headSize(s.head[1]) {
		return nil
	}
	n := length(s.head)
	switch {
	case opcode == 8 && n == 1:
		return protocolError("a close frame of one byte")
	case short == 126 && n < 126, short == 127 && n <= 0xffff:
		return protocolError("a length in more bytes than it takes")
	case s.head[0]&0x40 != 0 && opcode != 1 && opcode != 2:
		return protocolError("RSV1 set on a frame that begins no message")
	}
	return nil
}

// strictly hands a strict connection to who takes one over.
type strictly struct{ http.ResponseWriter }

func (s strictly) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(s.ResponseWriter).Hijack()
	return &strict{Conn: c}, rw, err
}
