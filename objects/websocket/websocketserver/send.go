package websocketserver

import (
	"context"
	"fmt"

	"durago.example/objects"
	"durago.example/objects/websocket"
)

// post is a message of the room.
type post struct {
	text      []byte
	event     string // empty if it is from the log
	only      string // the session that it is for, or empty
	except    string // the session that it is not for, or empty
	change    *websocket.Change
	ephemeral bool
}

// Publish sends v to everybody in the room but except, which may be nil. v is JSON's text (json.RawMessage), a
// websocket.Message, or anything that json.Marshal makes an object of, with a text in event. seq is its number in the log,
// or 0 if it is in none.
func (s *Server) Publish(ctx context.Context, v any, except *Session) (seq int64, err error) {
	m, err := encode(v)
	if err != nil {
		return 0, err
	}
	p := post{text: m.Text, event: m.Event, ephemeral: s.config.ephemeral(m.Event)}
	if except != nil {
		p.except = except.ID
	}
	return s.publish(ctx, p)
}

// SendTo sends v, as Publish takes it, to one session. delivered is false if it has left, or its socket turns out to be
// dead; a recoverable session that resumes gets it then.
func (s *Server) SendTo(ctx context.Context, to *Session, v any) (delivered bool, err error) {
	m, err := encode(v)
	if err != nil {
		return false, err
	}
	if to.recoverable && !s.config.ephemeral(m.Event) {
		_, err := s.publish(ctx, post{text: m.Text, event: m.Event, only: to.ID})
		return err == nil && s.members.byID[to.ID] != nil, err
	}
	if s.members.byID[to.ID] == nil {
		return false, nil
	}
	s.emit(ctx, []*Session{to}, m.Text)
	return s.holding || s.members.byID[to.ID] != nil, nil
}

// Kick closes a session's socket with websocket.CloseKicked, and ends the session. reason is at most 123 bytes.
func (s *Server) Kick(ctx context.Context, m *Session, reason string) {
	s.later(ctx, func(ctx context.Context) {
		if s.members.byID[m.ID] == m {
			s.shut(ctx, m, websocket.CloseKicked, cut(reason, 123), true)
		}
	})
}

// publish puts a message into the log, and sends it: both leave the object together, or neither does.
func (s *Server) publish(ctx context.Context, p post) (seq int64, err error) {
	if s.log != nil && !p.ephemeral {
		if seq, err = s.log.append(p); err != nil {
			return 0, fmt.Errorf("websocketserver: log: %w", err)
		}
		s.published = seq
	}
	s.later(ctx, func(ctx context.Context) { s.deliver(ctx, p, seq) })
	return seq, nil
}

// later runs f now, or when the numbered message that is being handled has committed.
func (s *Server) later(ctx context.Context, f func(ctx context.Context)) {
	if s.holding {
		s.held = append(s.held, f)
		return
	}
	s.flush(ctx)
	f(ctx)
}

// flush sends what was held, now that it has committed. Whatever sends first does this, be it another event that runs
// before the one that committed goes on: so that messages leave in the order of their numbers.
func (s *Server) flush(ctx context.Context) {
	held := s.held
	s.held = nil
	for _, f := range held {
		f(ctx)
	}
}

// deliver sends a message to those who may have it.
func (s *Server) deliver(ctx context.Context, p post, seq int64) {
	var as, with, slow []*Session // as it is, and with its number
	logged := false
	for _, m := range s.members.list {
		switch {
		case !s.visible(ctx, &p, m, &logged):
		case seq == 0 || !m.recoverable:
			as = append(as, m)
		case m.window.Send(seq, s.config.Recovery.Window):
			with = append(with, m)
		default:
			slow = append(slow, m)
		}
	}
	s.emit(ctx, as, p.text)
	if len(with) > 0 {
		s.promised(with)
		s.emit(ctx, with, numbered(p.text, seq))
	}
	s.overhear(ctx, p, seq)
	for _, m := range slow {
		s.shut(ctx, m, websocket.CloseSlow, "too much is unacknowledged: resume", false)
	}
}

// visible tells whether a message is for a session. logged is set when a filter's error has been.
func (s *Server) visible(ctx context.Context, p *post, m *Session, logged *bool) bool {
	if p.only != "" && p.only != m.ID || p.except != "" && p.except == m.ID {
		return false
	}
	if !p.receives(m) {
		return false
	}
	if p.change == nil || s.config.FilterEntityChange == nil {
		return true
	}
	ok, err := s.config.FilterEntityChange(*p.change, m)
	if err != nil && !*logged {
		*logged = true
		s.state.Logf(ctx, "websocketserver: FilterEntityChange: withheld from session %s: %v", m.ID, err)
	}
	return ok && err == nil
}

// emit writes one frame to sockets. One that proves to be dead leaves; among many, the runtime tells of it later.
func (s *Server) emit(ctx context.Context, to []*Session, text []byte) {
	s.emitFrame(ctx, to, objects.Message{Data: text, Text: true})
}

func (s *Server) emitFrame(ctx context.Context, to []*Session, frame objects.Message) {
	if len(to) == 0 {
		return
	}
	if s.holding {
		own := append([]*Session(nil), to...)
		s.held = append(s.held, func(ctx context.Context) { s.emitFrame(ctx, own, frame) })
		return
	}
	s.flush(ctx)
	if len(to) == 1 {
		if err := to[0].ws.Send(frame); err != nil {
			s.suspend(ctx, to[0])
			s.leave(ctx, to[0])
		}
		return
	}
	list := s.fan(to, frame)
	if len(list) == 0 {
		return
	}
	if err := s.state.Broadcast(list, frame); err != nil {
		s.state.Logf(ctx, "websocketserver: send: %v", err)
	}
}
