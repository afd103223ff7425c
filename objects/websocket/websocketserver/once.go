package websocketserver

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"durago.example/objects"
	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver/recovery"
)

// once has a numbered message handled, if it has not been. Its number, what the handler writes and what goes into the log
// commit together.
func (s *Server) once(ctx context.Context, from *Session, m websocket.Message, n int64) error {
	var verdict recovery.Verdict
	var handled int64
	var failed error
	m.Key = from.ID + "/" + strconv.FormatInt(n, 10)
	err := s.hold(ctx, !s.config.Recovery.InTurn, func(ctx context.Context) error {
		row, ok, err := s.dormant.find(from.ID)
		if err != nil || !ok || s.members.byID[from.ID] != from { // it has left while this message waited
			verdict = recovery.Ahead
			return err
		}
		handled = row.Handled
		if verdict = recovery.Judge(handled, n); verdict != recovery.New {
			return nil
		}
		if err := s.dormant.handled(from.ID, n); err != nil {
			return err
		}
		reply, err := s.handle(ctx, from, m)
		if err == nil {
			err = s.reply(ctx, from, reply)
		}
		failed = err
		return err
	})
	if err != nil {
		if failed != nil {
			s.refuse(ctx, from, "OnMessage", failed, n)
			return nil
		}
		return fmt.Errorf("websocketserver: message %s: %w", m.Key, err)
	}
	if s.members.byID[from.ID] != from {
		return nil
	}
	if verdict == recovery.Ahead {
		s.emit(ctx, []*Session{from}, errorFrame(http.StatusConflict, "Send message "+strconv.FormatInt(handled+1, 10)+" first", n))
		return nil
	}
	s.emit(ctx, []*Session{from}, ackFrame(n, verdict == recovery.Again))
	return nil
}

// hold runs f in a transaction, and holds what is sent meanwhile until it has committed, as nothing sent within a
// transaction would wait for it. What f sent is dropped if it fails. f may wait if waits is set.
//
// If it does not wait, all is one turn: what is sent at its end waits for its commit, and leaves with it. Otherwise an isolate may
// end between the commit and the sending. On hosts that keep sockets then, their clients would miss something without
// noticing: setUnsent has the next instance close them, see dropUnsent.
func (s *Server) hold(ctx context.Context, waits bool, f func(ctx context.Context) error) error {
	if !waits {
		s.flush(ctx) // what committed before, and whose goroutine has not gone on yet
		err := s.state.Storage().TransactionSync(func() error { return s.holdDuring(ctx, f) })
		if err == nil {
			s.flush(ctx)
		}
		return err
	}
	unsent := false
	err := s.state.Storage().Transaction(ctx, func(ctx context.Context, _ *objects.Tx) error {
		s.flush(ctx)
		return s.holdDuring(ctx, func(ctx context.Context) error {
			err := f(ctx)
			if err == nil && len(s.held) > 0 && s.dormant != nil {
				unsent = true
				err = s.dormant.setUnsent(true)
			}
			return err
		})
	})
	if err != nil {
		return err
	}
	s.flush(ctx)
	if unsent {
		return s.dormant.setUnsent(false)
	}
	return nil
}

// holdDuring runs f, and holds what it sends, unless it fails.
func (s *Server) holdDuring(ctx context.Context, f func(ctx context.Context) error) error {
	s.holding = true
	done := false
	defer func() {
		if s.holding = false; !done { // it is undone
			s.held = nil
			if s.log != nil {
				s.log.known = false
			}
		}
	}()
	err := f(ctx)
	done = err == nil
	return err
}

func ackFrame(n int64, again bool) []byte {
	b := strconv.AppendInt([]byte(`{"event":"`+websocket.MessageAck+`","n":`), n, 10)
	if again {
		b = append(b, `,"again":true`...)
	}
	return append(b, '}')
}
