package websocketserver

import (
	"context"
	"fmt"

	"durago.example/objects"
	"durago.example/objects/websocket"
)

// maxSent is how long a message of another object may be, in bytes: it goes to everybody, and into the log.
const maxSent = 1 << 20

func refused(code, format string, args ...any) error {
	return &objects.Error{Name: "TypeError", Message: fmt.Sprintf(format, args...), Props: map[string]any{"code": code}}
}

func (s *Server) encodeSent(v any) (websocket.Message, error) {
	m, err := encode(v)
	if err == nil && len(m.Text) > maxSent {
		err = fmt.Errorf("a message has at most %d bytes, this one has %d", maxSent, len(m.Text))
	}
	if err != nil {
		return m, refused(websocket.InvalidMessage, "%v", err)
	}
	return m, nil
}

func (s *Server) broadcast(ctx context.Context, v map[string]any, exclude *string) error {
	m, err := s.encodeSent(v)
	if err != nil {
		return err
	}
	p := post{text: m.Text, event: m.Event, ephemeral: s.config.ephemeral(m.Event)}
	if exclude != nil {
		p.except = *exclude
	}
	_, err = s.publish(ctx, p)
	return err
}

func (s *Server) send(ctx context.Context, session string, v map[string]any) (bool, error) {
	m, err := s.encodeSent(v)
	to := s.members.byID[session]
	if err != nil || to == nil {
		return false, err
	}
	return s.SendTo(ctx, to, m)
}

func (s *Server) getActiveSessions(context.Context) ([]websocket.Session, error) {
	list := make([]websocket.Session, len(s.members.list))
	for i, m := range s.members.list {
		list[i] = m.info()
	}
	return list, nil
}

func (s *Server) getUsers(context.Context) ([]websocket.User, error) {
	list := []websocket.User{}
	seen := map[string]bool{}
	for _, m := range s.members.list {
		if m.user != "" && !seen[m.user] {
			seen[m.user] = true
			list = append(list, websocket.User{ID: m.user, Connections: int64(s.members.users[m.user]), Meta: m.info().Meta})
		}
	}
	return list, nil
}

func (s *Server) entityChanged(ctx context.Context, c websocket.Change) error {
	switch c.ID.(type) {
	case string, float64, int64:
	default:
		return refused(websocket.InvalidChange, "the id of an entity is a string or a number, got %T", c.ID)
	}
	if c.Action != websocket.Created && c.Action != websocket.Updated && c.Action != websocket.Deleted || c.EntityType == "" {
		return refused(websocket.InvalidChange, "a change has the action created, updated or deleted, and an entity_type; got %q of %q", c.Action, c.EntityType)
	}
	frame := map[string]any{"event": "entity:" + c.Action, "entity_type": c.EntityType, "id": c.ID}
	if c.Data != nil {
		frame["data"] = c.Data
	}
	if c.Sparse != nil {
		frame["sparse"] = c.Sparse
	}
	m, err := s.encodeSent(frame)
	if err != nil {
		return err
	}
	_, err = s.publish(ctx, post{text: m.Text, event: m.Event, change: &websocket.Change{Action: c.Action, EntityType: c.EntityType, ID: c.ID}})
	return err
}

func (s *Server) entitiesChanged(ctx context.Context, changes []websocket.Change) error {
	for i := range changes {
		if err := s.entityChanged(ctx, changes[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) kick(ctx context.Context, session, reason string) (bool, error) {
	m := s.members.byID[session]
	if m == nil {
		return s.dormant != nil && s.dormant.delete(session), nil
	}
	s.Kick(ctx, m, reason)
	return true, nil
}

// cut is the beginning of a text, n bytes at most, of whole characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}
