//go:build !js

package websocketserver_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/host/hosttest/native"
	"durago.example/objects/websocket"
	"durago.example/testdata/guests/rooms/rooms"
)

// forked runs a scenario of the compiled room with leaves, which must see what it sees without.
func forked(t *testing.T, transcript string, f func(t *testing.T, h *hosttest.Host)) {
	t.Helper()
	t.Parallel()
	hosttest.Each(t, hosttest.Options{Config: guest, Native: native.Program(rooms.Program()), Bubble: true, Transcript: transcript}, f)
}

// TestScenario_leaves: the wire and recovery are the same where each object has one socket, or all are but a few on leaves.
func TestScenario_leaves(t *testing.T) {
	t.Run("wire", func(t *testing.T) { forked(t, "TestScenario_wire", wired("/leaves/1/")) })
	t.Run("recovery", func(t *testing.T) { forked(t, "TestScenario_recovery", recovered("/leaves/1/")) })
}

// TestScenario_leafSchedules plays them where each object has one socket.
func TestScenario_leafSchedules(t *testing.T) { playAll(t, "/leaves/1/") }

// TestScenario_leafSchedules_defects: each defect is caught there too.
func TestScenario_leafSchedules_defects(t *testing.T) { playDefects(t, "/leaves/1/") }

// TestScenario_leafDeath: the isolate of the room ends, and of what is on a leaf nothing is missing.
func TestScenario_leafDeath(t *testing.T) {
	t.Parallel()
	h := hosttest.Start(t, hosttest.Options{Config: guest})
	room := h.Object("WEBSOCKET", "fast")
	a, first := open(t, h, "ann", "/leaves/1/fast", "", 0)
	b, f := open(t, h, "bob", "/leaves/1/fast", "", 0)
	token := f["token"].(string)
	a.say(`{"event":"chat","text":"one","n":1}`)
	b.hears("chat")
	b.say(`{"event":"exit"}`)
	require.Equal(t, 1012, b.ended(), "whether the room has handled it cannot be told")
	post := func(text string) {
		require.NoError(t, websocket.Broadcast.Call(t.Context(), room, map[string]any{"event": "chat", "text": text}, nil))
	}
	post("two")
	b, f = open(t, h, "bob", "/leaves/1/fast", token, 1)
	require.Equal(t, true, f["resumed"])
	require.Equal(t, "two", frame(t, b.hears("chat"))["text"])
	for text := ""; text != "two"; { // the room's own sockets go on
		text, _ = frame(t, a.hear())["text"].(string)
	}
	for i, o := range []*hosttest.Object{h.Object("WEBSOCKET_LEAF", "1/fast"), room, h.Object("WEBSOCKET_LEAF", "1/fast")} {
		require.NoError(t, o.Hibernate())
		post(fmt.Sprint("later ", i))
		require.Equal(t, fmt.Sprint("later ", i), frame(t, b.hears("chat"))["text"], "the same connection")
	}
	h.Settle()
	h = h.Restart()
	b, f = open(t, h, "bob", "/leaves/1/fast", token, 3)
	require.Equal(t, true, f["resumed"])
	require.Equal(t, "later 1", frame(t, b.hears("chat"))["text"])
	require.Equal(t, "later 2", frame(t, b.hears("chat"))["text"])
	_, f = open(t, h, "ann", "/leaves/1/fast", first["token"].(string), 0)
	require.EqualValues(t, 1, f["n"])
}

// ended is the code with which the server closes.
func (v *visitor) ended() int {
	v.t.Helper()
	require.NoError(v.t, v.SetReadDeadline(time.Now().Add(10*time.Second)))
	for {
		_, _, err := v.ReadMessage()
		var closed *gorilla.CloseError
		if errors.As(err, &closed) {
			return closed.Code
		}
		require.NoError(v.t, err)
	}
}

// TestScenario_leafIdle: while nobody says anything, neither the room nor its leaves are in memory.
func TestScenario_leafIdle(t *testing.T) {
	t.Parallel()
	h := hosttest.Start(t, hosttest.Options{Config: guest, IdleAfter: 5 * time.Second})
	a, b := visit(t, h, "ann", "/leaves/1/acme"), visit(t, h, "bob", "/leaves/1/acme")
	a.hears("session:list", "session:connected")
	b.hears("session:list")
	room, leaf := h.Object("WEBSOCKET", "acme"), h.Object("WEBSOCKET_LEAF", "1/acme")
	require.True(t, room.InMemory() && leaf.InMemory())
	h.Advance(20 * time.Second)
	require.False(t, room.InMemory(), "the room")
	require.False(t, leaf.InMemory(), "the leaf")
	b.say(`{"event":"chat","text":"hi"}`)
	a.hears("chat")
	b.hears("chat")
	for range 8 { // bob pings, ann does not
		h.Advance(20 * time.Second)
		b.say(websocket.PingFrame)
		for frame(t, b.hear())["event"] != "pong" {
		}
	}
	require.Equal(t, websocket.CloseSilent, a.ended())
	users, err := websocket.GetUsers.Call(t.Context(), room)
	require.NoError(t, err)
	require.Len(t, users, 1)
	require.Equal(t, "bob", users[0].ID)
}

// TestScenario_leafKick: a room over five objects, and one that is not bound.
func TestScenario_leafKick(t *testing.T) {
	both(t, func(t *testing.T, h *hosttest.Host) {
		var all []*visitor
		for i := range 5 {
			v := visit(t, h, fmt.Sprint("u", i), "/leaves/1/acme")
			v.hears("session:list")
			for _, other := range all {
				other.hears("session:connected")
			}
			all = append(all, v)
		}
		room := h.Object("WEBSOCKET", "acme")
		h.Unrecorded(func() {
			list, err := websocket.GetActiveSessions.Call(t.Context(), room)
			require.NoError(t, err)
			require.Len(t, list, 5)
			done, err := websocket.Kick.Call(t.Context(), room, list[3].ID, "out")
			require.True(t, done && err == nil)
		})
		require.Equal(t, websocket.CloseKicked, all[3].ended())
		for i, v := range all {
			if i != 3 {
				v.hears("session:disconnected")
			}
		}
		all[4].say(`{"event":"presence:update","presence_id":"p","state":{"x":1},"clock":1}`)
		all[1].hears("presence:update")

		d := h.Dialer()
		_, resp, err := d.DialContext(t.Context(), address(h, "ann", "/leaves/1/unbound"), nil)
		require.Error(t, err)
		require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
		if !h.Workerd() && !h.Native() {
			require.Contains(t, h.Log(), `Options.Leaves is "NOWHERE", but this worker has no such binding: add a durable_objects binding`)
		}
	})
}
