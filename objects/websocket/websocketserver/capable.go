package websocketserver

import (
	"encoding/json"
	"net/http"

	"durago.example/objects/websocket"
)

// Capabilities are what the session may do, nil if everything. They are not to be changed.
func (m *Session) Capabilities() *websocket.Capabilities { return m.can }

// permit is an error if a session may not send an event.
func (m *Session) permit(event string) error {
	if m.can.MayPublish(event) {
		return nil
	}
	return &Refusal{http.StatusForbidden, "You may not send this event here"}
}

// receives tells whether a session may have a message. What is for it alone it always may.
func (p *post) receives(m *Session) bool {
	if m.can == nil || p.only != "" {
		return true
	}
	return m.can.MayReceive(p.named())
}

// named is the message's event.
func (p *post) named() string {
	if p.event == "" { // it is from the log
		m, _ := websocket.ParseMessage(p.text) // it was read when it was written
		p.event = m.Event
	}
	return p.event
}

// watchers are those who may see who comes and goes.
func watchers(list []*Session) []*Session {
	for i, m := range list {
		if m.can == nil || m.can.Presence {
			continue
		}
		out := append([]*Session(nil), list[:i]...)
		for _, m := range list[i:] {
			if m.can == nil || m.can.Presence {
				out = append(out, m)
			}
		}
		return out
	}
	return list
}

// capabilities are as the attachment has them.
func (m *Session) capabilities() string {
	if m.can == nil {
		return ""
	}
	text, _ := json.Marshal(m.can) // texts, and a bool
	return string(text)
}
