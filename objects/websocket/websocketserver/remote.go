package websocketserver

import (
	"errors"
	"net/http"
	"time"

	"durago.example/objects"
	"durago.example/objects/websocket"
	"durago.example/wasm/value"
)

// wire is a session's socket: an *objects.WebSocket of the room, or a leaf's.
type wire interface {
	Send(m objects.Message) error
	Close(code int, reason string) error
	SetAttachment(v any) error
	LastAutoResponse() (at time.Time, ok bool, err error)
}

var (
	_ wire = (*objects.WebSocket)(nil)
	_ wire = (*remote)(nil)
)

// remote is a socket that a leaf has. What is done to it waits in the leaf's queue.
type remote struct {
	s       *Server
	branch  *branch
	conn    string
	kept    []byte // the attachment
	version int64  // counts attachments
	told    int64  // the last that the leaf was told
	pinged  int64  // as far as the room knows
	closed  bool
}

var errClosed = errors.New("websocketserver: the connection is closed")

func (r *remote) Send(m objects.Message) error {
	if r.closed {
		return errClosed
	}
	r.s.push(r.branch, command{to: []*remote{r}, frame: m.Data, binary: !m.Text})
	return nil
}

func (r *remote) Close(code int, reason string) error {
	if r.closed {
		return errClosed
	}
	r.closed = true
	r.s.mark(r.branch)
	r.s.push(r.branch, command{to: []*remote{r}, code: code, reason: reason})
	return nil
}

// SetAttachment has the leaf keep v. The leaf is told in the answer to its client's frame: nothing else changes what a
// session is.
func (r *remote) SetAttachment(v any) error {
	b, err := value.Marshal(nil, v)
	if err != nil {
		return err
	}
	r.kept = b
	r.version++
	return nil
}

func (r *remote) LastAutoResponse() (at time.Time, ok bool, err error) {
	return milliseconds(r.pinged), r.pinged > 0, nil
}

// accept answers an upgrade with a socket, of the room or of the leaf that asks.
func (s *Server) accept(w http.ResponseWriter, r *http.Request, m *Session) (err error) {
	if j, ok := w.(*joiner); ok {
		m.conn = j.conn
		j.socket = &remote{s: s, branch: j.branch, conn: j.conn}
		m.ws, j.branch.count = j.socket, j.branch.count+1
		j.protocol = protocolOf(r, m)
		return nil
	}
	s.tree.here = arrived(s.tree.here)
	o := &objects.AcceptOptions{Tags: []string{m.conn}, Protocol: protocolOf(r, m)}
	ws, err := s.state.AcceptWebSocket(w, r, o)
	if err == nil {
		m.ws = ws
	}
	return err
}

// protocolOf is the subprotocol that a client is answered with.
func protocolOf(r *http.Request, m *Session) string {
	switch {
	case m.recoverable:
		return websocket.Recoverable
	case offers(r, websocket.Plain):
		return websocket.Plain
	}
	return ""
}

// fan queues a frame for the leaves among the recipients, once for each, and returns the room's own sockets.
func (s *Server) fan(to []*Session, frame objects.Message) []*objects.WebSocket {
	own := make([]*objects.WebSocket, 0, len(to))
	var out []*branch
	for _, m := range to {
		switch ws := m.ws.(type) {
		case *objects.WebSocket:
			own = append(own, ws)
		case *remote:
			if ws.closed {
				continue
			}
			if len(ws.branch.list) == 0 {
				out = append(out, ws.branch)
			}
			ws.branch.list = append(ws.branch.list, ws)
		}
	}
	for _, b := range out {
		list := b.list
		b.list = nil
		s.push(b, command{to: list, frame: frame.Data, binary: !frame.Text})
	}
	return own
}
