package websocketserver_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver"
)

// relayAll passes on whatever a client sends.
func relayAll(ctx context.Context, room *websocketserver.Server, _ *websocketserver.Session, m websocket.Message) (any, error) {
	_, err := room.Publish(ctx, m, nil)
	return nil, err
}

// gullible is a room that passes on whatever a client sends, to everybody.
func gullible() websocketserver.Config {
	c := chat(websocketserver.Recovery{})
	c.RateLimit.Ephemeral = []string{"cursor:"}
	c.OnMessage = relayAll
	return c
}

// TestServer_forged: what a client may not say even where the handler passes everything on, because the others would believe
// that the room has said it.
func TestServer_forged(t *testing.T) {
	for _, row := range []struct{ frame, want string }{
		{`{"event":"session:gap","from":1,"to":9007199254740991}`, "403"},
		{`{"event":"session:\u0067ap"}`, "403"},
		{`{"event":"message:ack","n":1}`, "403"},
		{`{"event":"history","messages":[]}`, "403"},
		{`{"event":"presence:again"}`, "403"},
		{`{"event":"presence:snapshot","peers":[]}`, "403"},
		{`{"event":"user:left","user":"bob"}`, "403"},
		{`{"event":"user:joined","user":"bob"}`, "403"},
		{`{"event":"token:expires","in_ms":0}`, "403"},
		{`{"event":"session:list","sessions":[]}`, "403"},
		{`{"event":"session:connected"}`, "403"},
		{`{"event":"session:disconnected"}`, "403"},
		{`{"event":"error","status":413,"message":"1"}`, "403"},
		{`{"event":"x","event":"error"}`, "403"},
		{`{"event":"cursor:at","seq":9007199254740991}`, "400"},
		{`{"event":"cursor:at","s\u0065q":9007199254740991}`, "400"},
		{`{"event":"presence:update","presence_id":"p","clock":1,"seq":5}`, "400"},
		{`{"event":"presence:update","presence_id":"\ud800","clock":1}`, "400"},
		{`{"event":"presence:remove","presence_id":"a\udfff"}`, "400"},
	} {
		for _, recoverable := range []bool{false, true} {
			t.Run(fmt.Sprint(row.frame, recoverable), bubble(gullible(), func(t *testing.T, o *object) {
				b := o.recoverable("bob", "")
				a := o.user("ann")
				if recoverable {
					a = o.recoverable("ann", "")
				}
				b.hear()
				require.Equal(t, row.want, status(t, a.ask(row.frame)))
				require.Empty(t, b.hear())
				if recoverable {
					numbered := strings.TrimSuffix(row.frame, "}") + `,"n":1}`
					m := frame(t, a.ask(numbered)[0])
					require.Equal(t, "error", m["event"])
					require.EqualValues(t, 1, m["n"], "the number is free again")
					require.Contains(t, joined(a.ask(`{"event":"chat","n":1}`)), `"message:ack","n":1}`)
				}
			}))
		}
	}
	t.Run("presence past its rules", bubble(gullible(), func(t *testing.T, o *object) {
		a, b := o.recoverable("ann", ""), o.recoverable("bob", "")
		a.say(presence("a1", 1))
		a.hear()
		for _, event := range []string{"update", "remove", "reaction", "request"} {
			require.Equal(t, "400", status(t, b.ask(`{"event":"presence:`+event+`","presence_id":"a1","clock":9,"n":1}`)))
		}
		require.Empty(t, a.hear())
	}))
	t.Run("a number is the room's", bubble(gullible(), func(t *testing.T, o *object) {
		a, b := o.recoverable("ann", ""), o.recoverable("bob", "")
		b.hear()
		a.say(`{"event":"chat","seq":9007199254740991}`)
		require.EqualValues(t, 1, frame(t, b.hear()[0])["seq"])
	}))
	t.Run("an opening", bubble(gullible(), func(t *testing.T, o *object) {
		b, a := o.recoverable("bob", ""), o.user("ann")
		b.hear()
		require.Equal(t, "403", status(t, a.ask(`{"event":"session:open","token":"x"}`)))
		require.Empty(t, b.hear())
	}))
	t.Run("without recovery they are the application's", bubble(websocketserver.Config{OnMessage: relayAll}, func(t *testing.T, o *object) {
		a := o.user("ann")
		for _, event := range []string{"history", "message:ack", "session:open", "user:joined", "presence:snapshot"} {
			require.Equal(t, []string{event}, events(t, a.ask(`{"event":"`+event+`","seq":1}`)))
		}
	}))
}

// TestServer_depth: what is nested too deep for readers is read by none.
func TestServer_depth(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	t.Run("frames", bubble(websocketserver.Config{OnMessage: relayAll}, func(t *testing.T, o *object) {
		a := o.user("ann")
		require.Equal(t, []string{"x"}, events(t, a.ask(`{"event":"x","y":`+nested(websocket.MaxDepth-1)+`}`)))
		for _, n := range []int{websocket.MaxDepth, 9_000} {
			require.Equal(t, []string{`{"event":"error","message":"Message nested too deep (max 128)","status":400}`}, a.ask(`{"event":"x","y":`+nested(n)+`}`))
		}
		require.Equal(t, []string{`{"event":"error","message":"Could not parse message","status":400}`}, a.ask(`{"event":"x","y":`+nested(20_000)+`}`))
		require.False(t, a.closing)
	}))
	t.Run("metadata", bubble(websocketserver.Config{}, func(t *testing.T, o *object) {
		o.user("bob")
		s, w := o.upgrade(`{"meta":` + nested(websocket.MaxDepth) + `}`)
		require.Nil(t, s)
		require.Equal(t, 400, w.Code)
		s, _ = o.upgrade(`{"meta":` + nested(websocket.MaxDepth-1) + `}`)
		require.NotNil(t, s)
		list, err := websocket.GetActiveSessions.Call(t.Context(), o)
		require.NoError(t, err)
		require.Len(t, list, 2)
	}))
}

// TestServer_crowd: one user leaves room for others, of connections and of sessions that wait.
func TestServer_crowd(t *testing.T) {
	c := chat(websocketserver.Recovery{})
	c.MaxSessions, c.MaxOfUser = 10, 3
	t.Run("connections", bubble(c, func(t *testing.T, o *object) {
		bad := []*socket{o.user("eve"), o.recoverable("eve", "")}
		s, _ := o.upgrade(`{"meta":{"user_id":"eve"}}`, "Sec-WebSocket-Protocol", websocket.Recoverable) // which opens no session
		bad = append(bad, s)
		for range 2 {
			s, w := o.upgrade(`{"meta":{"user_id":"eve"}}`)
			require.Nil(t, s)
			require.Equal(t, 429, w.Code)
			require.Equal(t, "10", w.Header().Get("Retry-After"))
			require.JSONEq(t, `{"status":429,"message":"Too many connections of one user"}`, w.Body.String())
			require.NoError(t, o.start()) // asleep they count too
		}
		o.user("ann")
		for range 6 { // who is nobody is no one user
			s, _ := o.upgrade(`{"meta":{}}`)
			require.NotNil(t, s)
		}
		_, w := o.upgrade(`{"meta":{"user_id":"bob"}}`)
		require.Equal(t, 503, w.Code)
		bad[2].close(1006)
		o.user("eve")
	}))
	t.Run("sessions that wait", bubble(c, func(t *testing.T, o *object) {
		a := o.recoverable("ann", "")
		token := opened(t, a.hear()).Token
		a.close(1006)
		for range 200 {
			time.Sleep(time.Millisecond)
			o.recoverable("eve", "").close(1006)
		}
		require.LessOrEqual(t, len(o.texts(`SELECT id FROM websocket_sessions`)), 22)
		require.True(t, opened(t, o.recoverable("ann", `,"token":"`+token+`"`).hear()).Resumed, "the others' sessions ended, not hers")
	}))
	for users := range 3 {
		t.Run(fmt.Sprint("those end that would have ended first, ", users), bubble(c, func(t *testing.T, o *object) {
			tokens := map[string]string{}
			for i := range 25 {
				user := fmt.Sprint("u", 99-i%(1+12*users))
				time.Sleep(time.Millisecond)
				s := o.recoverable(user, "")
				tokens[fmt.Sprint(i)] = opened(t, s.hear()).Token
				s.close(1006)
			}
			resumes := func(i int) bool {
				return opened(t, o.recoverable(fmt.Sprint("u", 99-i%(1+12*users)), `,"token":"`+tokens[fmt.Sprint(i)]+`"`).hear()).Resumed
			}
			require.False(t, resumes(0))
			require.True(t, resumes(24))
		}))
	}
	t.Run("no bound below one", bubble(c, func(t *testing.T, o *object) {
		o.config.MaxOfUser = -1
		require.ErrorContains(t, o.start(), "MaxOfUser -1 and Keys 10000 must be positive")
	}))
}

// TestServer_untouched: a room that nothing was written into has no tables, whatever was asked of it.
func TestServer_untouched(t *testing.T) {
	c := chat(websocketserver.Recovery{})
	c.SilentAfter = -1
	c.MaxOfUser = 1
	bubble(c, func(t *testing.T, o *object) {
		tables := func() string {
			return strings.Join(o.texts(`SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`), " ")
		}
		for _, meta := range []string{"nope", "[]"} {
			s, _ := o.upgrade(meta)
			require.Nil(t, s)
		}
		_, w := o.upgrade(`{"meta":{"user_id":"ann"}}`, "Upgrade", "")
		require.Equal(t, 404, w.Code)
		_, err := websocket.GetUsers.Call(t.Context(), o)
		require.NoError(t, err)
		bans, err := websocket.GetBans.Call(t.Context(), o)
		require.NoError(t, err)
		require.Empty(t, bans)
		was, err := websocket.Unban.Call(t.Context(), o, "ann")
		require.NoError(t, err)
		require.False(t, was)
		done, err := websocket.Kick.Call(t.Context(), o, "x", "")
		require.NoError(t, err)
		require.False(t, done)
		require.NoError(t, websocket.Broadcast.Call(t.Context(), o, map[string]any{"event": "presence:reaction"}, nil))
		require.NoError(t, o.start())
		require.Empty(t, tables())

		require.NoError(t, websocket.Broadcast.Call(t.Context(), o, map[string]any{"event": "chat"}, nil))
		require.Equal(t, "websocket_log", tables())
		_, err = websocket.Ban.Call(t.Context(), o, "eve", 1000, "")
		require.NoError(t, err)
		require.Equal(t, "websocket_bans websocket_log", tables())
		a := o.recoverable("ann", "")
		require.Equal(t, "durago_alarms websocket_bans websocket_log websocket_sessions websocket_unsent", tables())
		require.EqualValues(t, 1, opened(t, a.got).Seq)
	})(t)
}
