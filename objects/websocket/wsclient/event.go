//go:build !js

package wsclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Event is what Next returns: an Opened, a Dropped, a Gap, a Frame or a Binary.
type Event interface{ event() }

// Opened says that there is a connection: the first, or another after a Dropped.
type Opened struct {
	ID      string // of the session; empty in a room that keeps none
	Resumed bool   // it is the session of before: nothing is missing
	Seq     int64  // the number of the room's last message
}

// Dropped says that the connection has broken. The client connects again after Pause.
type Dropped struct {
	Err   error
	Pause time.Duration
}

// Gap says that the messages from From to To, both included, may have been missed, and cannot be had any more.
type Gap struct{ From, To int64 }

// Frame is what the room has sent.
type Frame struct {
	Event string
	Seq   int64           // its number in the room's log, 0 if it has none
	Text  json.RawMessage // the whole frame, the receiver's
}

// Decode reads the frame into v, a pointer.
func (f Frame) Decode(v any) error { return json.Unmarshal(f.Text, v) }

// As reads a frame as a T.
func As[T any](f Frame) (v T, err error) {
	return v, f.Decode(&v)
}

// Binary is a binary message. Rooms keep none: it may be lost with a connection.
type Binary struct{ Data []byte }

func (Opened) event()  {}
func (Dropped) event() {}
func (Gap) event()     {}
func (Frame) event()   {}
func (Binary) event()  {}

// Errors of a client.
var (
	ErrClosed = errors.New("wsclient: the client is closed")
	// ErrLost is the error of a message that was sent in a session that could not be resumed: handled or not.
	ErrLost = errors.New("wsclient: the session was lost: the message may have been handled")
	ErrFull = errors.New("wsclient: too many messages wait to be acknowledged")
	// ErrPlain is Post's in a room that keeps no sessions.
	ErrPlain = errors.New("wsclient: the room acknowledges nothing: use Signal")
	// ErrDown is Signal's while there is no connection.
	ErrDown = errors.New("wsclient: there is no connection")
	// ErrNoRoom is Dial's at a WebSocket that does not begin as a room does.
	ErrNoRoom = errors.New("wsclient: there is a WebSocket, but no room: it did not begin with session:open or session:list")
)

// Refused is the error of a message that the room has refused: it was not handled.
type Refused struct {
	Status  int // as of HTTP
	Message string
}

func (r *Refused) Error() string {
	return fmt.Sprintf("wsclient: refused with %d: %s", r.Status, r.Message)
}

// StatusError is Dial's at a server that lets the client in no room.
type StatusError struct {
	Status int
	Body   string // its first 1,024 bytes
	retry  time.Duration
}

func (s *StatusError) Error() string {
	return fmt.Sprintf("wsclient: no upgrade to WebSocket: status %d %s: %s", s.Status, http.StatusText(s.Status), s.Body)
}

// Ended is the error of a client that the room does not want back.
type Ended struct {
	Code   int // 4001 if another connection has resumed the session, 4003 if it was removed
	Reason string
}

func (e *Ended) Error() string {
	return fmt.Sprintf("wsclient: the room has ended the session: %d %s", e.Code, e.Reason)
}
