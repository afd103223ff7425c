//go:build !js

package websocketserver_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/host/hosttest/native"
	"durago.example/objects/websocket"
	"durago.example/testdata/guests/rooms/rooms"
)

const guest = "../../../testdata/guests/rooms/wrangler.toml"

// both runs a scenario of the compiled room on the host and on workerd.
func both(t *testing.T, f func(t *testing.T, h *hosttest.Host)) {
	t.Helper()
	t.Parallel()
	hosttest.Each(t, hosttest.Options{Config: guest, Native: native.Program(rooms.Program()), Bubble: true}, f)
}

// visitor is a client of the compiled room.
type visitor struct {
	*gorilla.Conn
	t    *testing.T
	h    *hosttest.Host
	name string
}

// visit opens a socket through the handler. room may be preceded by where the handler is, as in "/leaves/1/acme".
func visit(t *testing.T, h *hosttest.Host, user, room string, protocols ...string) *visitor {
	t.Helper()
	d := h.Dialer()
	d.Subprotocols = protocols
	c, resp, err := d.DialContext(t.Context(), address(h, user, room), nil)
	require.NoError(t, err, "%+v", resp)
	t.Cleanup(func() { _ = c.Close() })
	if len(protocols) > 0 {
		require.Equal(t, protocols[0], c.Subprotocol())
	}
	return &visitor{c, t, h, user}
}

func address(h *hosttest.Host, user, room string) string {
	i := strings.LastIndex(room, "/") + 1
	return "ws" + strings.TrimPrefix(h.URL, "http") + strings.TrimSuffix(room[:i], "/") + "/api/websocket?user=" + user + "&room=" + room[i:]
}

func (v *visitor) say(text string) {
	v.t.Helper()
	require.NoError(v.t, v.WriteMessage(gorilla.TextMessage, []byte(text)))
}

var unguessable = regexp.MustCompile(`[A-Z2-7]{26}`)

// hear is the next frame, which is recorded without what is random.
func (v *visitor) hear() string {
	v.t.Helper()
	require.NoError(v.t, v.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, b, err := v.ReadMessage()
	require.NoError(v.t, err)
	v.h.Record("%s hears %s", v.name, unguessable.ReplaceAllString(string(b), "…"))
	return string(b)
}

// hears reads frames of these events.
func (v *visitor) hears(events ...string) (last string) {
	v.t.Helper()
	for _, e := range events {
		last = v.hear()
		require.Equal(v.t, e, frame(v.t, last)["event"])
	}
	return last
}

// sleep takes the room out of memory, and its first leaf if it has leaves; there must be sockets.
func sleep(t *testing.T, h *hosttest.Host, site string) {
	t.Helper()
	require.NoError(t, h.Object("WEBSOCKET", "acme").Hibernate())
	if site != "" {
		require.NoError(t, h.Object("WEBSOCKET_LEAF", "1/acme").Hibernate())
	}
}

// TestScenario_wire is the original's protocol, from outside.
func TestScenario_wire(t *testing.T) { both(t, wired("")) }

// wired is the scenario where a handler is.
func wired(site string) func(*testing.T, *hosttest.Host) {
	return func(t *testing.T, h *hosttest.Host) {
		room := h.Object("WEBSOCKET", "acme")
		a := visit(t, h, "ann", site)
		a.hears("session:list")
		b := visit(t, h, "bob", site+"acme")
		require.Len(t, frame(t, b.hears("session:list"))["sessions"], 2)
		require.EqualValues(t, 2, frame(t, a.hears("session:connected"))["num_connections"])

		for _, f := range []string{`{}`, `nope`, `null`, `{"event":"x","pad":"` + strings.Repeat("y", 65_537-22) + `"}`} {
			a.say(f)
			a.hears("error")
		}
		require.NoError(t, a.WriteMessage(gorilla.BinaryMessage, []byte(`{"event":"chat"}`)))
		a.hears("error")
		a.say(websocket.PingFrame)
		a.hears("pong")
		a.say(`{"event":"chat","text":"hi"}`)
		a.hears("chat")
		b.hears("chat")
		sleep(t, h, site)
		a.say(`{"event":"count"}`)
		require.EqualValues(t, 1, frame(t, a.hears("count"))["n"], "pings and what is malformed reach no handler")
		a.say(`{"event":"presence:update","presence_id":"p","state":{"x":1},"clock":1}`)
		a.hears("presence:update")
		b.hears("presence:update")
		b.say(`{"event":"presence:request","presence_id":"q"}`)
		b.hears("presence:snapshot")
		sleep(t, h, site)

		require.NoError(t, websocket.EntityChanged.Call(t.Context(), room, websocket.Change{Action: websocket.Updated, EntityType: "post", ID: "p1", Data: map[string]any{"title": "é"}}))
		b.hears("entity:updated")
		require.NoError(t, websocket.Broadcast.Call(t.Context(), room, map[string]any{"event": "note"}, nil))
		a.hears("note")
		b.hears("note")
		h.Unrecorded(func() {
			users, err := websocket.GetUsers.Call(t.Context(), room)
			require.NoError(t, err)
			require.Len(t, users, 2)
			sessions, err := websocket.GetActiveSessions.Call(t.Context(), room)
			require.NoError(t, err)
			require.Equal(t, map[string]any{"user_id": "bob", "user_name": "É bob"}, sessions[1].Meta)
			ok, err := websocket.Send.Call(t.Context(), room, sessions[0].ID, map[string]any{"event": "private"})
			require.NoError(t, err)
			require.True(t, ok)
		})
		a.hears("private")

		require.NoError(t, a.WriteMessage(gorilla.CloseMessage, gorilla.FormatCloseMessage(1001, "")))
		b.hears("session:disconnected", "presence:remove")
		_, _, err := a.ReadMessage()
		var closed *gorilla.CloseError
		require.ErrorAs(t, err, &closed)
		h.Record("closed: %d", closed.Code)
	}
}

// TestScenario_rate is the burst of §12.3, on real seconds where there are no others.
func TestScenario_rate(t *testing.T) {
	both(t, func(t *testing.T, h *hosttest.Host) {
		a := visit(t, h, "ann", "")
		a.hears("session:list")
		room := h.Object("WEBSOCKET", "acme")
		for range 30 {
			a.say(`{"event":"x"}`)
		}
		a.say(`{"event":"x"}`)
		require.EqualValues(t, 429, frame(t, a.hears("error"))["status"])
		require.NoError(t, room.Hibernate())
		a.say(`{"event":"x"}`)
		require.EqualValues(t, 429, frame(t, a.hears("error"))["status"], "asleep it was not filled")
		h.Wait(10*time.Second + 50*time.Millisecond)
		a.say(`{"event":"chat","text":"one more"}`)
		a.hears("chat")
		for range 60 {
			a.say(`{"event":"presence:reaction"}`)
			a.hears("presence:reaction")
		}
	})
}

// TestScenario_statuses: who is not let in.
func TestScenario_statuses(t *testing.T) {
	both(t, func(t *testing.T, h *hosttest.Host) {
		for _, row := range []struct {
			query, origin, upgrade string
			status                 int
		}{
			{"?user=ann", "", "", 426}, {"", "", "websocket", 401}, {"?user=ann&room=closed", "", "websocket", 403},
			{"?user=ann", "https://evil.example", "websocket", 403}, {"?user=ann&room=%01", "", "websocket", 400},
		} {
			r, err := http.NewRequest("GET", h.URL+"/api/websocket"+row.query, nil)
			require.NoError(t, err)
			if row.upgrade != "" {
				for k, v := range map[string]string{"Upgrade": row.upgrade, "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
					r.Header.Set(k, v)
				}
			}
			if row.origin != "" {
				r.Header.Set("Origin", row.origin)
			}
			resp, err := h.Client().Do(r)
			require.NoError(t, err)
			b, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, row.status, resp.StatusCode, "%+v: %s", row, b)
			h.Record("%s %s: %d %s", row.query, row.origin, resp.StatusCode, b)
		}
	})
}

// open opens a recoverable session and returns its first frame.
func open(t *testing.T, h *hosttest.Host, user, room, token string, seq int64) (*visitor, map[string]any) {
	v := visit(t, h, user, room, websocket.Recoverable)
	v.say(fmt.Sprintf(`{"event":"session:open","token":%q,"seq":%d}`, token, seq))
	f := frame(t, v.hears("session:open"))
	v.hears("session:list")
	return v, f
}

// TestScenario_recovery: a session over a broken connection, hibernation and a restart.
func TestScenario_recovery(t *testing.T) { both(t, recovered("")) }

// recovered is the scenario where a handler is.
func recovered(site string) func(*testing.T, *hosttest.Host) {
	return func(t *testing.T, h *hosttest.Host) {
		a, f := open(t, h, "ann", site, "", 0)
		token := f["token"].(string)
		require.Equal(t, false, f["resumed"])
		a.say(`{"event":"chat","text":"one","n":1}`)
		a.hears("chat", "message:ack")
		a.say(`{"event":"chat","text":"one","n":1}`)
		require.Equal(t, true, frame(t, a.hears("message:ack"))["again"])
		a.say(`{"event":"slow","n":2}`)
		require.EqualValues(t, 422, frame(t, a.hears("error"))["status"])
		require.NoError(t, h.Object("WEBSOCKET", "acme").Hibernate())
		a.say(`{"event":"chat","text":"two","n":2}`)
		a.hears("chat", "message:ack")
		require.NoError(t, a.Close())

		b := visit(t, h, "bob", site)
		h.Unrecorded(func() { b.hears("session:list") }) // the other may be there still
		b.say(`{"event":"chat","text":"three"}`)
		h.Unrecorded(func() {
			for frame(t, b.hear())["event"] != "chat" {
			}
		})
		a, f = open(t, h, "ann", site, token, 2)
		require.Equal(t, true, f["resumed"])
		require.EqualValues(t, 2, f["n"])
		require.EqualValues(t, 3, frame(t, a.hears("chat"))["seq"])

		h.Settle()
		h = h.Restart()
		a, f = open(t, h, "ann", site, token, 1)
		require.Equal(t, true, f["resumed"])
		require.Equal(t, "two", frame(t, a.hears("chat"))["text"])
		require.Equal(t, "three", frame(t, a.hears("chat"))["text"])
		a.say(`{"event":"chat","text":"two","n":2}`)
		require.Equal(t, true, frame(t, a.hears("message:ack"))["again"], "it was handled before")
		a.say(`{"event":"count"}`)
		require.EqualValues(t, 3, frame(t, a.hears("count"))["n"])
		_, f = open(t, h, "eve", site, token, 0)
		require.Equal(t, false, f["resumed"], "another's token")
		a.say(`{"event":"history:get","limit":2}`)
		var history string
		for history == "" {
			if m := a.hear(); frame(t, m)["event"] == "history" {
				history = m
			}
		}
		var all struct{ Messages []json.RawMessage }
		require.NoError(t, json.Unmarshal([]byte(history), &all))
		require.Len(t, all.Messages, 2)
	}
}

// TestScenario_silence: the host's clock passes over a client that says nothing.
func TestScenario_silence(t *testing.T) {
	t.Parallel()
	h := hosttest.Start(t, hosttest.Options{Config: guest})
	a, b := visit(t, h, "ann", ""), visit(t, h, "bob", "")
	b.hears("session:list")
	a.hears("session:list", "session:connected")
	require.NoError(t, h.Object("WEBSOCKET", "acme").Hibernate())
	for range 5 {
		h.Advance(15 * time.Second)
		b.say(websocket.PingFrame)
		if f := b.hear(); frame(t, f)["event"] != "pong" {
			require.Equal(t, "session:disconnected", frame(t, f)["event"])
			b.hears("pong")
			break
		}
	}
	require.NoError(t, a.SetReadDeadline(time.Now().Add(5*time.Second)))
	_, _, err := a.ReadMessage()
	var closed *gorilla.CloseError
	require.ErrorAs(t, err, &closed)
	require.Equal(t, websocket.CloseSilent, closed.Code)
}

// TestScenario_inTurn: where messages are handled in a turn, one whose handler waits fails, and is undone.
func TestScenario_inTurn(t *testing.T) {
	both(t, func(t *testing.T, h *hosttest.Host) {
		for _, room := range []string{"fast", "fast-turn"} {
			a := visit(t, h, "ann", room, websocket.Recoverable)
			a.say(`{"event":"session:open"}`)
			a.hears("session:open", "session:list")
			a.say(`{"event":"chat","text":"one","n":1}`)
			a.hears("chat", "message:ack")
			a.say(`{"event":"wait","n":2}`)
			if room == "fast" {
				a.hears("message:ack")
			} else {
				require.EqualValues(t, 500, frame(t, a.hears("error"))["status"])
			}
			a.say(`{"event":"chat","text":"two","n":2}`)
			if room == "fast" {
				a.hears("message:ack")
			} else {
				a.hears("chat", "message:ack")
			}
			require.NoError(t, h.Object("WEBSOCKET", room).Hibernate())
			a.say(`{"event":"count","n":3}`)
			a.hears("count", "message:ack")
		}
	})
}
