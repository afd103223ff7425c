package websocketserver_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"

	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver"
)

// FuzzServer_frames: any texts, a line each, of a recoverable client and of one that is not, in a room whose handler passes on
// all that comes, and sleeps when a line is empty. It never fails; each frame of its own is an object with an event; what a
// recoverable client is told of the log rises by one; what is kept is bounded; and it still serves others.
func FuzzServer_frames(f *testing.F) {
	for _, s := range []string{
		`{"event":"chat","n":1}` + "\n" + `{"event":"chat","n":1}` + "\n" + `{"event":"chat","n":3}`,
		`{"event":"presence:update","presence_id":"a","state":1,"clock":9007199254740991}` + "\n\n" + `{"event":"presence:request"}` + "\n" + `{"event":"presence:remove","presence_id":"a"}`,
		`{"event":"session:open","token":"x.y","seq":1,"rewind":5}` + "\n" + `{"event":"session:ack","seq":9}` + "\n" + `{"event":"history:get","before":3,"limit":1}`,
		`{"event":"token:refresh","token":"a.b.c"}` + "\n" + `{"event":"error"}` + "\n" + `{"event":"cursor:x","seq":7}` + "\n" + `{"event":"x","seq":7}`,
		"{\"event\":\"\xff\"}\n{\"event\":\"\\ud800\"}\nnull\n[]\n\x00",
		`{"event":"chat"}` + "\n" + strings.Repeat(`{"event":"chat","text":"`+strings.Repeat("x", 300)+`"}`+"\n", 20),
		`{"event":"x","y":` + nest(200) + `}`,
	} {
		f.Add([]byte(s), []byte(s))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		synctest.Test(t, func(t *testing.T) {
			c := gullible()
			c.Recovery = &websocketserver.Recovery{Messages: 8, Bytes: 2000}
			c.RateLimit.MaxTokens, c.RateLimit.EphemeralMaxTokens = 20, 20
			c.MaxMessage = 1000
			c.Tokens = joinTokens(t, joinKey)
			o := newObject(t, c)
			watch := o.recoverable("bob", "")
			clients := []*socket{o.recoverable("ann", ""), o.user("eve")}
			check := func() {
				for _, s := range append(clients, watch) {
					for _, text := range s.hear() {
						var m map[string]json.RawMessage
						if err := json.Unmarshal([]byte(text), &m); err != nil || len(m["event"]) < 3 || m["event"][0] != '"' {
							t.Fatalf("the room says %q: %v", text, err)
						}
						if _, err := websocket.ParseMessage([]byte(text)); err != nil {
							t.Fatalf("%q: %v", text, err)
						}
					}
					if s.closing {
						t.Fatalf("the room has closed a socket: %d %s", s.code, s.reason)
					}
				}
			}
			seq := int64(0)
			watch.received = func(text string) {
				m, err := websocket.ParseMessage([]byte(text))
				if err != nil {
					t.Fatalf("%q: %v", text, err)
				}
				switch n, numbered := m.Number("seq"); {
				case m.Event == websocket.SessionOpen || m.Event == websocket.SessionGap:
					t.Fatal(text)
				case m.Has("seq") && !numbered:
					t.Fatal(text)
				case numbered && n != seq+1:
					t.Fatalf("%d after %d: %q", n, seq, text)
				case numbered:
					seq = n
				}
			}
			for i, lines := range [][]byte{a, b} {
				for n, line := range strings.Split(string(lines), "\n") {
					if n == 60 {
						break
					}
					if line == "" {
						if err := o.start(); err != nil {
							t.Fatal(err)
						}
						continue
					}
					clients[i].say(line)
					clients[1-i].say(line)
					check()
				}
			}
			for table, most := range map[string]int{"websocket_log": 10, "websocket_sessions": 2, "websocket_unsent": 0, "durago_alarms": 1} {
				if n := len(o.texts(`SELECT 1 FROM sqlite_master WHERE name = '` + table + `'`)); n == 0 {
					continue
				}
				if n := len(o.texts(`SELECT 1 FROM ` + table)); n > most {
					t.Fatalf("%d rows of %s", n, table)
				}
			}
			for _, s := range o.sockets {
				if len(s.attachment) > 3<<10 {
					t.Fatalf("an attachment of %d bytes", len(s.attachment))
				}
			}
			if got := events(t, watch.o.user("cleo").hear()); len(got) != 1 {
				t.Fatal(got)
			}
			watch.received = nil
			if got := joined(watch.ask(`{"event":"chat","n":1}`)); !strings.Contains(got, `"message:ack"`) {
				t.Fatal(got)
			}
		})
	})
}

// nest is a list in a list in a list.
func nest(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
