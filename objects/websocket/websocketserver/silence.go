package websocketserver

import (
	"context"

	"durago.example/objects/alarms"
	"durago.example/objects/websocket"
)

const sweepAlarm = "websocket"

// arm sets the alarm, if it is not, for when the first client that is there now could have been silent for too long.
func (s *Server) arm(ctx context.Context) {
	if s.armed || s.config.SilentAfter < 0 && s.dormant == nil {
		return
	}
	at, ok, err := s.mux.Next(sweepAlarm)
	if err == nil && (!ok || at.Before(s.config.Now())) {
		err = s.mux.At(ctx, sweepAlarm, milliseconds(s.next()))
	}
	s.armed = err == nil
	if err != nil {
		s.state.Logf(ctx, "websocketserver: alarm: %v", err)
	}
}

// next is when there is something to sweep, or 0 if there is nothing to wait for.
func (s *Server) next() (at int64) {
	first := func(t int64) {
		if at == 0 || t < at {
			at = t
		}
	}
	if after := s.config.SilentAfter.Milliseconds(); after > 0 {
		for _, m := range s.members.byConn {
			first(s.lastHeard(m) + after)
		}
	}
	for _, m := range s.members.byConn {
		if m.expires != 0 {
			first(m.ends())
		}
	}
	if s.dormant != nil {
		if t, ok := s.dormant.expires(); ok {
			first(t)
		}
	}
	return at
}

// lastHeard is when a client last sent something, be it a ping that the runtime answered.
func (s *Server) lastHeard(m *Session) int64 {
	at := m.heard
	if pinged, ok, err := m.ws.LastAutoResponse(); err == nil && ok {
		at = max(at, pinged.UnixMilli())
	}
	return at
}

// sweep closes the sockets of silent clients and of those whose token has expired, and forgets sessions that nobody has resumed.
func (s *Server) sweep(ctx context.Context, _ alarms.Run) error {
	s.compare(ctx)
	now := s.now()
	if after := s.config.SilentAfter.Milliseconds(); after > 0 {
		silent := func(m *Session) {
			if s.lastHeard(m)+after <= now {
				s.shut(ctx, m, websocket.CloseSilent, "nothing was heard", false)
			}
		}
		for _, m := range s.Sessions() { // in order, which the others see
			silent(m)
		}
		for _, m := range s.members.byConn {
			silent(m)
		}
	}
	for _, m := range s.Sessions() {
		if m.expired(now) {
			s.expire(ctx, m)
		}
	}
	for _, m := range s.members.byConn {
		if m.expired(now) {
			s.expire(ctx, m)
		}
	}
	if s.dormant != nil {
		if err := s.dormant.purge(now); err != nil {
			return err
		}
	}
	at := s.next()
	s.armed = at != 0
	if !s.armed {
		return nil
	}
	return s.mux.At(ctx, sweepAlarm, milliseconds(at))
}
