//go:build !js

package websocketserver_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/objects/websocket"
)

func (v *visitor) sayBinary(data []byte) {
	v.t.Helper()
	require.NoError(v.t, v.WriteMessage(gorilla.BinaryMessage, data))
}

// hearBinary is the next frame, which must be binary.
func (v *visitor) hearBinary() []byte {
	v.t.Helper()
	require.NoError(v.t, v.SetReadDeadline(time.Now().Add(10*time.Second)))
	kind, b, err := v.ReadMessage()
	require.NoError(v.t, err)
	require.Equal(v.t, gorilla.BinaryMessage, kind, "%.100s", b)
	v.h.Record("%s hears %d bytes", v.name, len(b))
	return b
}

// TestScenario_binary: in a room that takes them binary frames go to the others as they are, within their bounds.
func TestScenario_binary(t *testing.T) {
	both(t, func(t *testing.T, h *hosttest.Host) {
		a, b := visit(t, h, "ann", "binary"), visit(t, h, "bob", "binary")
		a.hears("session:list", "session:connected")
		b.hears("session:list")
		opaque := []byte("\x00\xff{\"event\":\"ping\"}")
		a.sayBinary(opaque)
		require.Equal(t, opaque, b.hearBinary())
		a.sayBinary([]byte(websocket.PingFrame)) // which is a ping as text alone
		require.Equal(t, websocket.PingFrame, string(b.hearBinary()))
		longest := bytes.Repeat([]byte("x"), 65_536)
		a.sayBinary(longest)
		require.Equal(t, longest, b.hearBinary())
		a.sayBinary(append(longest, 'x'))
		require.EqualValues(t, 413, frame(t, a.hears("error"))["status"])
		a.sayBinary(nil)
		require.EqualValues(t, 422, frame(t, a.hears("error"))["status"], "the application's")
		require.NoError(t, h.Object("WEBSOCKET", "binary").Hibernate())
		for i := range 55 {
			a.sayBinary([]byte{byte(i)})
			require.Equal(t, []byte{byte(i)}, b.hearBinary())
		}
		a.sayBinary([]byte("one more"))
		require.EqualValues(t, 429, frame(t, a.hears("error"))["status"], "60 at once, those that were refused too")
		a.say(`{"event":"chat","text":"not one of them"}`)
		a.hears("chat")
		b.hears("chat")
	})
}

// TestScenario_binary_recovery: they have no number, are not sent again, and wait for the session.
func TestScenario_binary_recovery(t *testing.T) {
	both(t, func(t *testing.T, h *hosttest.Host) {
		early := visit(t, h, "eve", "binary", websocket.Recoverable)
		early.sayBinary([]byte("x"))
		require.EqualValues(t, 409, frame(t, early.hears("error"))["status"])
		a, f := open(t, h, "ann", "binary", "", 0)
		b, _ := open(t, h, "bob", "binary", "", 0)
		a.hears("session:connected", "user:joined")
		b.sayBinary([]byte("lost"))
		require.Equal(t, "lost", string(a.hearBinary()))
		b.say(`{"event":"chat","text":"kept","n":1}`)
		b.hears("chat", "message:ack")
		a.hears("chat")
		require.NoError(t, a.Close())
		b.hears("session:disconnected", "user:left")
		b.sayBinary([]byte("lost too"))
		b.say(`{"event":"chat","text":"kept too","n":2}`)
		require.EqualValues(t, 2, frame(t, b.hears("chat"))["seq"])
		b.hears("message:ack")
		a, f = open(t, h, "ann", "binary", f["token"].(string), 0)
		require.Equal(t, true, f["resumed"])
		require.Equal(t, "kept", frame(t, a.hears("chat"))["text"])
		require.Equal(t, "kept too", frame(t, a.hears("chat"))["text"])
	})
}

// TestRoom_deflate: a room's frames are deflated for those who have offered it, and for nobody else.
func TestRoom_deflate(t *testing.T) {
	h := hosttest.Start(t, hosttest.Options{Config: guest})
	d := h.Dialer()
	d.EnableCompression = true
	c, resp, err := d.DialContext(t.Context(), fmt.Sprintf("ws%s/api/websocket?user=ann&room=acme", strings.TrimPrefix(h.URL, "http")), nil)
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, "permessage-deflate; server_no_context_takeover; client_no_context_takeover", resp.Header.Get("Sec-WebSocket-Extensions"))
	a, b := &visitor{c, t, h, "ann"}, visit(t, h, "bob", "")
	a.hears("session:list", "session:connected")
	b.hears("session:list")
	text := `{"event":"chat","text":"` + strings.Repeat("deflate ", 1000) + `"}`
	for range 2 {
		a.say(text)
		require.Equal(t, text, a.hear())
		require.Equal(t, text, b.hear())
	}
}
