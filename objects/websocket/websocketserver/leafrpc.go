package websocketserver

import (
	"bytes"
	"context"
	"net/http"
	"net/url"

	"durago.example/objects"
	"durago.example/objects/websocket"
)

var errNothing = refused(websocket.InvalidMessage, "this method is for a room and its leaves: it takes one object")

// speaker is the leaf that calls, or nil if the room does not know it, or has given it up.
func (s *Server) speaker(from leafRef) *branch {
	b := s.tree.byLeaf[from.Leaf]
	if b == nil || b.lost != 0 {
		return nil
	}
	b.speaks(from.Instance)
	return b
}

// leafJoin lets a client in whose upgrade a leaf has got, as ServeHTTP does.
func (s *Server) leafJoin(ctx context.Context, client *joining) (*joined, error) {
	if client == nil {
		return nil, errNothing
	}
	b := s.speaker(client.Leaf)
	w := &joiner{header: http.Header{}, branch: b, conn: client.Conn}
	at, err := url.Parse(client.URL)
	switch {
	case err != nil:
		websocket.WriteError(w, http.StatusBadRequest, "Invalid URL")
	case b == nil:
		websocket.WriteError(w, http.StatusServiceUnavailable, "WebSocket not available")
	default:
		b.reserved = arrived(b.reserved)
		r := &http.Request{Method: http.MethodGet, URL: at, Host: at.Host, Header: client.Header}
		s.ServeHTTP(w, r.WithContext(ctx))
	}
	out := &joined{Room: s.tree.instance, Status: int64(w.status), Header: w.header, Body: w.body.Bytes()}
	if w.socket != nil {
		out.Status, out.Protocol, out.Kept, out.Version = http.StatusSwitchingProtocols, w.protocol, w.socket.kept, w.socket.version
		w.socket.told = out.Version
	}
	return out, nil
}

// joiner is the http.ResponseWriter of a client on a leaf.
type joiner struct {
	branch   *branch
	conn     string
	socket   *remote // once it was accepted
	protocol string
	header   http.Header
	status   int
	body     bytes.Buffer
}

var _ http.ResponseWriter = (*joiner)(nil)

func (j *joiner) Header() http.Header  { return j.header }
func (j *joiner) WriteHeader(code int) { j.status = code }

func (j *joiner) Write(b []byte) (int, error) {
	if j.status == 0 {
		j.status = http.StatusOK
	}
	return j.body.Write(b)
}

// speaking is the session of a leaf's connection, or nil.
func (s *Server) speaking(in *said) *Session {
	if b := s.speaker(in.Leaf); b != nil {
		return s.at(b, in.Conn)
	}
	return nil
}

// leafMessage takes a frame of a client on a leaf.
func (s *Server) leafMessage(ctx context.Context, in *said) (*heard, error) {
	if in == nil {
		return nil, errNothing
	}
	out := &heard{Room: s.tree.instance}
	from := s.speaking(in)
	if from == nil {
		return out, nil
	}
	if err := s.receive(ctx, from, objects.Message{Data: in.Data, Text: in.Text}); err != nil {
		s.state.Logf(ctx, "%v", err) // as the runtime does with a socket of the room's own
	}
	out.Known = true
	if r := from.ws.(*remote); r.version > r.told {
		out.Kept, out.Version, r.told = r.kept, r.version, r.version
	}
	return out, nil
}

// leafClose has a session leave whose socket a leaf has no more.
func (s *Server) leafClose(ctx context.Context, in *said) (*heard, error) {
	if in == nil {
		return nil, errNothing
	}
	if m := s.speaking(in); m != nil {
		m.ws.(*remote).closed = true
		s.closed(ctx, m, int(in.Code))
	}
	return &heard{Room: s.tree.instance}, nil
}

// leafCheck tells a leaf that has heard nothing for long which of its connections the room does not know.
func (s *Server) leafCheck(_ context.Context, in *checked) (*checked, error) {
	if in == nil {
		return nil, errNothing
	}
	b := s.speaker(in.Leaf)
	out := &checked{Leaf: in.Leaf, Conns: []string{}}
	for _, conn := range in.Conns {
		if b == nil || s.at(b, conn) == nil {
			out.Conns = append(out.Conns, conn)
		}
	}
	return out, nil
}
