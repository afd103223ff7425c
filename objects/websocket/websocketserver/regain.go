package websocketserver

import (
	"context"
	"slices"
	"sort"

	"durago.example/objects/websocket"
	"durago.example/wasm/value"
)

// regain finds the sessions of the sockets that leaves have. A leaf that does not answer in time is lost.
func (s *Server) regain() error {
	if err := s.branches(); err != nil || len(s.tree.branches) == 0 {
		return err
	}
	ctx := s.state.Context()
	for i, a := range s.ask(ctx) {
		switch b := s.tree.branches[i]; {
		case b.lost != 0:
			s.start(b)
		case a.err != nil:
			s.state.Logf(ctx, "websocketserver: leaf %d: %v", b.leaf, a.err)
			b.lose(closeRestarted, reasonRestarted)
			s.abandon(ctx, b)
			s.start(b)
		default:
			b.instance = a.Instance
			for _, c := range a.Conns {
				s.take(b, c)
			}
		}
	}
	list := s.members.list
	sort.SliceStable(list, func(i, j int) bool { return list[i].since < list[j].since })
	return nil
}

// take takes a leaf's connection over, as wake does the room's own.
func (s *Server) take(b *branch, c connection) {
	r := &remote{s: s, branch: b, conn: c.Conn, kept: c.Kept, version: c.Version, told: c.Version, pinged: c.Pinged}
	var a attachment
	m, ok := (*Session)(nil), value.Unmarshal(c.Kept, &a) == nil && a.Conn == c.Conn
	if ok {
		m, ok = a.session(r)
	}
	if m == nil {
		code, reason := closeRestarted, reasonRestarted // it had left
		if !ok {
			code, reason = 1011, "Invalid session state"
		}
		_ = r.Close(code, reason)
		return
	}
	m.user = s.config.User(m)
	if other := s.members.byID[m.ID]; other != nil && (!m.recoverable || m.open) { // one was replaced and is still to be closed
		if other.since > m.since {
			_ = r.Close(websocket.CloseReplaced, reasonReplaced)
			return
		}
		s.members.remove(other)
		other.discard()
		_ = other.ws.Close(websocket.CloseReplaced, reasonReplaced)
	}
	b.count++
	if m.recoverable && !m.open {
		s.members.byConn[m.conn] = m
		return
	}
	s.members.add(m)
	s.presence.own(m)
}

// answer is what a leaf says that it has.
type answer struct {
	listed
	err error
}

// ask asks all leaves that are not lost at once, in the order of the branches.
func (s *Server) ask(ctx context.Context) []answer {
	list := slices.Clone(s.tree.branches)
	answers := make([]answer, len(list))
	came := make(chan int, len(list))
	for i, b := range list {
		if b.lost != 0 {
			came <- i
			continue
		}
		s.state.Go(func(ctx context.Context) {
			defer func() { came <- i }()
			ctx, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			a, err := leafList.Call(ctx, b.caller(ctx), &batch{Room: s.tree.instance})
			if answers[i].err = err; a != nil {
				answers[i].listed = *a
			}
		})
	}
	for range list {
		select {
		case <-came:
		case <-ctx.Done():
			return answers
		}
	}
	return answers
}

// compare asks the leaves what they have, for the alarm: when their clients were last heard, and whether both sides know
// the same connections.
func (s *Server) compare(ctx context.Context) {
	list := slices.Clone(s.tree.branches)
	before := map[string]bool{}
	for conn := range s.members.byConn {
		before[conn] = true
	}
	for i, a := range s.ask(ctx) {
		b := list[i]
		switch {
		case ctx.Err() != nil:
			return
		case b.lost != 0:
			s.start(b)
		case a.err != nil:
			s.state.Logf(ctx, "websocketserver: leaf %d: %v", b.leaf, a.err)
			b.lose(closeRestarted, reasonRestarted)
			s.start(b)
		default:
			b.speaks(a.Instance)
			s.match(ctx, b, a.listed, before)
		}
	}
	s.prune(ctx)
}

// match has those leave that a leaf has not, though the room had them before it was asked, and closes those that the room
// has not.
func (s *Server) match(ctx context.Context, b *branch, has listed, before map[string]bool) {
	there := map[string]bool{}
	for _, conn := range has.Joining {
		there[conn] = true
	}
	for _, c := range has.Conns {
		there[c.Conn] = true
		if m := s.at(b, c.Conn); m != nil {
			r := m.ws.(*remote)
			r.pinged = max(r.pinged, c.Pinged)
		} else {
			r := &remote{s: s, branch: b, conn: c.Conn}
			_ = r.Close(closeRestarted, reasonRestarted)
		}
	}
	var missing []string
	for _, m := range s.on(b) {
		if before[m.conn] && !there[m.conn] {
			missing = append(missing, m.conn)
		}
	}
	s.gone(ctx, b, missing)
}
