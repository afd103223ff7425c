package websocketserver

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"durago.example/objects"
	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver/recovery"
)

// listening is what makes a session a listener: one that hears the log and says nothing. It is in no list of who is there.
//
// A listener is live, and is sent each message as it comes, or behind: then nothing is under way to it but what was sent up
// to after, and when it has passed that on it is sent more out of the log. What it has under way is bounded so, however slow
// it is; if the log has lost what is next, it is told.
type listening struct {
	events []string // or with a colon at their end prefixes of events; empty is all
	behind bool
	after  int64
	flow   recovery.Flow // begins anew when the object wakes: one that is behind has an answer to give
}

// listenState is what the socket's attachment has of it.
type listenState struct {
	Events []string `js:"events"`
	Behind bool     `js:"behind"`
	After  int64    `js:"after"`
}

func (l *listening) state() *listenState {
	if l == nil {
		return nil
	}
	return &listenState{l.events, l.behind, l.after}
}

func (s *listenState) listening() *listening {
	if s == nil {
		return nil
	}
	return &listening{events: s.Events, behind: s.Behind, after: s.After}
}

// matches tells whether a message's event is among names and prefixes; none are all.
func (p *post) matches(events []string) bool {
	return len(events) == 0 || websocket.Names(events, p.named())
}

// listen begins with a listener that has been let in.
func (s *Server) listen(ctx context.Context, m *Session, d *websocket.Door) error {
	s.flush(ctx)
	if err := s.log.load(); err != nil {
		return fmt.Errorf("websocketserver: log: %w", err)
	}
	l := m.listening
	switch {
	case d.After != nil:
		l.after = min(*d.After, s.log.is.Head)
	case d.Rewind > 0:
		p, err := s.readPast(ctx, websocket.HistoryOptions{Limit: d.Rewind, Events: l.events}, m)
		if err != nil {
			return err
		}
		if l.after = s.log.is.Head; len(p.list) > 0 {
			l.after = p.list[0].seq - 1
		}
	default:
		l.after = s.log.is.Head
	}
	s.listeners = append(s.listeners, m)
	s.emit(ctx, []*Session{m}, listenFrame(websocket.ListenOpen, l.after))
	return s.pump(ctx, m)
}

// pump sends a listener what is after the last that it was sent, as far as it may have more under way.
func (s *Server) pump(ctx context.Context, m *Session) error {
	s.flush(ctx) // what is in the log has been sent to those that are live
	if err := s.log.load(); err != nil {
		return fmt.Errorf("websocketserver: log: %w", err)
	}
	l := m.listening
	l.behind = true
	head := s.log.is.Head
	after, gap, lost := s.log.is.Resume(l.after)
	if lost {
		s.emit(ctx, []*Session{m}, listenFrame(websocket.ListenGap, gap.From, gap.To))
	}
	l.after = after
	logged := false
	for e, err := range s.log.between(after, head+1, false) {
		switch {
		case err != nil:
			return fmt.Errorf("websocketserver: log: %w", err)
		case s.members.byConn[m.conn] != m:
			return nil // it was dead
		case !l.flow.Open(s.config.Recovery.Window):
			return m.save()
		}
		l.after = e.seq
		if s.visible(ctx, &e.post, m, &logged) && e.matches(l.events) {
			s.tell(ctx, m, e)
		}
	}
	l.behind, l.after = false, head
	s.emit(ctx, []*Session{m}, listenFrame(websocket.ListenLive, head))
	return m.save()
}

func (s *Server) tell(ctx context.Context, m *Session, e entry) {
	text := heardFrame(e.text, e.seq)
	s.emit(ctx, []*Session{m}, text)
	if m.listening.flow.Send(len(text), s.config.Recovery.Window) {
		s.askMore(ctx, m)
	}
}

func (s *Server) askMore(ctx context.Context, m *Session) {
	s.emit(ctx, []*Session{m}, []byte(websocket.ListenMore))
}

func listenFrame(word string, numbers ...int64) []byte {
	b := []byte(word)
	for _, n := range numbers {
		b = strconv.AppendInt(append(b, ' '), n, 10)
	}
	return b
}

func heardFrame(text []byte, seq int64) []byte {
	return append(append(listenFrame(websocket.ListenEvent, seq), ' '), numbered(text, seq)...)
}

// overhear sends a message of the log to the listeners that are live.
func (s *Server) overhear(ctx context.Context, p post, seq int64) {
	if seq == 0 || len(s.listeners) == 0 {
		return
	}
	logged := false
	var now, ask []*Session
	text := heardFrame(p.text, seq)
	for _, m := range s.listeners {
		l := m.listening
		if l.behind {
			continue
		}
		switch {
		case !p.matches(l.events) || !s.visible(ctx, &p, m, &logged):
		case !l.flow.Open(s.config.Recovery.Window):
			l.behind, l.after = true, seq-1
			if err := m.save(); err != nil {
				s.state.Logf(ctx, "websocketserver: keep listener: %v", err)
			}
		default:
			now = append(now, m)
			if l.flow.Send(len(text), s.config.Recovery.Window) {
				ask = append(ask, m)
			}
		}
	}
	s.emit(ctx, now, text)
	for _, m := range ask {
		s.askMore(ctx, m)
	}
}

// listenerSays takes a frame of a listener: that it has passed on what came.
func (s *Server) listenerSays(ctx context.Context, m *Session, in objects.Message) error {
	if string(in.Data) != websocket.ListenMore {
		return nil // the handler says nothing else
	}
	m.heard = s.now()
	if m.listening.flow.Answer(s.config.Recovery.Window) {
		s.askMore(ctx, m)
	}
	if m.listening.behind {
		return s.pump(ctx, m)
	}
	return nil
}

// dropListeners has all come again.
func (s *Server) dropListeners() {
	for _, m := range slices.Clone(s.listeners) {
		s.shut(s.state.Context(), m, 1012, "restarted: resume", false)
	}
}

// unlisten forgets a listener that has left.
func (s *Server) unlisten(m *Session) {
	if i := slices.Index(s.listeners, m); i >= 0 {
		s.listeners = slices.Delete(s.listeners, i, i+1)
	}
}
