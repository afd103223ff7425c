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
	m, status, problem := s.read(in)
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
func (s *Server) read(in objects.Message) (m websocket.Message, status int, problem string) {
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
	case err != nil:
		return m, http.StatusBadRequest, "Message missing event field"
	}
	return m, 0, ""
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
