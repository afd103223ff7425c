package websocketserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"unicode/utf8"

	"durago.example/objects"
	"durago.example/objects/websocket"
)

// WebSocketMessage takes a client's frame.
func (s *Server) WebSocketMessage(ctx context.Context, ws *objects.WebSocket, in objects.Message) error {
	from := s.find(ws)
	if from == nil {
		return nil // of a socket that is being closed
	}
	return s.receive(ctx, from, in)
}

func (s *Server) receive(ctx context.Context, from *Session, in objects.Message) error {
	now := s.now()
	if from.expired(now) {
		s.expire(ctx, from)
		return nil
	}
	if from.listening != nil {
		return s.listenerSays(ctx, from, in)
	}
	if !in.Text && s.config.OnBinary != nil {
		return s.receiveBinary(ctx, from, in.Data)
	}
	m, status, problem := s.read(from, in)
	kind := &from.standard
	limit := s.standard
	if status == 0 && (s.config.ephemeral(m.Event) || from.recoverable && m.Event == websocket.SessionAck) {
		kind, limit = &from.ephemeral, s.ephemeral
	}
	from.heard = now
	if !kind.take(limit, now) {
		status, problem = http.StatusTooManyRequests, "Too many messages. Please slow down."
	}
	if err := from.save(); err != nil {
		return fmt.Errorf("websocketserver: keep session: %w", err)
	}
	if status != 0 {
		n, _ := m.Number("n")
		s.emit(ctx, []*Session{from}, errorFrame(status, problem, n))
		return nil
	}
	return s.dispatch(ctx, from, m)
}

// read parses a frame; status is 0 if it is sound.
func (s *Server) read(from *Session, in objects.Message) (m websocket.Message, status int, problem string) {
	if !in.Text {
		return m, http.StatusBadRequest, "Binary messages are not supported"
	}
	if s.tooLong(in.Data) {
		return m, http.StatusRequestEntityTooLarge, fmt.Sprintf("Message too large (max %d bytes)", s.config.MaxMessage)
	}
	m, err := websocket.ParseMessage(in.Data)
	switch {
	case errors.Is(err, websocket.ErrParse):
		return m, http.StatusBadRequest, "Could not parse message"
	case errors.Is(err, websocket.ErrDeep):
		return m, http.StatusBadRequest, fmt.Sprintf("Message nested too deep (max %d)", websocket.MaxDepth)
	case err != nil:
		return m, http.StatusBadRequest, "Message missing event field"
	case s.reserved(from, m.Event):
		return m, http.StatusForbidden, "This event is the room's own"
	case s.log != nil && s.config.ephemeral(m.Event) && m.Has("seq") && !(from.recoverable && m.Event == websocket.SessionAck):
		return m, http.StatusBadRequest, "seq is the room's own"
	case s.config.Presence && from.recoverable && m.Has("n") && relays(m.Event) && from.can.MayPublish(m.Event): // it would go to the handler, past the rules of presence
		return m, http.StatusBadRequest, "Presence has no number n"
	}
	return m, 0, ""
}

// reserved tells whether an event is one that clients believe the room alone, so that a handler that passes on whatever comes
// passes on no forged one. The same goes for the number of a message that is in no log, and so gets none of the room.
func (s *Server) reserved(from *Session, event string) bool {
	switch event {
	case websocket.SessionList, websocket.SessionConnected, websocket.SessionDisconnected, websocket.Error:
		return true
	case websocket.PresenceSnapshot:
		return s.config.Presence
	case websocket.SessionGap, websocket.MessageAck, websocket.History, websocket.PresenceAgain, websocket.UserJoined, websocket.UserLeft,
		websocket.TokenExpires:
		return s.config.Recovery != nil
	case websocket.SessionOpen:
		return s.config.Recovery != nil && !from.recoverable
	}
	return false
}

// tooLong counts as JavaScript does: a character above U+FFFF is two.
func (s *Server) tooLong(text []byte) bool {
	if len(text) <= s.config.MaxMessage {
		return false
	}
	units := 0
	for len(text) > 0 && units <= s.config.MaxMessage {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		units++
		if r > 0xFFFF {
			units++
		}
	}
	return units > s.config.MaxMessage
}

// dispatch takes a sound frame to whom it is for.
func (s *Server) dispatch(ctx context.Context, from *Session, m websocket.Message) error {
	if m.Event == "ping" { // one that is not written as PingFrame is
		s.emit(ctx, []*Session{from}, []byte(websocket.PongFrame))
		return nil
	}
	if m.Event == websocket.TokenRefresh && (from.open || !from.recoverable) {
		return s.refresh(ctx, from, m)
	}
	if from.recoverable {
		if done, err := s.recover(ctx, from, m); done || err != nil {
			return err
		}
	}
	if s.config.Presence && from.can.MayPublish(m.Event) {
		if s.relay(ctx, from, m) {
			return nil
		}
	}
	reply, err := s.handle(ctx, from, m)
	if err != nil {
		s.refuse(ctx, from, "OnMessage", err, 0)
		return nil
	}
	return s.reply(ctx, from, reply)
}

func (s *Server) handle(ctx context.Context, from *Session, m websocket.Message) (reply any, err error) {
	if err := from.permit(m.Event); err != nil || s.config.OnMessage == nil {
		return nil, err
	}
	return s.config.OnMessage(ctx, s, from, m)
}

func (s *Server) reply(ctx context.Context, to *Session, reply any) error {
	if reply == nil {
		return nil
	}
	_, err := s.SendTo(ctx, to, reply)
	return err
}

// refuse answers what a hook has refused, or failed at, which is not the client's to read.
func (s *Server) refuse(ctx context.Context, from *Session, hook string, err error, n int64) {
	var r *Refusal
	if errors.As(err, &r) {
		s.emit(ctx, []*Session{from}, errorFrame(r.Status, r.Message, n))
		return
	}
	s.state.Logf(ctx, "websocketserver: %s of session %s: %v", hook, from.ID, err)
	s.emit(ctx, []*Session{from}, errorFrame(http.StatusInternalServerError, "The message could not be handled", n))
}
