package websocketserver

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"durago.example/objects/internal/nesting"
	"durago.example/objects/websocket"
)

// Expires is when the session ends if no token refreshes it, zero if never. It is closed with websocket.CloseExpired by an
// alarm, at most websocket.ClockSkew later, or when it sends something after that.
func (m *Session) Expires() time.Time {
	if m.expires == 0 {
		return time.Time{}
	}
	return milliseconds(m.expires)
}

// TokenID is that of the join token by which the session is there, or empty.
func (m *Session) TokenID() string { return m.tokenID }

// ends is when a session is closed, in milliseconds since 1970, or 0.
func (m *Session) ends() int64 {
	if m.expires == 0 {
		return 0
	}
	return m.expires + websocket.ClockSkew.Milliseconds()
}

func (m *Session) expired(now int64) bool { return m.expires != 0 && m.ends() <= now }

// expire closes a session that may be resumed with another token.
func (s *Server) expire(ctx context.Context, m *Session) {
	s.shut(ctx, m, websocket.CloseExpired, "the join token has expired", false)
}

// tellExpiry tells a client how long it has, unless it has for ever.
func (s *Server) tellExpiry(ctx context.Context, m *Session) {
	if m.expires == 0 {
		return
	}
	b := []byte(`{"event":"` + websocket.TokenExpires + `","in_ms":`)
	s.emit(ctx, []*Session{m}, append(strconv.AppendInt(b, max(0, m.expires-s.now()), 10), '}'))
}

// armFor sets the alarm forward for a session that ends before anything else.
func (s *Server) armFor(ctx context.Context, m *Session) {
	if m.expires == 0 {
		return
	}
	at, ok, err := s.mux.Next(sweepAlarm)
	if err == nil && (!ok || m.ends() < at.UnixMilli()) {
		err = s.mux.At(ctx, sweepAlarm, milliseconds(m.ends()))
	}
	if err != nil { // it is closed when it says something
		s.state.Logf(ctx, "websocketserver: alarm for a token: %v", err)
	}
}

// refresh takes another token for a session, which then is what that says: what it may do, until when, and how it is called.
// The others see its metadata in the lists that they are sent from then on.
func (s *Server) refresh(ctx context.Context, from *Session, m websocket.Message) error {
	j, status, problem := s.checkToken(from, m)
	if status != 0 {
		n, _ := m.Number("n")
		b := errorFrame(status, problem, n)
		s.emit(ctx, []*Session{from}, append(b[:len(b)-1], `,"of":"`+websocket.TokenRefresh+`"}`...))
		return nil
	}
	from.Meta, _ = metaOf(j) // it was checked
	from.can, from.expires, from.tokenID = j.Capabilities, j.Expires.UnixMilli(), j.ID
	if !from.can.MayPublish(websocket.PresenceUpdate) {
		s.leavePresence(ctx, from)
	}
	if err := from.save(); err != nil {
		return fmt.Errorf("websocketserver: keep session: %w", err)
	}
	s.armFor(ctx, from)
	s.tellExpiry(ctx, from)
	return nil
}

// metaOf is the metadata as a session has it.
func metaOf(j websocket.JoinToken) (json.RawMessage, error) {
	if j.Meta == nil {
		return nil, nil
	}
	return json.Marshal(j.Meta) // of JSON it is the same, without spaces
}

// checkToken reads the token of a frame; status is 0 if it is for this session.
func (s *Server) checkToken(from *Session, m websocket.Message) (j websocket.JoinToken, status int, problem string) {
	text, ok := m.String("token")
	switch {
	case s.config.Tokens == nil:
		return j, http.StatusBadRequest, "This room takes no join tokens"
	case !ok:
		return j, http.StatusBadRequest, "token must be a join token"
	}
	j, err := s.config.Tokens.Check(text, s.config.Now())
	if err != nil {
		status, problem = websocket.TokenStatus(err)
		return j, status, problem
	}
	meta, err := metaOf(j)
	if err != nil {
		return j, http.StatusBadRequest, "The join token says what JSON cannot"
	}
	if j.Room != from.Room {
		return j, http.StatusForbidden, "The join token is for another room"
	}
	if s.config.User(&Session{ID: from.ID, Room: from.Room, Meta: meta}) != from.user {
		return j, http.StatusForbidden, "The join token is for another user"
	}
	if can, _ := json.Marshal(j.Capabilities); len(meta)+len(can) > websocket.MaxMeta || nesting.Of(meta) >= websocket.MaxDepth { // it would not fit the attachment
		return j, http.StatusBadRequest, "The join token says too much"
	}
	return j, 0, ""
}
