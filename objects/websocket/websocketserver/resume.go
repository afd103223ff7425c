package websocketserver

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver/recovery"
)

// startRecovery readies the tables. Sessions whose sockets are gone with the last host wait from now on.
func (s *Server) startRecovery() error {
	r := s.config.Recovery
	if r == nil {
		s.dropListeners() // the configuration has changed
		return nil
	}
	sql := s.state.Storage().SQL()
	s.log = &log{sql: sql, messages: r.Messages, bytes: r.Bytes}
	s.dormant = &sessions{sql, 2 * int64(s.config.MaxSessions)}
	if there, err := s.dormant.made(); !there || err != nil {
		return err
	}
	if err := s.dropUnsent(); err != nil {
		return err
	}
	ids, err := s.dormant.awake()
	if err != nil {
		return err
	}
	until := s.now() + r.ResumeFor.Milliseconds()
	for _, id := range ids {
		if s.members.byID[id] == nil {
			if err := s.dormant.sleep(id, until); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropUnsent closes the sockets of recoverable clients if the isolate ended after messages had committed and before they
// were sent, and the runtime has kept the sockets: what is missing they get when they resume.
func (s *Server) dropUnsent() error {
	unsent, err := s.dormant.unsent()
	if err != nil || !unsent {
		return err
	}
	for _, m := range recoverables(s.members.list) {
		s.shut(s.state.Context(), m, 1012, "restarted: resume", false)
	}
	s.dropListeners()
	return s.dormant.setUnsent(false)
}

// recover takes the frames that only recoverable clients send; done is false for all others.
func (s *Server) recover(ctx context.Context, from *Session, m websocket.Message) (done bool, err error) {
	complain := func(status int, text string) (bool, error) {
		n, _ := m.Number("n")
		s.emit(ctx, []*Session{from}, errorFrame(status, text, n))
		return true, nil
	}
	switch {
	case m.Event == websocket.SessionOpen && from.open:
		return complain(http.StatusConflict, "The session is open")
	case m.Event == websocket.SessionOpen:
		return true, s.openSession(ctx, from, m)
	case !from.open:
		return complain(http.StatusConflict, "Open the session first")
	case m.Event == websocket.SessionAck:
		if seq, ok := m.Number("seq"); ok {
			from.window.Ack(seq)
		}
		return true, nil
	case m.Event == websocket.HistoryGet:
		return true, s.history(ctx, from, m)
	case m.Has("n"):
		n, ok := m.Number("n")
		if !ok || n == 0 {
			return complain(http.StatusBadRequest, "n must be a whole number from 1 on")
		}
		return true, s.once(ctx, from, m, n)
	}
	return false, nil
}

// openSession resumes a session, or begins one.
func (s *Server) openSession(ctx context.Context, from *Session, m websocket.Message) error {
	if err := s.log.load(); err != nil {
		return fmt.Errorf("websocketserver: log: %w", err)
	}
	last, _ := m.Number("seq")
	token, _ := m.String("token")
	row, old, err := s.resumable(from, token)
	if err != nil {
		return fmt.Errorf("websocketserver: resume: %w", err)
	}
	after, gap, lost := s.log.is.Head, recovery.Gap{}, false
	if from.Resumed {
		after, gap, lost = s.log.is.Resume(last)
		if err := s.dormant.sleep(from.ID, 0); err != nil {
			return fmt.Errorf("websocketserver: resume: %w", err)
		}
	} else {
		var secret []byte
		token, secret = recovery.NewToken(from.ID)
		if err := s.dormant.create(from.ID, secret, from.user, s.now()+s.config.Recovery.MaxLife.Milliseconds()); err != nil {
			return fmt.Errorf("websocketserver: begin a session: %w", err)
		}
		gap, lost = s.log.is.Lost(last)
	}
	from.open = true
	if old != nil { // the others see no change
		s.members.remove(old)
		old.discard()
		_ = old.ws.Close(websocket.CloseReplaced, reasonReplaced)
		from.presence, old.presence = old.presence, nil
	}
	if err := from.save(); err != nil {
		return fmt.Errorf("websocketserver: keep session: %w", err)
	}
	s.promised([]*Session{from})
	s.emit(ctx, []*Session{from}, s.openFrame(from, token, row.Handled))
	missed := func() {
		if lost {
			s.emit(ctx, []*Session{from}, gapFrame(gap))
		}
		if n, ok := m.Number("rewind"); ok && !from.Resumed {
			after = s.rewind(ctx, from, n)
		}
		s.replay(ctx, from, after)
	}
	if old != nil {
		s.members.add(from)
		s.emit(ctx, []*Session{from}, s.listFrame(from))
		s.tellExpiry(ctx, from)
		missed()
		s.hook(ctx, "OnConnect", s.config.OnConnect, from)
		return nil
	}
	s.enter(ctx, from, missed)
	return nil
}

const reasonReplaced = "the session is open elsewhere"

// resumable makes from the session that a token proves, if it does; old is a connection that still has it.
func (s *Server) resumable(from *Session, token string) (row recoverableSession, old *Session, err error) {
	id, secret, ok := recovery.Split(token)
	if !ok {
		return row, nil, nil
	}
	if there, err := s.dormant.made(); !there || err != nil {
		return row, nil, err
	}
	row, ok, err = s.dormant.find(id)
	now := s.now()
	if err != nil || !ok || !recovery.Match(secret, row.Secret) || row.User != from.user || now >= row.Ends || row.Dormant != 0 && now >= row.Dormant {
		return recoverableSession{}, nil, err
	}
	from.ID, from.Resumed = id, true
	return row, s.members.byID[id], nil
}

// replay sends what a session has missed.
func (s *Server) replay(ctx context.Context, to *Session, after int64) {
	logged := false
	for e, err := range s.log.between(after, s.log.is.Head+1, false) {
		if err != nil {
			s.state.Logf(ctx, "websocketserver: replay: %v", err)
			s.shut(ctx, to, 1011, "cannot read the log", false)
			return
		}
		if s.members.byID[to.ID] != to {
			return // it was dead
		}
		if s.visible(ctx, &e.post, to, &logged) {
			s.emit(ctx, []*Session{to}, numbered(e.text, e.seq))
		}
	}
}

func (s *Server) openFrame(m *Session, token string, handled int64) []byte {
	b := []byte(`{"event":"` + websocket.SessionOpen + `","ws_session_id":"` + m.ID + `","token":"` + token + `","resumed":`)
	b = strconv.AppendBool(b, m.Resumed)
	b = strconv.AppendInt(append(b, `,"n":`...), handled, 10)
	b = strconv.AppendInt(append(b, `,"seq":`...), s.log.is.Head, 10)
	b = strconv.AppendInt(append(b, `,"life_ms":`...), s.config.Recovery.ResumeFor.Milliseconds(), 10)
	return append(b, '}')
}

func gapFrame(g recovery.Gap) []byte {
	b := strconv.AppendInt([]byte(`{"event":"`+websocket.SessionGap+`","from":`), g.From, 10)
	return append(strconv.AppendInt(append(b, `,"to":`...), g.To, 10), '}')
}

// suspend lets a session wait for its client.
func (s *Server) suspend(ctx context.Context, m *Session) {
	if s.dormant == nil || !m.open || s.members.byID[m.ID] != m {
		return
	}
	if err := s.dormant.sleep(m.ID, s.now()+s.config.Recovery.ResumeFor.Milliseconds()); err != nil {
		s.state.Logf(ctx, "websocketserver: suspend session %s: %v", m.ID, err)
	}
}

// endRecovery has a session end that cannot be resumed.
func (s *Server) endRecovery(_ context.Context, m *Session) {
	if s.dormant != nil && m.open && s.members.byID[m.ID] == m {
		s.dormant.delete(m.ID)
	}
}
