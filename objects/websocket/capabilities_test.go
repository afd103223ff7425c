package websocket_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/objects/websocket"
)

// TestCapabilities: names, prefixes, and what neither list has to do with.
func TestCapabilities(t *testing.T) {
	for _, row := range []struct {
		name             string
		can              *websocket.Capabilities
		event            string
		publish, receive bool
	}{
		{"nil is everything", nil, "chat", true, true},
		{"nil, presence", nil, "presence:update", true, true},
		{"everything", websocket.Everything(), "chat", true, true},
		{"everything, presence", websocket.Everything(), "presence:update", true, true},
		{"nothing", &websocket.Capabilities{}, "chat", false, false},
		{"a name", &websocket.Capabilities{Publish: []string{"chat"}}, "chat", true, false},
		{"more than a name", &websocket.Capabilities{Publish: []string{"chat"}}, "chat:x", false, false},
		{"less than a name", &websocket.Capabilities{Publish: []string{"chat"}}, "cha", false, false},
		{"a prefix", &websocket.Capabilities{Subscribe: []string{"cursor:"}}, "cursor:move", false, true},
		{"less than a prefix", &websocket.Capabilities{Subscribe: []string{"cursor:"}}, "cursor", false, false},
		{"another case", &websocket.Capabilities{Subscribe: []string{"Chat"}}, "chat", false, false},
		{"presence is not in the lists", &websocket.Capabilities{Publish: []string{"*", "presence:"}, Subscribe: []string{"*", "presence:"}}, "presence:update", false, false},
		{"who comes neither", &websocket.Capabilities{Subscribe: []string{"*", "session:"}}, websocket.SessionConnected, false, false},
		{"presence alone", &websocket.Capabilities{Presence: true}, "chat", false, false},
		{"presence", &websocket.Capabilities{Presence: true}, "presence:update", true, true},
		{"who comes", &websocket.Capabilities{Presence: true}, websocket.UserLeft, false, true},
		{"an application's event", &websocket.Capabilities{Subscribe: []string{"user:"}}, "user:typing", false, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			require.Equal(t, row.publish, row.can.MayPublish(row.event), "publish")
			require.Equal(t, row.receive, row.can.MayReceive(row.event), "receive")
		})
	}
}

func TestCapabilities_Check(t *testing.T) {
	many := func(n int) []string { return strings.Split(strings.Repeat("x,", n-1)+"x", ",") }
	for _, c := range []*websocket.Capabilities{nil, {}, {Publish: many(32), Subscribe: many(32)}, {Publish: []string{strings.Repeat("x", 128)}}} {
		require.NoError(t, c.Check())
	}
	for _, c := range []*websocket.Capabilities{{Publish: many(33), Subscribe: many(32)}, {Publish: []string{""}},
		{Subscribe: []string{strings.Repeat("x", 129)}}, {Subscribe: []string{"\xff"}}} {
		require.Error(t, c.Check())
	}
}

// FuzzCapabilities: what is read is in bounds, says the same when it is read again, and opens only what it names.
func FuzzCapabilities(f *testing.F) {
	f.Add([]byte(`{"publish":["chat","cursor:"],"subscribe":["*"],"presence":true}`), "cursor:x")
	f.Add([]byte(`{"publish":[""]}`), "")
	f.Add([]byte(`null`), "presence:update")
	f.Add([]byte(`{"subscribe":[":"]}`), ":")
	f.Fuzz(func(t *testing.T, text []byte, event string) {
		c, err := websocket.ReadCapabilities(text)
		if err != nil {
			return
		}
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		same, err := websocket.ReadCapabilities(again)
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		may := [2]bool{c.MayPublish(event), c.MayReceive(event)}
		if [2]bool{same.MayPublish(event), same.MayReceive(event)} != may {
			t.Fatalf("%s is not %s", again, text)
		}
		if c == nil {
			return
		}
		named := func(list []string) bool {
			for _, name := range list {
				if name == "*" || name == event || strings.Contains(name, ":") && strings.HasPrefix(event, name) {
					return true
				}
			}
			return c.Presence
		}
		if may[0] && !named(c.Publish) || may[1] && !named(c.Subscribe) {
			t.Fatalf("%s opens %q", text, event)
		}
	})
}
