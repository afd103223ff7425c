package websocketserver

import (
	"context"
	"fmt"
	"slices"

	"durago.example/objects/websocket"
)

// Bounds of an answer about the past.
const (
	maxHistory      = 100
	maxHistoryBytes = 256 << 10
)

// history answers with messages before one, of those that are for the session.
func (s *Server) history(ctx context.Context, from *Session, m websocket.Message) error {
	if err := s.log.load(); err != nil {
		return fmt.Errorf("websocketserver: history: %w", err)
	}
	before, ok := m.Number("before")
	if !ok {
		before = s.log.is.Head + 1
	}
	limit, ok := m.Number("limit")
	if !ok || limit > maxHistory {
		limit = maxHistory
	}
	list, more, err := s.past(ctx, from, before, limit)
	if err != nil {
		return fmt.Errorf("websocketserver: history: %w", err)
	}
	b := []byte(`{"event":"` + websocket.History + `","messages":[`)
	for i, e := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, numbered(e.text, e.seq)...)
	}
	if b = append(b, ']'); more {
		b = append(b, `,"more":true`...)
	}
	s.emit(ctx, []*Session{from}, append(b, '}'))
	return nil
}

// past are up to limit messages before one, the oldest first; more tells whether the log has earlier ones.
func (s *Server) past(ctx context.Context, to *Session, before, limit int64) (list []entry, more bool, err error) {
	logged, bytes := false, 0
	for e, err := range s.log.between(0, before, true) {
		if err != nil {
			return nil, false, err
		}
		if !s.visible(ctx, &e.post, to, &logged) {
			continue
		}
		if bytes += len(e.text); int64(len(list)) >= limit || bytes > maxHistoryBytes && len(list) > 0 {
			more = true
			break
		}
		list = append(list, e)
	}
	slices.Reverse(list)
	return list, more, nil
}

// rewind is the number after which the last n messages for a session are, of a page of history at most.
func (s *Server) rewind(ctx context.Context, to *Session, n int64) (after int64) {
	list, _, err := s.past(ctx, to, s.log.is.Head+1, min(n, maxHistory))
	if err != nil || len(list) == 0 {
		return s.log.is.Head
	}
	return list[0].seq - 1
}
