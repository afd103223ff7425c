package websocketserver

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"durago.example/objects"
	"durago.example/objects/internal/nesting"
	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver/recovery"
)

// ServeHTTP lets a client in whom websocket.Handler has let through: 101, or 404 if it asks for no WebSocket, 400 if its
// metadata is malformed, 403 if its user is banned, 429 if its user is there too often, 503 if the room is full.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d := doorOf(r)
	if d != nil && d.Name != websocket.DoorListen {
		s.serveDoor(w, r, d)
		return
	}
	if !websocket.IsUpgrade(r) {
		websocket.WriteError(w, http.StatusNotFound, "Not found")
		return
	}
	m, ok := s.newSession(r)
	if !ok {
		websocket.WriteError(w, http.StatusBadRequest, "Invalid session metadata")
		return
	}
	if s.keepsOut(w, r, m) {
		return
	}
	if len(s.members.byConn) >= s.config.MaxSessions {
		w.Header().Set("Retry-After", "10")
		websocket.WriteError(w, http.StatusServiceUnavailable, "Room is full")
		return
	}
	if s.connections(m.user) >= s.config.MaxOfUser {
		w.Header().Set("Retry-After", "10")
		websocket.WriteError(w, http.StatusTooManyRequests, "Too many connections of one user")
		return
	}
	if d != nil {
		if s.log == nil {
			noLog(w)
			return
		}
		m.listening, m.recoverable = &listening{events: d.Events}, false
	}
	if err := s.accept(w, r, m); err != nil {
		s.state.Logf(r.Context(), "websocketserver: accept: %v", err)
		websocket.WriteError(w, http.StatusBadRequest, "Cannot upgrade")
		return
	}
	if err := m.save(); err != nil {
		s.state.Logf(r.Context(), "websocketserver: keep session: %v", err)
		_ = m.ws.Close(1011, "Invalid session state")
		return
	}
	s.members.byConn[m.conn] = m
	switch {
	case m.listening != nil:
		if err := s.listen(r.Context(), m, d); err != nil {
			s.state.Logf(r.Context(), "websocketserver: listen: %v", err)
			s.shut(r.Context(), m, 1011, "cannot read the log", false)
		}
	case !m.recoverable:
		s.enter(r.Context(), m, nil)
	}
	s.arm(r.Context())
	s.armFor(r.Context(), m)
}

// connections are those of a user, also the ones that have opened no session. Nobody has none.
func (s *Server) connections(user string) (n int) {
	if user == "" {
		return 0
	}
	for _, m := range s.members.byConn {
		if m.user == user {
			n++
		}
	}
	return n
}

// newSession is a client's, with full buckets; ok is false if its metadata is malformed.
func (s *Server) newSession(r *http.Request) (m *Session, ok bool) {
	now := s.now()
	m = &Session{ID: recovery.NewID(), conn: recovery.NewID(), heard: now, since: now, standard: s.standard.full(now), ephemeral: s.ephemeral.full(now)}
	if text := r.Header.Get(websocket.MetaHeader); text != "" {
		var given struct {
			Room         string                  `json:"room"`
			Meta         json.RawMessage         `json:"meta"`
			Capabilities *websocket.Capabilities `json:"capabilities"`
			Expires      int64                   `json:"expires"`
			TokenID      string                  `json:"token_id"`
		}
		if len(text) > websocket.MaxMeta || nesting.Of([]byte(text)) > websocket.MaxDepth || json.Unmarshal([]byte(text), &given) != nil {
			return nil, false
		}
		m.Room, m.can, m.expires, m.tokenID = given.Room, given.Capabilities, given.Expires, given.TokenID
		if !bytes.Equal(given.Meta, []byte("null")) {
			m.Meta = given.Meta
		}
	}
	m.user = s.config.User(m)
	m.recoverable = s.config.Recovery != nil && offers(r, websocket.Recoverable)
	return m, true
}

// offers tells whether a client offers a subprotocol.
func offers(r *http.Request, protocol string) bool {
	for _, p := range strings.Split(strings.Join(r.Header.Values("Sec-WebSocket-Protocol"), ","), ",") {
		if strings.TrimSpace(p) == protocol {
			return true
		}
	}
	return false
}

// enter has a session join: it is told who is there, the others that it has come. then, if set, runs between, when it has
// its list.
func (s *Server) enter(ctx context.Context, m *Session, then func()) {
	others := s.Sessions()
	first := s.members.add(m)
	s.emit(ctx, []*Session{m}, s.listFrame(m))
	s.tellExpiry(ctx, m)
	if then != nil {
		then()
	}
	others = watchers(others)
	s.emit(ctx, others, s.sessionFrame(websocket.SessionConnected, m))
	if first {
		s.emit(ctx, recoverables(others), s.userFrame(websocket.UserJoined, m))
	}
	s.hook(ctx, "OnConnect", s.config.OnConnect, m)
}

// leave has a connection go. The others are told if it was in the room.
func (s *Server) leave(ctx context.Context, m *Session) {
	m.discard()
	s.unlisten(m)
	was, last := s.members.remove(m)
	if !was {
		return
	}
	others := watchers(s.members.list)
	s.emit(ctx, others, s.sessionFrame(websocket.SessionDisconnected, m))
	if last {
		s.emit(ctx, recoverables(others), s.userFrame(websocket.UserLeft, m))
	}
	s.leavePresence(ctx, m)
	s.hook(ctx, "OnDisconnect", s.config.OnDisconnect, m)
}

func recoverables(list []*Session) (out []*Session) {
	for _, m := range list {
		if m.recoverable {
			out = append(out, m)
		}
	}
	return out
}

// WebSocketClose has a session leave, and ends the handshake.
func (s *Server) WebSocketClose(ctx context.Context, ws *objects.WebSocket, c objects.CloseInfo) error {
	answerClose(ws, c)
	if m := s.find(ws); m != nil {
		s.closed(ctx, m, c.Code)
	}
	return nil
}

// answerClose ends the closing handshake.
func answerClose(ws *objects.WebSocket, c objects.CloseInfo) {
	switch c.Code {
	case 1006: // nobody is left to answer
	case 1005: // it gave no code
		_ = ws.Close(1000, "")
	default:
		_ = ws.Close(c.Code, "") // which fails if the runtime has answered already
	}
}

// closed has a session leave whose client has closed.
func (s *Server) closed(ctx context.Context, m *Session, code int) {
	if code == 1000 {
		s.endRecovery(ctx, m) // it means to go
	} else {
		s.suspend(ctx, m)
	}
	s.leave(ctx, m)
}

// WebSocketError has a session leave whose connection broke.
func (s *Server) WebSocketError(ctx context.Context, ws *objects.WebSocket, _ error) error {
	if m := s.find(ws); m != nil {
		s.suspend(ctx, m)
		s.leave(ctx, m)
	}
	return nil
}

// shut closes a session's socket, and has it leave. end is false if it may be resumed.
func (s *Server) shut(ctx context.Context, m *Session, code int, reason string, end bool) {
	_ = m.ws.Close(code, reason) // it may be dead
	if end {
		s.endRecovery(ctx, m)
	} else {
		s.suspend(ctx, m)
	}
	s.leave(ctx, m)
}

// find is the connection of a socket, or nil if it has been forgotten.
func (s *Server) find(ws *objects.WebSocket) *Session {
	tags, err := ws.Tags()
	if err != nil || len(tags) == 0 {
		return nil
	}
	return s.members.byConn[tags[0]]
}
