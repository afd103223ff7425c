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

// TestServer_ban: who is banned is gone at once, on all tabs, and comes back when it is over.
func TestServer_ban(t *testing.T) {
	ban := func(t *testing.T, o *object, user string, d time.Duration) int64 {
		n, err := websocket.Ban.Call(t.Context(), o, user, d.Milliseconds(), "spam")
		require.NoError(t, err)
		return n
	}
	enter := func(o *object, user string) int {
		_, w := o.upgrade(`{"room":"r","meta":{"user_id":"` + user + `"}}`)
		return w.Code
	}
	c := chat(websocketserver.Recovery{})
	t.Run("all sessions", bubble(c, func(t *testing.T, o *object) {
		other := o.recoverable("bob", "")
		tab, second := o.user("ann"), o.recoverable("ann", "")
		unopened, w := o.upgrade(`{"meta":{"user_id":"ann"}}`, "Sec-WebSocket-Protocol", websocket.Recoverable)
		require.NotNil(t, unopened, w.Body)
		lost := o.recoverable("ann", "")
		token := opened(t, lost.hear()).Token
		lost.close(1006)
		other.hear()
		require.EqualValues(t, 3, ban(t, o, "ann", time.Hour))
		for _, s := range []*socket{tab, second, unopened} {
			require.Equal(t, websocket.CloseKicked, s.code)
			require.Equal(t, "spam", s.reason)
		}
		require.Equal(t, []string{"session:disconnected", "session:disconnected", "user:left"}, only(t, other.hear()))
		require.False(t, other.closing)
		require.Equal(t, []string{"bob"}, o.texts(`SELECT user FROM websocket_sessions`))

		require.NoError(t, o.start(), "it is in the database")
		s, w := o.upgrade(`{"room":"r","meta":{"user_id":"ann"}}`)
		require.Nil(t, s)
		require.Equal(t, 403, w.Code)
		require.Equal(t, "3600", w.Header().Get("Retry-After"))
		require.JSONEq(t, `{"status":403,"message":"You are banned from this room"}`, w.Body.String())
		time.Sleep(time.Hour - time.Millisecond)
		require.Equal(t, 403, enter(o, "ann"))
		time.Sleep(time.Millisecond)
		require.Equal(t, 200, enter(o, "ann"), "the fake's answer")
		again := o.recoverable("ann", `,"token":"`+token+`"`)
		require.False(t, opened(t, again.hear()).Resumed)
	}))
	t.Run("unban and list", bubble(c, func(t *testing.T, o *object) {
		list := func() (s []string) {
			all, err := websocket.GetBans.Call(t.Context(), o)
			require.NoError(t, err)
			for _, b := range all {
				s = append(s, fmt.Sprint(b.User, " ", b.UntilMS-time.Now().UnixMilli(), " ", b.Reason))
			}
			return s
		}
		require.Empty(t, list())
		require.Zero(t, ban(t, o, "ann", time.Hour))
		ban(t, o, "bob", time.Minute)
		require.Equal(t, []string{"bob 60000 spam", "ann 3600000 spam"}, list())
		ban(t, o, "ann", time.Second)
		require.Equal(t, []string{"ann 1000 spam", "bob 60000 spam"}, list())
		time.Sleep(time.Second)
		require.Equal(t, []string{"bob 59000 spam"}, list())
		for user, want := range map[string]bool{"bob": true, "ann": false, "nobody": false} {
			was, err := websocket.Unban.Call(t.Context(), o, user)
			require.NoError(t, err)
			require.Equal(t, want, was, user)
		}
		require.Equal(t, 200, enter(o, "bob"))
	}))
	t.Run("bounds", bubble(c, func(t *testing.T, o *object) {
		for _, row := range []struct {
			user string
			ms   int64
		}{{"", 1}, {strings.Repeat("x", websocket.MaxBannedUser+1), 1}, {"ann", 0}, {"ann", -5}, {"ann", websocket.MaxBan.Milliseconds() + 1}, {"ann", websocket.MaxNumber}} {
			_, err := websocket.Ban.Call(t.Context(), o, row.user, row.ms, "")
			require.Equal(t, websocket.InvalidBan, websocket.Code(err), "%+v", row)
		}
		for i := range websocket.MaxBans {
			ban(t, o, fmt.Sprint("user ", i), time.Hour)
		}
		_, err := websocket.Ban.Call(t.Context(), o, "ann", 1, "")
		require.Equal(t, websocket.TooManyBans, websocket.Code(err))
		require.Equal(t, 200, enter(o, "ann"))
		ban(t, o, "user 7", 2*time.Hour)
		time.Sleep(time.Hour)
		ban(t, o, "ann", time.Minute)
		require.Equal(t, []string{"ann", "user 7"}, o.texts(`SELECT user FROM websocket_bans`), "those that are over make room")
	}))
	t.Run("nobody is not banned", bubble(c, func(t *testing.T, o *object) {
		ban(t, o, "ann", time.Hour)
		s, w := o.upgrade("")
		require.NotNil(t, s, w.Body)
	}))
	judge := c
	judge.OnMessage = func(ctx context.Context, room *websocketserver.Server, from *websocketserver.Session, m websocket.Message) (any, error) {
		if _, err := room.Ban(ctx, from.User(), time.Hour, "said it"); err != nil {
			return nil, err
		}
		if m.Event == "forgiven" {
			return nil, &websocketserver.Refusal{Status: 422, Message: "No"}
		}
		return nil, nil
	}
	t.Run("from a handler", bubble(judge, func(t *testing.T, o *object) {
		a := o.recoverable("ann", "")
		require.Equal(t, []string{"422 1"}, only(t, a.ask(`{"event":"forgiven","n":1}`)))
		require.False(t, a.closing, "it was undone")
		require.Equal(t, 200, enter(o, "ann"))
		a.say(`{"event":"word","n":1}`)
		require.Equal(t, websocket.CloseKicked, a.code)
		require.Equal(t, 403, enter(o, "ann"))
		require.Empty(t, o.texts(`SELECT id FROM websocket_sessions`))
	}))
}
