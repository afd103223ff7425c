package websocketserver

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"durago.example/objects/websocket"
)

// Bounds of presence.
const (
	maxPresenceIDs   = 8       // of a session
	maxPresenceID    = 64      // bytes
	maxPresenceState = 8 << 10 // bytes of a peer: a longer one is relayed, and is in no snapshot
	maxPresenceAll   = 4 << 20 // bytes of all peers
)

// presence is what the clients last said of themselves, each under ids that it chose: a tab has one. Whose an id is, is
// kept with the socket, so that it is removed with it; what was said is in memory alone. When the object has slept, the
// first who asks for a snapshot has recoverable clients say it again; others say it when it changes.
type presence struct {
	owner     map[string]string // presence id → session id
	peers     map[string]peer
	bytes     int
	forgotten map[string]bool // the sessions that have said something before the object slept
}

type peer struct {
	clock int64
	text  []byte // the object in a snapshot
}

func newPresence() presence {
	return presence{map[string]string{}, map[string]peer{}, 0, map[string]bool{}}
}

// own takes over the ids that a session had before the object slept.
func (p *presence) own(m *Session) {
	for _, id := range m.presence {
		p.owner[id] = m.ID
		p.forgotten[m.ID] = true
	}
}

// recall asks those again whose presence has been forgotten, once.
func (s *Server) recall(ctx context.Context) {
	var asked []*Session
	for _, m := range recoverables(s.members.list) {
		if s.presence.forgotten[m.ID] {
			asked = append(asked, m)
		}
	}
	clear(s.presence.forgotten)
	s.emit(ctx, asked, []byte(`{"event":"`+websocket.PresenceAgain+`"}`))
}

// relays tells whether an event is one of those that relay takes.
func relays(event string) bool {
	switch event {
	case websocket.PresenceUpdate, websocket.PresenceRemove, websocket.PresenceReaction, websocket.PresenceRequest:
		return true
	}
	return false
}

// relay takes a frame of presence; false if it is none.
func (s *Server) relay(ctx context.Context, from *Session, m websocket.Message) bool {
	id, named := m.String("presence_id")
	switch m.Event {
	case websocket.PresenceUpdate, websocket.PresenceRemove:
		// What is no character would be another in what is sent on than in what is remembered.
		if !named || id == "" || len(id) > maxPresenceID || strings.ContainsRune(id, utf8.RuneError) {
			s.emit(ctx, []*Session{from}, errorFrame(http.StatusBadRequest, "presence_id must be a text of 1 to 64 bytes", 0))
			return true
		}
		if owner := s.presence.owner[id]; owner != "" && owner != from.ID {
			s.emit(ctx, []*Session{from}, errorFrame(http.StatusForbidden, "This presence_id is another session's", 0))
			return true
		}
		if m.Event == websocket.PresenceRemove {
			if s.forget(from, id) {
				s.relayed(ctx, m.Event, m.Text)
			}
		} else if s.remember(ctx, from, id, m) {
			s.relayed(ctx, m.Event, m.Text)
		}
	case websocket.PresenceReaction:
		s.relayed(ctx, m.Event, m.Text)
	case websocket.PresenceRequest:
		s.emit(ctx, []*Session{from}, s.presence.snapshot(id))
		s.recall(ctx)
	default:
		return false
	}
	return true
}

// relayed sends to all, the sender included, as the original does.
func (s *Server) relayed(ctx context.Context, event string, text []byte) {
	_, _ = s.publish(ctx, post{text: text, event: event, ephemeral: true}) // what is not logged cannot fail
}

// remember keeps an update; false if a later one is known already, or if the session has too many ids.
func (s *Server) remember(ctx context.Context, from *Session, id string, m websocket.Message) bool {
	if !slices.Contains(from.presence, id) {
		if len(from.presence) >= maxPresenceIDs {
			s.emit(ctx, []*Session{from}, errorFrame(http.StatusTooManyRequests, "A session has at most 8 presence ids", 0))
			return false
		}
		from.presence = append(from.presence, id)
		s.presence.owner[id] = from.ID
		if err := from.save(); err != nil {
			s.state.Logf(ctx, "websocketserver: keep presence id: %v", err)
		}
	}
	clock, _ := m.Number("clock")
	old := s.presence.peers[id]
	if clock < old.clock {
		return false
	}
	s.presence.bytes -= len(old.text)
	delete(s.presence.peers, id)
	text := []byte{'{'}
	for _, name := range []string{"presence_id", "user", "state", "clock", "t"} {
		if f := m.Field(name); f != nil {
			text = append(append(append(text, '"'), name...), `":`...)
			text = append(append(text, f...), ',')
		}
	}
	text[len(text)-1] = '}'
	if len(text) > maxPresenceState || s.presence.bytes+len(text) > maxPresenceAll {
		text = nil
	}
	s.presence.bytes += len(text)
	s.presence.peers[id] = peer{clock, text}
	return true
}

// forget drops an id, and tells whether the session had it.
func (s *Server) forget(from *Session, id string) bool {
	i := slices.Index(from.presence, id)
	if i < 0 {
		return false
	}
	from.presence = slices.Delete(from.presence, i, i+1)
	s.presence.bytes -= len(s.presence.peers[id].text)
	delete(s.presence.peers, id)
	delete(s.presence.owner, id)
	_ = from.save() // at worst it is removed twice
	return true
}

// leavePresence removes what a session that has left had said.
func (s *Server) leavePresence(ctx context.Context, m *Session) {
	for _, id := range m.presence {
		s.presence.bytes -= len(s.presence.peers[id].text)
		delete(s.presence.peers, id)
		delete(s.presence.owner, id)
		name, _ := json.Marshal(id)
		s.relayed(ctx, websocket.PresenceRemove, append(append([]byte(`{"event":"`+websocket.PresenceRemove+`","presence_id":`), name...), '}'))
	}
	m.presence = nil
}

// snapshot is everybody's last word but that of one id.
func (p *presence) snapshot(but string) []byte {
	ids := make([]string, 0, len(p.peers))
	for id, peer := range p.peers {
		if id != but && peer.text != nil {
			ids = append(ids, id)
		}
	}
	sort.Strings(ids)
	list := make([][]byte, len(ids))
	for i, id := range ids {
		list[i] = p.peers[id].text
	}
	b := []byte(`{"event":"` + websocket.PresenceSnapshot + `","peers":[`)
	return append(append(b, bytes.Join(list, []byte{','})...), `]}`...)
}
