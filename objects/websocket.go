package objects

import (
	"errors"
	"net/http"
	"time"

	"durago.example/objects/driver"
)

// WebSocket is a hibernatable socket: it belongs to the runtime, and the object may leave memory under it. Two values
// may stand for one socket; compare with Is. See
// https://developers.cloudflare.com/durable-objects/best-practices/websockets/.
type WebSocket struct {
	scope  driver.Scope
	handle uint32
}

// Message is one message of a socket. Data belongs to the handler.
type Message struct {
	Data []byte
	Text bool
}

// Text makes a text message.
func Text(s string) Message { return Message{Data: []byte(s), Text: true} }

// CloseInfo says how a client closed. Code is 1005 if it gave none, 1006 if it vanished.
type CloseInfo struct {
	Code   int
	Reason string
	Clean  bool
}

// AcceptOptions go with a socket. There are at most 10 tags of at most 256 bytes.
type AcceptOptions struct {
	Tags     []string    // of a hibernatable socket only
	Protocol string      // the subprotocol that was chosen
	Header   http.Header // further headers of the 101 answer
}

// AcceptWebSocket answers r, an upgrade request, with a socket of the object. w is the handler's own or wraps it with
// an Unwrap method. After it nothing else is written to w.
func (s *State) AcceptWebSocket(w http.ResponseWriter, r *http.Request, o *AcceptOptions) (*WebSocket, error) {
	u, ok := unwrap[driver.Upgrader](w)
	if !ok {
		return nil, errors.New("objects: AcceptWebSocket needs the handler's own http.ResponseWriter, or one that unwraps to it")
	}
	if o == nil {
		o = &AcceptOptions{}
	}
	handle, err := u.Upgrade(o.Tags, o.header())
	if err != nil {
		return nil, err
	}
	return s.socket(handle), nil
}

// header is what the 101 answer has.
func (o *AcceptOptions) header() http.Header {
	h := o.Header.Clone()
	if o.Protocol != "" {
		if h == nil {
			h = http.Header{}
		}
		h.Set("Sec-WebSocket-Protocol", o.Protocol)
	}
	return h
}

// unwrap finds a T in w or in what it wraps.
func unwrap[T any](w http.ResponseWriter) (t T, ok bool) {
	for {
		if t, ok = w.(T); ok {
			return t, true
		}
		u, more := w.(interface{ Unwrap() http.ResponseWriter })
		if !more {
			return t, false
		}
		w = u.Unwrap()
	}
}

func (s *State) socket(handle uint32) *WebSocket { return &WebSocket{s.scope, handle} }

// WebSockets are the object's sockets, the newest first.
func (s *State) WebSockets() ([]*WebSocket, error) { return s.sockets(nil) }

// WebSocketsWithTag are the object's sockets with a tag, the oldest first.
func (s *State) WebSocketsWithTag(tag string) ([]*WebSocket, error) { return s.sockets(&tag) }

func (s *State) sockets(tag *string) ([]*WebSocket, error) {
	handles, err := s.scope.Sockets().List(tag)
	out := make([]*WebSocket, len(handles))
	values := make([]WebSocket, len(handles))
	for i, h := range handles {
		values[i] = WebSocket{s.scope, h}
		out[i] = &values[i]
	}
	return out, err
}

// Broadcast sends one message to many sockets of the object, in one call to the runtime. Sockets that are closed are
// passed over.
func (s *State) Broadcast(to []*WebSocket, m Message) error {
	handles := make([]uint32, len(to))
	for i, ws := range to {
		handles[i] = ws.handle
	}
	return s.scope.Sockets().Send(handles, m.Text, m.Data)
}

// SetAutoResponse has the runtime answer each text message equal to request with reply, without waking the object.
// Both are at most 2,048 bytes.
func (s *State) SetAutoResponse(request, reply string) error {
	return s.scope.Sockets().AutoResponse(request, reply, true)
}

// ClearAutoResponse undoes SetAutoResponse.
func (s *State) ClearAutoResponse() error { return s.scope.Sockets().AutoResponse("", "", false) }

// Is tells whether both stand for the same socket.
func (ws *WebSocket) Is(other *WebSocket) bool {
	return other != nil && ws.scope == other.scope && ws.handle == other.handle
}

// Send sends a message once the writes before it are on disk. It does not wait for the client.
func (ws *WebSocket) Send(m Message) error {
	return ws.scope.Sockets().Send([]uint32{ws.handle}, m.Text, m.Data)
}

// Close begins or ends the closing handshake. Code is 0 for none, or 1000 to 4999 without 1004, 1005, 1006 and 1015;
// reason is at most 123 bytes.
func (ws *WebSocket) Close(code int, reason string) error {
	return ws.scope.Sockets().Close(ws.handle, code, reason)
}

// Tags are the tags that the socket was accepted with.
func (ws *WebSocket) Tags() ([]string, error) { return ws.scope.Sockets().Tags(ws.handle) }

// SetAttachment keeps v with the socket, at most 16,384 bytes encoded; it outlives hibernation.
func (ws *WebSocket) SetAttachment(v any) error {
	b, err := encodeValue(v)
	if err != nil {
		return err
	}
	return ws.scope.Sockets().Attach(ws.handle, b)
}

// Attachment reads what SetAttachment kept into v, a pointer; ok is false if nothing was.
func (ws *WebSocket) Attachment(v any) (ok bool, err error) {
	b, ok, err := ws.scope.Sockets().Attachment(ws.handle)
	if ok && err == nil {
		err = decodeValue(b, v)
	}
	return ok, err
}

// LastAutoResponse is when the runtime last answered by itself on this socket.
func (ws *WebSocket) LastAutoResponse() (at time.Time, ok bool, err error) {
	return ws.scope.Sockets().Pinged(ws.handle)
}

// States of a socket.
const (
	Connecting = 0
	Open       = 1
	Closing    = 2
	Closed     = 3
)

// ReadyState is the socket's state.
func (ws *WebSocket) ReadyState() (int, error) { return ws.scope.Sockets().ReadyState(ws.handle) }
