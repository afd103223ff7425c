//go:build !js

package websocketserver_test

import (
	"io"
	"strings"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/objects/websocket"
	"durago.example/testdata/guests/rooms/rooms"
)

// ticket mints a token for ann in acme, for a time from now.
func ticket(t *testing.T, h *hosttest.Host, d time.Duration, change func(*websocket.JoinToken)) string {
	t.Helper()
	j := websocket.JoinToken{ID: "t", Identity: websocket.Identity{Room: "acme", Meta: websocket.UserMeta{UserID: "ann"}, Expires: h.Now().Add(d),
		Capabilities: &websocket.Capabilities{Publish: []string{"count"}, Subscribe: []string{"chat"}}}}
	if change != nil {
		change(&j)
	}
	text, err := rooms.Tokens().Mint(j)
	require.NoError(t, err)
	return text
}

// knock offers a token, without any other sign of who it is; status is 101 for a welcome.
func knock(t *testing.T, h *hosttest.Host, query, token string, protocols ...string) (v *visitor, status int) {
	t.Helper()
	d := h.Dialer()
	d.Subprotocols = append(protocols, websocket.TokenProtocol+token)
	c, resp, err := d.DialContext(t.Context(), "ws"+strings.TrimPrefix(h.URL, "http")+"/api/websocket"+query, nil)
	require.NotNil(t, resp, "%v", err)
	if err != nil {
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		h.Record("%d %s", resp.StatusCode, b)
		return nil, resp.StatusCode
	}
	t.Cleanup(func() { _ = c.Close() })
	h.Record("%d %s", resp.StatusCode, c.Subprotocol())
	return &visitor{c, t, h, "ann"}, resp.StatusCode
}

// expires reads a frame that says how long is left, which is not always the same.
func (v *visitor) expires() {
	v.t.Helper()
	v.h.Unrecorded(func() { v.hears("token:expires") })
}

// closed is the code with which the room closes.
func (v *visitor) closed() int {
	v.t.Helper()
	require.NoError(v.t, v.SetReadDeadline(time.Now().Add(20*time.Second)))
	_, b, err := v.ReadMessage()
	var closed *gorilla.CloseError
	require.ErrorAs(v.t, err, &closed, "%s", b)
	v.h.Record("%s is closed: %d %s", v.name, closed.Code, closed.Text)
	return closed.Code
}

// TestScenario_tokens: who comes in by a token, as what, and for how long.
func TestScenario_tokens(t *testing.T) {
	both(t, func(t *testing.T, h *hosttest.Host) {
		good := ticket(t, h, time.Hour, nil)
		for _, row := range []struct {
			query, token string
			status       int
		}{
			{"", good + "x", 401}, {"", "", 400}, {"", strings.Repeat("x", websocket.MaxToken+1), 400}, {"?room=other", good, 403},
			{"", ticket(t, h, -time.Minute, nil), 401},
			{"", ticket(t, h, time.Hour, func(j *websocket.JoinToken) { j.NotBefore = h.Now().Add(time.Minute) }), 401},
		} {
			_, status := knock(t, h, row.query, row.token, websocket.Recoverable)
			require.Equal(t, row.status, status, "%+v", row)
		}
		b := visit(t, h, "bob", "")
		b.hears("session:list")

		a, _ := knock(t, h, "", good, websocket.Recoverable)
		require.Equal(t, websocket.Recoverable, a.Subprotocol())
		a.say(`{"event":"session:open"}`)
		token := frame(t, a.hears("session:open"))["token"].(string)
		require.Len(t, frame(t, a.hears("session:list"))["sessions"], 1)
		a.expires()
		b.hears("session:connected")
		b.say(`{"event":"chat","text":"hi"}`)
		a.hears("chat")
		b.hears("chat")
		a.say(`{"event":"chat","text":"hi","n":1}`)
		require.EqualValues(t, 403, frame(t, a.hears("error"))["status"])
		require.NoError(t, h.Object("WEBSOCKET", "acme").Hibernate())
		a.say(`{"event":"chat","text":"hi"}`)
		require.EqualValues(t, 403, frame(t, a.hears("error"))["status"])
		a.say(`{"event":"count","n":1}`)
		a.hears("count", "message:ack")

		a.say(`{"event":"token:refresh","token":"` + ticket(t, h, time.Hour, func(j *websocket.JoinToken) { j.Meta = websocket.UserMeta{UserID: "bob"} }) + `"}`)
		require.EqualValues(t, 403, frame(t, a.hears("error"))["status"])
		a.say(`{"event":"token:refresh","token":"` + ticket(t, h, 2*time.Second-websocket.ClockSkew, func(j *websocket.JoinToken) { j.Capabilities = nil }) + `"}`)
		a.expires()
		a.say(`{"event":"chat","text":"now","n":2}`)
		a.hears("chat", "message:ack")
		b.hears("chat")
		require.NoError(t, h.Object("WEBSOCKET", "acme").Hibernate())
		h.Wait(2500 * time.Millisecond)
		require.Equal(t, websocket.CloseExpired, a.closed())
		h.Unrecorded(func() { b.hears("session:disconnected") }) // user:left is for recoverable clients

		a, _ = knock(t, h, "", good, websocket.Recoverable)
		a.say(`{"event":"session:open","seq":2,"token":"` + token + `"}`)
		require.Equal(t, true, frame(t, a.hears("session:open"))["resumed"])
	})
}

// TestScenario_ban: over hibernation and a restart.
func TestScenario_ban(t *testing.T) {
	both(t, func(t *testing.T, h *hosttest.Host) {
		room := h.Object("WEBSOCKET", "acme")
		a, _ := knock(t, h, "", ticket(t, h, time.Hour, nil), websocket.Plain)
		require.Equal(t, websocket.Plain, a.Subprotocol())
		a.hears("session:list")
		a.expires()
		require.NoError(t, room.Hibernate())
		n, err := websocket.Ban.Call(t.Context(), room, "ann", time.Hour.Milliseconds(), "spam")
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		require.Equal(t, websocket.CloseKicked, a.closed())
		h.Settle()
		h = h.Restart()
		room = h.Object("WEBSOCKET", "acme")
		_, status := knock(t, h, "", ticket(t, h, time.Hour, nil), websocket.Recoverable)
		require.Equal(t, 403, status)
		h.Unrecorded(func() {
			list, err := websocket.GetBans.Call(t.Context(), room)
			require.NoError(t, err)
			require.Len(t, list, 1)
			require.Equal(t, "ann", list[0].User)
			require.InDelta(t, h.Now().Add(time.Hour).UnixMilli(), list[0].UntilMS, 60_000)
		})
		done, err := websocket.Unban.Call(t.Context(), room, "ann")
		require.NoError(t, err)
		require.True(t, done)
		_, status = knock(t, h, "", ticket(t, h, time.Hour, nil), websocket.Recoverable)
		require.Equal(t, 101, status)
	})
}
