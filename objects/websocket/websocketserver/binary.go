package websocketserver

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"durago.example/objects"
)

// A binary frame is whatever the application says it is: the room reads nothing of it, and adds nothing to it. It has no
// number, is in no log and is not sent again, also to those who resume: what must not be lost is a message with an event.

// receiveBinary takes a binary frame. It counts as ephemeral, and MaxMessage is in bytes.
func (s *Server) receiveBinary(ctx context.Context, from *Session, data []byte) error {
	now := s.now()
	from.heard = now
	status, problem := 0, ""
	switch allowed := from.ephemeral.take(s.ephemeral, now); {
	case !allowed:
		status, problem = http.StatusTooManyRequests, "Too many messages. Please slow down."
	case len(data) > s.config.MaxMessage:
		status, problem = http.StatusRequestEntityTooLarge, fmt.Sprintf("Message too large (max %d bytes)", s.config.MaxMessage)
	case !from.can.MayPublish("*"):
		status, problem = http.StatusForbidden, "You may not send binary frames here"
	case from.recoverable && !from.open:
		status, problem = http.StatusConflict, "Open the session first"
	}
	if err := from.save(); err != nil {
		return fmt.Errorf("websocketserver: keep session: %w", err)
	}
	if status != 0 {
		s.emit(ctx, []*Session{from}, errorFrame(status, problem, 0))
		return nil
	}
	if err := s.config.OnBinary(ctx, s, from, data); err != nil {
		s.refuse(ctx, from, "OnBinary", err, 0)
	}
	return nil
}

// PublishBinary sends a binary frame to everybody in the room but except, which may be nil, and those whose capabilities do not
// subscribe to everything. An error is one that is longer
// than a message of another object may be, 1 MiB.
func (s *Server) PublishBinary(ctx context.Context, data []byte, except *Session) error {
	if len(data) > maxSent {
		return fmt.Errorf("websocketserver: a binary message has at most %d bytes, this one has %d", maxSent, len(data))
	}
	data = slices.Clone(data)
	s.later(ctx, func(ctx context.Context) {
		var to []*Session
		for _, m := range s.members.list {
			if (except == nil || m.ID != except.ID) && m.can.MayReceive("*") {
				to = append(to, m)
			}
		}
		s.emitFrame(ctx, to, objects.Message{Data: data})
	})
	return nil
}

// SendBinaryTo sends a binary frame to one session, as PublishBinary does. delivered is false if it has left, or its socket
// turns out to be dead.
func (s *Server) SendBinaryTo(ctx context.Context, to *Session, data []byte) (delivered bool, err error) {
	if len(data) > maxSent {
		return false, fmt.Errorf("websocketserver: a binary message has at most %d bytes, this one has %d", maxSent, len(data))
	}
	if s.members.byID[to.ID] == nil {
		return false, nil
	}
	s.emitFrame(ctx, []*Session{s.members.byID[to.ID]}, objects.Message{Data: slices.Clone(data)})
	return s.holding || s.members.byID[to.ID] != nil, nil
}
