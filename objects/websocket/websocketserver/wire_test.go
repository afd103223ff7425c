package websocketserver_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver"
)

// echo is a room that answers each message, and counts them.
func echo(count *int) websocketserver.Config {
	return websocketserver.Config{OnMessage: func(_ context.Context, _ *websocketserver.Server, _ *websocketserver.Session, m websocket.Message) (any, error) {
		*count++
		return map[string]any{"event": "echo", "of": m.Event}, nil
	}}
}

// TestServer_frames: each frame that a client can send, and its answer.
func TestServer_frames(t *testing.T) {
	handled := 0
	long := func(n int) string { return `{"event":"x","pad":"` + strings.Repeat("a", n-22) + `"}` }
	for _, row := range []struct {
		name, frame, want string
		reached           bool
	}{
		{"sound", `{"event":"chat","text":"hi"}`, `{"event":"echo","of":"chat"}`, true},
		{"spaces", " {\n\"event\" : \"chat\"}\n", `{"event":"echo","of":"chat"}`, true},
		{"65,536 characters", long(65_536), `{"event":"echo","of":"x"}`, true},
		{"65,537 characters", long(65_537), `{"event":"error","message":"Message too large (max 65536 bytes)","status":413}`, false},
		{"65,536 characters of two bytes", `{"event":"x","pad":"` + strings.Repeat("é", 65_536-22) + `"}`, `{"event":"echo","of":"x"}`, true},
		{"too many characters of two units", `{"event":"x","pad":"` + strings.Repeat("😀", 32_768-10) + `"}`, `{"event":"error","message":"Message too large (max 65536 bytes)","status":413}`, false},
		{"no event", `{}`, `{"event":"error","message":"Message missing event field","status":400}`, false},
		{"another name", `{"Event":"chat"}`, `{"event":"error","message":"Message missing event field","status":400}`, false},
		{"an empty event", `{"event":""}`, `{"event":"error","message":"Message missing event field","status":400}`, false},
		{"an event that is no text", `{"event":7}`, `{"event":"error","message":"Message missing event field","status":400}`, false},
		{"null", `null`, `{"event":"error","message":"Message missing event field","status":400}`, false},
		{"a list", `[{"event":"chat"}]`, `{"event":"error","message":"Message missing event field","status":400}`, false},
		{"no JSON", `{nope`, `{"event":"error","message":"Could not parse message","status":400}`, false},
		{"nothing", ``, `{"event":"error","message":"Could not parse message","status":400}`, false},
		{"two values", `{"event":"a"}{"event":"b"}`, `{"event":"error","message":"Could not parse message","status":400}`, false},
		{"ping", `{"event":"ping"}`, `{"event":"pong"}`, false},
		{"ping, written otherwise", `{"event": "ping"}`, `{"event":"pong"}`, false},
	} {
		t.Run(row.name, bubble(echo(&handled), func(t *testing.T, o *object) {
			c := o.user("ann")
			handled = 0
			require.Equal(t, []string{row.want}, c.ask(row.frame))
			require.Equal(t, row.reached, handled == 1)
			require.False(t, c.closing, "the socket stays open")
			require.Equal(t, []string{`{"event":"echo","of":"after"}`}, c.ask(`{"event":"after"}`))
		}))
	}
	t.Run("binary", bubble(echo(&handled), func(t *testing.T, o *object) {
		c := o.user("ann")
		c.hear()
		o.event(func() {
			require.NoError(t, o.instance.SocketMessage(t.Context(), c.handle, false, []byte(`{"event":"x"}`)))
		})
		require.Equal(t, []string{`{"event":"error","message":"Binary messages are not supported","status":400}`}, c.hear())
		require.False(t, c.closing)
	}))
}

// TestServer_connect: who comes and who goes.
func TestServer_connect(t *testing.T) {
	var hooks []string
	note := func(name string) func(context.Context, *websocketserver.Server, *websocketserver.Session) error {
		return func(_ context.Context, room *websocketserver.Server, m *websocketserver.Session) error {
			hooks = append(hooks, fmt.Sprint(name, " ", m.User(), " of ", len(room.Sessions())))
			return nil
		}
	}
	c := websocketserver.Config{OnConnect: note("came"), OnDisconnect: note("went")}
	t.Run("list, connected, disconnected", bubble(c, func(t *testing.T, o *object) {
		hooks = nil
		a := o.user("ann")
		list := frame(t, a.got[0])
		require.Equal(t, "session:list", list["event"])
		require.Len(t, list["sessions"], 1, "itself")
		id := list["sessions"].([]any)[0].(map[string]any)["ws_session_id"].(string)
		a.hear()

		b := o.user("bob")
		sessions := frame(t, b.got[0])["sessions"].([]any)
		require.Len(t, sessions, 2)
		require.Equal(t, map[string]any{"ws_session_id": id, "meta": map[string]any{"user_id": "ann"}}, sessions[0])
		other := sessions[1].(map[string]any)["ws_session_id"].(string)
		require.Equal(t, []string{`{"event":"session:connected","ws_session_id":"` + other + `","meta":{"user_id":"bob"},"num_connections":2}`}, a.hear())

		b.close(1001)
		require.Equal(t, []string{`{"event":"session:disconnected","ws_session_id":"` + other + `","meta":{"user_id":"bob"},"num_connections":1}`}, a.hear())
		require.Equal(t, []string{"came ann of 1", "came bob of 2", "went bob of 1"}, hooks)
	}))
	t.Run("without metadata", bubble(c, func(t *testing.T, o *object) {
		s, _ := o.upgrade("")
		require.NotContains(t, joined(s.got), "meta")
		s, _ = o.upgrade(`{"room":"r","meta":null}`)
		require.NotContains(t, joined(s.got), "meta")
	}))
	t.Run("a failing socket", bubble(c, func(t *testing.T, o *object) {
		a, b := o.user("ann"), o.user("bob")
		a.hear()
		o.event(func() { require.NoError(t, o.instance.SocketError(t.Context(), b.handle, "reset")) })
		require.Equal(t, []string{"session:disconnected"}, events(t, a.hear()))
		b.close(1006)
		require.Empty(t, a.hear(), "once")
	}))
	t.Run("a dead socket", bubble(c, func(t *testing.T, o *object) {
		a, b := o.user("ann"), o.user("bob")
		list, err := websocket.GetActiveSessions.Call(t.Context(), o)
		require.NoError(t, err)
		a.hear()
		b.dead = true
		ok, err := websocket.Send.Call(t.Context(), o, list[1].ID, map[string]any{"event": "x"})
		require.NoError(t, err)
		require.False(t, ok)
		require.Equal(t, []string{"session:disconnected"}, events(t, a.hear()))
		list, err = websocket.GetActiveSessions.Call(t.Context(), o)
		require.NoError(t, err)
		require.Len(t, list, 1)
	}))
	failing := c
	failing.OnConnect = func(context.Context, *websocketserver.Server, *websocketserver.Session) error {
		return errors.New("no database")
	}
	t.Run("a failing hook", bubble(failing, func(t *testing.T, o *object) {
		s := o.user("ann")
		require.False(t, s.closing)
		require.Len(t, o.Logged, 1)
		require.Contains(t, o.Logged[0], "OnConnect of session")
	}))
}

// TestServer_ServeHTTP: what is no client.
func TestServer_ServeHTTP(t *testing.T) {
	full := websocketserver.Config{MaxSessions: 1}
	for _, row := range []struct {
		name   string
		meta   string
		header []string
		status int
		body   string
	}{
		{"no upgrade", "", []string{"Upgrade", ""}, 404, `{"status":404,"message":"Not found"}`},
		{"another protocol", "", []string{"Upgrade", "h2c"}, 404, `{"status":404,"message":"Not found"}`},
		{"metadata that is no JSON", "not-valid-json{", nil, 400, `{"status":400,"message":"Invalid session metadata"}`},
		{"metadata that is no object", "[]", nil, 400, `{"status":400,"message":"Invalid session metadata"}`},
		{"too much metadata", `{"meta":"` + strings.Repeat("x", websocket.MaxMeta) + `"}`, nil, 400, `{"status":400,"message":"Invalid session metadata"}`},
		{"full", "", nil, 503, `{"status":503,"message":"Room is full"}`},
	} {
		t.Run(row.name, bubble(full, func(t *testing.T, o *object) {
			o.user("ann")
			s, w := o.upgrade(row.meta, row.header...)
			require.Nil(t, s)
			require.Equal(t, row.status, w.Code)
			require.JSONEq(t, row.body, w.Body.String())
		}))
	}
}

// TestServer_rate: both buckets.
func TestServer_rate(t *testing.T) {
	handled := 0
	c := echo(&handled)
	c.RateLimit.Ephemeral = []string{"cursor:", "typing"}
	burst := func(s *socket, text string) (passed int) {
		for status(s.o.t, s.ask(text)) == "none" {
			passed++
		}
		return passed
	}
	t.Run("a burst", bubble(c, func(t *testing.T, o *object) {
		a, b := o.user("ann"), o.user("bob")
		require.Equal(t, 30, burst(a, `{"event":"x"}`), "the 31st is refused")
		require.Equal(t, []string{`{"event":"error","message":"Too many messages. Please slow down.","status":429}`}, a.ask(`{"event":"x"}`))
		require.Equal(t, "none", status(t, b.ask(`{"event":"x"}`)), "others have their own")
		o.advance(10 * time.Second)
		require.Equal(t, 1, burst(a, `{"event":"x"}`), "after ten seconds one more passes")
		o.advance(9 * time.Second)
		require.Equal(t, "429", status(t, a.ask(`{"event":"x"}`)))
		o.advance(9 * time.Second)
		require.Equal(t, "429", status(t, a.ask(`{"event":"x"}`)), "one that was refused cost the time that had passed")
	}))
	t.Run("ephemeral events", bubble(c, func(t *testing.T, o *object) {
		a := o.user("ann")
		require.Equal(t, 60, burst(a, `{"event":"cursor:move"}`))
		require.Zero(t, burst(a, `{"event":"typing"}`), "the same bucket")
		require.Equal(t, 30, burst(a, `{"event":"cursor"}`), "no prefix of it")
		o.advance(time.Second)
		require.Equal(t, 1, burst(a, `{"event":"typing"}`))
	}))
	t.Run("hibernation fills no bucket", bubble(c, func(t *testing.T, o *object) {
		a := o.user("ann")
		require.Equal(t, 30, burst(a, `{"event":"x"}`))
		require.Equal(t, 60, burst(a, `{"event":"cursor:x"}`))
		require.NoError(t, o.start())
		require.Equal(t, "429", status(t, a.ask(`{"event":"x"}`)))
		require.Equal(t, "429", status(t, a.ask(`{"event":"cursor:x"}`)))
	}))
	t.Run("what is malformed costs a token", bubble(c, func(t *testing.T, o *object) {
		a := o.user("ann")
		for range 30 {
			require.Equal(t, "400", status(t, a.ask(`nope`)))
		}
		require.Equal(t, "429", status(t, a.ask(`nope`)))
	}))
	t.Run("a clock that is set back", bubble(c, func(t *testing.T, o *object) {
		now := time.Now()
		o.config.Now = func() time.Time { return now }
		require.NoError(t, o.start())
		a := o.user("ann")
		require.Equal(t, 30, burst(a, `{"event":"x"}`))
		now = now.Add(-time.Hour)
		require.Equal(t, "429", status(t, a.ask(`{"event":"x"}`)))
		now = now.Add(10 * time.Second)
		require.Equal(t, 1, burst(a, `{"event":"x"}`))
	}))
}

// TestServer_hibernation: what wakes is what slept.
func TestServer_hibernation(t *testing.T) {
	handled := 0
	t.Run("sessions", bubble(echo(&handled), func(t *testing.T, o *object) {
		a, b := o.user("ann"), o.user("bob")
		before, err := websocket.GetActiveSessions.Call(t.Context(), o)
		require.NoError(t, err)
		require.Equal(t, []any{map[string]any{"user_id": "ann"}, map[string]any{"user_id": "bob"}}, []any{before[0].Meta, before[1].Meta})
		require.NoError(t, o.start())
		after, err := websocket.GetActiveSessions.Call(t.Context(), o)
		require.NoError(t, err)
		require.Equal(t, before, after)
		require.Equal(t, []string{`{"event":"echo","of":"x"}`}, b.ask(`{"event":"x"}`))
		a.hear()
		b.close(1001)
		require.Equal(t, []string{"session:disconnected"}, events(t, a.hear()))
	}))
	t.Run("a socket that is still being closed", bubble(chat(websocketserver.Recovery{}), func(t *testing.T, o *object) {
		a, b, c := o.user("ann"), o.user("bob"), o.recoverable("cleo", "")
		list, err := websocket.GetActiveSessions.Call(t.Context(), o)
		require.NoError(t, err)
		done, err := websocket.Kick.Call(t.Context(), o, list[1].ID, "")
		require.True(t, done && err == nil)
		o.recoverable("cleo", `,"token":"`+opened(t, c.got).Token+`"`)
		require.True(t, b.closing && c.closing)
		require.NoError(t, o.start())
		list, err = websocket.GetActiveSessions.Call(t.Context(), o)
		require.NoError(t, err)
		require.Len(t, list, 2)
		a.hear()
		b.close(1006)
		c.close(1006)
		require.Empty(t, a.hear())
	}))
	t.Run("an attachment that cannot be read", bubble(echo(&handled), func(t *testing.T, o *object) {
		a, b := o.user("ann"), o.user("bob")
		b.attachment = []byte("\xff\xff")
		require.NoError(t, o.start())
		require.Equal(t, 1011, b.code)
		require.Equal(t, "Invalid session state", b.reason)
		require.False(t, a.closing)
		b.close(1006)
		list, err := websocket.GetActiveSessions.Call(t.Context(), o)
		require.NoError(t, err)
		require.Len(t, list, 1)
	}))
}
