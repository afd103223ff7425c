package websocket

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Capabilities are what a session may do in its room. A nil *Capabilities may do everything; what a value does not name,
// it may not.
//
// An event is named in full, or by a prefix that ends with a colon, as "cursor:"; "*" names all, and binary frames, which have
// no event. Neither list has to do with presence, which Presence alone opens, nor with what a session says and is told of
// itself: ping, session:open, session:ack, history:get, token:refresh, their answers, and errors.
type Capabilities struct {
	// Publish are the events that the client may send. Others are answered with an Error frame with status 403.
	Publish []string `json:"publish,omitempty"`
	// Subscribe are the events of the room that it is sent, and that are in its history: of those that go to all. What is
	// sent to this session alone, as the answer of OnMessage is, reaches it always.
	Subscribe []string `json:"subscribe,omitempty"`
	// Presence lets it see who is there and where, and say where it is: session:connected and session:disconnected,
	// user:joined and user:left, and presence:…. Without it session:list has this session alone. Others see that it is
	// there, all the same.
	Presence bool `json:"presence,omitempty"`
}

// Bounds of Capabilities.
const (
	MaxCapabilities = 64  // names in both lists together
	MaxEvent        = 128 // bytes of a name
)

// Everything is what a nil *Capabilities may do, in full.
func Everything() *Capabilities {
	return &Capabilities{Publish: []string{"*"}, Subscribe: []string{"*"}, Presence: true}
}

// MayPublish tells whether a client may send an event.
func (c *Capabilities) MayPublish(event string) bool {
	switch {
	case c == nil:
		return true
	case strings.HasPrefix(event, PresencePrefix):
		return c.Presence
	}
	return names(c.Publish, event)
}

// MayReceive tells whether a client is sent an event of the room.
func (c *Capabilities) MayReceive(event string) bool {
	if c == nil {
		return true
	}
	switch event {
	case SessionConnected, SessionDisconnected, UserJoined, UserLeft:
		return c.Presence
	}
	if strings.HasPrefix(event, PresencePrefix) {
		return c.Presence
	}
	return names(c.Subscribe, event)
}

// Check is an error if there are too many names, or one that is none.
func (c *Capabilities) Check() error {
	if c == nil {
		return nil
	}
	if n := len(c.Publish) + len(c.Subscribe); n > MaxCapabilities {
		return fmt.Errorf("websocket: capabilities have at most %d events, these have %d: use prefixes", MaxCapabilities, n)
	}
	for _, list := range [][]string{c.Publish, c.Subscribe} {
		for _, name := range list {
			if name == "" || len(name) > MaxEvent || !utf8.ValidString(name) {
				return fmt.Errorf("websocket: capabilities name events of 1 to %d bytes of text, got %q", MaxEvent, name)
			}
		}
	}
	return nil
}

// ReadCapabilities reads what json.Marshal has made of one; an empty text and null are nil.
func ReadCapabilities(text []byte) (*Capabilities, error) {
	if len(text) == 0 {
		return nil, nil
	}
	var c *Capabilities
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("websocket: capabilities: %w", err)
	}
	return c, c.Check()
}

func names(list []string, event string) bool { return Names(list, event) || slices.Contains(list, "*") }

// Names tells whether an event is among names, or has one of them that ends with a colon for its prefix.
func Names(list []string, event string) bool {
	for _, name := range list {
		if name == event || strings.HasSuffix(name, ":") && strings.HasPrefix(event, name) {
			return true
		}
	}
	return false
}
