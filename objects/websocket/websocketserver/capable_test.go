package websocketserver_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver"
)

// limited dials as a user with capabilities, in JSON; more is more metadata.
func (o *object) limited(user, can, more string, protocols ...string) *socket {
	s, w := o.upgrade(`{"room":"r","meta":{"user_id":"`+user+`"},"capabilities":`+can+more+`}`, "Sec-WebSocket-Protocol", strings.Join(protocols, ", "))
	require.NotNil(o.t, s, w.Body)
	return s
}

// only leaves frames of the application and errors.
func only(t testing.TB, frames []string) (list []string) {
	for _, f := range frames {
		switch m := frame(t, f); m["event"] {
		case "error":
			list = append(list, fmt.Sprint(m["status"], " ", m["n"]))
		case "message:ack":
			list = append(list, fmt.Sprint("ack ", m["n"]))
		default:
			list = append(list, m["event"].(string))
		}
	}
	return list
}

// TestServer_capabilities: what a session may send, and what it is sent, now and later.
func TestServer_capabilities(t *testing.T) {
	c := chat(websocketserver.Recovery{})
	reached := map[string]int{}
	handle := c.OnMessage
	c.OnMessage = func(ctx context.Context, room *websocketserver.Server, from *websocketserver.Session, m websocket.Message) (any, error) {
		reached[m.Event]++
		return handle(ctx, room, from, m)
	}
	t.Run("publish", bubble(c, func(t *testing.T, o *object) {
		clear(reached)
		all := o.user("bob")
		a := o.limited("ann", `{"publish":["chat","cursor:"],"subscribe":["chat"]}`, "")
		all.hear()
		require.Equal(t, []string{"chat"}, only(t, a.ask(say("one"))))
		require.Empty(t, a.ask(`{"event":"cursor:move"}`))
		require.Equal(t, []string{`{"event":"error","message":"You may not send this event here","status":403}`}, a.ask(`{"event":"tell","text":"x"}`))
		require.Equal(t, []string{"403 <nil>"}, only(t, a.ask(presence("p", 1))))
		require.Equal(t, []string{"403 <nil>"}, only(t, a.ask(`{"event":"presence:request","presence_id":"p"}`)))
		require.Equal(t, []string{"pong"}, only(t, a.ask(`{"event": "ping"}`)))
		require.Equal(t, map[string]int{"chat": 1, "cursor:move": 1}, reached)
		require.Equal(t, []string{"chat"}, only(t, all.hear()), "nothing else was relayed")
		require.NoError(t, o.start(), "asleep in between")
		require.Equal(t, []string{"403 <nil>"}, only(t, a.ask(`{"event":"tell","text":"x"}`)))
		require.Equal(t, []string{"chat"}, only(t, a.ask(say("two"))))
	}))
	t.Run("numbered", bubble(c, func(t *testing.T, o *object) {
		a := o.limited("ann", `{"publish":["chat"]}`, "", websocket.Recoverable)
		a.say(`{"event":"session:open"}`)
		require.Equal(t, []string{"403 1"}, only(t, a.ask(`{"event":"tell","text":"x","n":1}`)))
		require.Equal(t, []string{"403 1"}, only(t, a.ask(`{"event":"presence:reaction","n":1}`)))
		require.Equal(t, []string{"ack 1"}, only(t, a.ask(`{"event":"chat","text":"one","n":1}`)), "its number was free")
		require.Equal(t, []string{"ack 1"}, only(t, a.ask(`{"event":"tell","text":"x","n":1}`)), "it was handled before")
		require.Empty(t, a.ask(`{"event":"session:ack","seq":1}`))
		require.Equal(t, []string{"history"}, only(t, a.ask(`{"event":"history:get"}`)))
	}))
	t.Run("subscribe", bubble(c, func(t *testing.T, o *object) {
		all := o.user("bob")
		a := o.limited("ann", `{"publish":["*"],"subscribe":["chat","entity:"]}`, "", websocket.Recoverable)
		a.say(`{"event":"session:open"}`)
		first := opened(t, a.hear())
		all.say(`{"event":"tell","text":"one"}`)
		all.say(say("two"))
		all.say(`{"event":"presence:reaction"}`)
		require.NoError(t, websocket.Broadcast.Call(t.Context(), o, map[string]any{"event": "note"}, nil))
		require.NoError(t, websocket.EntityChanged.Call(t.Context(), o, websocket.Change{Action: websocket.Deleted, EntityType: "post", ID: "p"}))
		require.Equal(t, []string{"chat", "entity:deleted"}, only(t, a.hear()))
		ok, err := websocket.Send.Call(t.Context(), o, first.ID, map[string]any{"event": "note"})
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, []string{"note"}, only(t, a.hear()), "it is for it alone")
		require.Equal(t, []string{"told"}, only(t, a.ask(`{"event":"tell","text":"x"}`)), "as an answer is")

		a.close(1006)
		all.say(`{"event":"tell","text":"three"}`)
		all.say(say("four"))
		require.NoError(t, o.start())
		a = o.limited("ann", `{"subscribe":["tell"]}`, "", websocket.Recoverable)
		a.say(`{"event":"session:open","token":"` + first.Token + `","seq":0}`)
		require.Equal(t, []string{"session:open", "session:list", "tell", "note", "told", "tell"}, only(t, a.got), "by what it may now")
		history := frame(t, a.ask(`{"event":"history:get"}`)[0])["messages"].([]any)
		require.Len(t, history, 4)
		b := o.limited("cleo", `{"subscribe":["chat"]}`, "", websocket.Recoverable)
		b.say(`{"event":"session:open","rewind":10}`)
		require.Equal(t, []string{"session:open", "session:list", "chat", "chat"}, only(t, b.hear()))
	}))
	t.Run("presence", bubble(c, func(t *testing.T, o *object) {
		a := o.limited("ann", `{"publish":["*"],"subscribe":["*"]}`, "", websocket.Recoverable)
		a.say(`{"event":"session:open"}`)
		b := o.recoverable("bob", "")
		b.say(presence("b", 1))
		require.Equal(t, []string{"session:open", "session:list"}, only(t, a.hear()), "not who comes, nor where it is")
		blind := o.limited("eve", `{"subscribe":["*"]}`, "")
		list := frame(t, blind.hear()[0])
		require.Len(t, list["sessions"], 1, "itself")
		require.Equal(t, []string{"session:open", "session:list", "presence:update", "session:connected", "user:joined"}, only(t, b.hear()), "others see it")
		seeing := o.limited("dan", `{"presence":true}`, "")
		require.Len(t, frame(t, seeing.hear()[0])["sessions"], 4)
		require.Equal(t, []string{"presence:snapshot"}, only(t, seeing.ask(`{"event":"presence:request","presence_id":"d"}`)))
		b.close(1000)
		require.Equal(t, []string{"session:disconnected", "presence:remove"}, only(t, seeing.hear()))
		require.Empty(t, append(a.hear(), blind.hear()...))
	}))
	t.Run("kept with the socket", bubble(c, func(t *testing.T, o *object) {
		name := strings.Repeat("x", 100) + "%d"
		var names []string
		for i := range 60 {
			names = append(names, fmt.Sprintf(`"`+name+`"`, i))
		}
		can := `{"publish":[` + strings.Join(names, ",") + `]}`
		meta := strings.Repeat("m", websocket.MaxMeta-len(can)-200)
		a := o.limited("ann", can, `,"token_id":"`+meta+`"`)
		require.False(t, a.closing, a.reason)
		require.NoError(t, o.start())
		require.Equal(t, []string{"403 <nil>"}, only(t, a.ask(say("x"))))
		a.attachment = nil
		require.NoError(t, o.start())
		require.Equal(t, 1011, a.code)
	}))
}

// TestServer_capabilities_binary: frames that have no event are for those who may send, or are sent, everything.
func TestServer_capabilities_binary(t *testing.T) {
	c := chat(websocketserver.Recovery{})
	c.OnBinary = func(ctx context.Context, room *websocketserver.Server, from *websocketserver.Session, data []byte) error {
		return room.PublishBinary(ctx, data, nil)
	}
	bubble(c, func(t *testing.T, o *object) {
		all := o.user("bob")
		sends := o.limited("ann", `{"publish":["*"],"subscribe":["chat"]}`, "")
		hears := o.limited("eve", `{"publish":["chat"],"subscribe":["*"]}`, "")
		binary := func(from *socket) {
			all.hear()
			sends.hear()
			hears.hear()
			o.event(func() { require.NoError(t, o.instance.SocketMessage(t.Context(), from.handle, false, []byte("raw"))) })
		}
		binary(sends)
		require.Equal(t, [3]int{1, 0, 1}, [3]int{len(all.hear()), len(sends.hear()), len(hears.hear())})
		binary(hears)
		require.Equal(t, []string{`{"event":"error","message":"You may not send binary frames here","status":403}`}, hears.hear())
		require.Empty(t, all.hear())
	})(t)
}
