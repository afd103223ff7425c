package websocketserver_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver"
)

func presence(id string, clock int) string {
	return fmt.Sprintf(`{"event":"presence:update","presence_id":%q,"user":{"name":"Ann"},"state":{"x":1},"clock":%d,"t":5}`, id, clock)
}

// TestServer_presence: relay, snapshot, removal.
func TestServer_presence(t *testing.T) {
	c := websocketserver.Config{Presence: true}
	snapshot := func(t *testing.T, s *socket, but string) []any {
		got := s.ask(`{"event":"presence:request","presence_id":"` + but + `"}`)
		require.Equal(t, []string{"presence:snapshot"}, events(t, got))
		return frame(t, got[0])["peers"].([]any)
	}
	t.Run("relay and snapshot", bubble(c, func(t *testing.T, o *object) {
		a, b := o.user("ann"), o.user("bob")
		require.Empty(t, snapshot(t, b, "b1"))
		b.hear()
		require.Equal(t, []string{presence("a1", 1)}, a.ask(presence("a1", 1)), "to the sender too")
		require.Equal(t, []string{presence("a1", 1)}, b.hear())
		want := map[string]any{"presence_id": "a1", "user": map[string]any{"name": "Ann"}, "state": map[string]any{"x": 1.0}, "clock": 1.0, "t": 5.0}
		require.Equal(t, []any{want}, snapshot(t, b, "b1"))
		require.Empty(t, snapshot(t, a, "a1"), "without its own")
		b.hear()
		a.say(`{"event":"presence:reaction","emoji":"👍"}`)
		require.Equal(t, []string{`{"event":"presence:reaction","emoji":"👍"}`}, b.hear())
		a.say(presence("a1", 7))
		a.say(presence("a1", 3))
		require.Equal(t, []string{presence("a1", 7)}, b.hear(), "the clock does not go back")
		a.say(`{"event":"presence:remove","presence_id":"a1"}`)
		require.Equal(t, []string{"presence:remove"}, events(t, b.hear()))
		require.Empty(t, snapshot(t, b, "b1"))
	}))
	t.Run("removed on disconnect", bubble(c, func(t *testing.T, o *object) {
		a, b := o.user("ann"), o.user("bob")
		a.say(presence("a1", 1))
		a.say(presence("a2", 1))
		require.NoError(t, o.start(), "what was said is forgotten, whose it was is not")
		b.hear()
		a.close(1006)
		require.Equal(t, []string{"session:disconnected", "presence:remove", "presence:remove"}, events(t, b.got))
		require.Equal(t, `{"event":"presence:remove","presence_id":"a2"}`, b.got[2])
		require.Empty(t, snapshot(t, b, "b1"))
	}))
	t.Run("asked again after sleep", bubble(chat(websocketserver.Recovery{}), func(t *testing.T, o *object) {
		a, quiet, plain := o.recoverable("ann", ""), o.recoverable("eve", ""), o.user("dan")
		a.say(presence("a1", 1))
		plain.say(presence("d1", 1))
		require.NoError(t, o.start())
		b := o.recoverable("bob", "")
		for _, s := range []*socket{a, quiet, plain} {
			s.hear()
		}
		require.Empty(t, snapshot(t, b, "b1"))
		require.Equal(t, []string{`{"event":"presence:again"}`}, a.hear())
		require.Empty(t, quiet.hear(), "it has said nothing")
		require.Empty(t, plain.hear(), "it does not know the event")
		a.say(presence("a1", 2))
		require.Equal(t, []string{presence("a1", 2)}, b.hear())
		require.Len(t, snapshot(t, b, "b1"), 1)
		require.Equal(t, []string{presence("a1", 2)}, a.hear(), "it is asked once")
	}))
	t.Run("bounds", bubble(c, func(t *testing.T, o *object) {
		a, b := o.user("ann"), o.user("bob")
		a.say(presence("a1", 1))
		require.Equal(t, "403", status(t, b.ask(presence("a1", 2))))
		require.Equal(t, "403", status(t, b.ask(`{"event":"presence:remove","presence_id":"a1"}`)))
		for i := range 8 {
			require.Equal(t, "none", status(t, b.ask(presence(fmt.Sprint("b", i), 1))))
		}
		require.Equal(t, "429", status(t, b.ask(presence("b8", 1))))
		require.Equal(t, "400", status(t, b.ask(presence(strings.Repeat("x", 65), 1))))
		require.Equal(t, "400", status(t, b.ask(`{"event":"presence:update"}`)))
		big := strings.Replace(presence("a1", 9), `"x":1`, `"x":"`+strings.Repeat("y", 9000)+`"`, 1)
		a.hear()
		require.Equal(t, []string{big}, a.ask(big), "relayed")
		require.Len(t, snapshot(t, a, ""), 8, "and kept in no snapshot")
	}))
	t.Run("off", bubble(websocketserver.Config{}, func(t *testing.T, o *object) {
		a := o.user("ann")
		require.Empty(t, a.ask(presence("a1", 1)))
	}))
}

// TestServer_users: a user is there once, over all tabs.
func TestServer_users(t *testing.T) {
	bubble(websocketserver.Config{}, func(t *testing.T, o *object) {
		users := func() (list []string) {
			all, err := websocket.GetUsers.Call(t.Context(), o)
			require.NoError(t, err)
			for _, u := range all {
				list = append(list, fmt.Sprint(u.ID, " ", u.Connections))
			}
			return list
		}
		require.Empty(t, users())
		first, second := o.user("ann"), o.user("ann")
		o.user("bob")
		o.upgrade("")
		require.Equal(t, []string{"ann 2", "bob 1"}, users())
		require.NoError(t, o.start())
		require.Equal(t, []string{"ann 2", "bob 1"}, users())
		first.close(1001)
		require.Equal(t, []string{"ann 1", "bob 1"}, users())
		second.close(1006)
		require.Equal(t, []string{"bob 1"}, users())
	})(t)
}

// TestServer_silence: a client that was killed is gone within SilentAfter, one that pings stays.
func TestServer_silence(t *testing.T) {
	bubble(websocketserver.Config{Presence: true}, func(t *testing.T, o *object) {
		killed, idle, other := o.user("ann"), o.user("bob"), o.user("cleo")
		killed.say(presence("a1", 1))
		for range 2 {
			o.advance(30 * time.Second)
			idle.say(websocket.PingFrame)
			other.say(`{"event":"x"}`)
			require.NoError(t, o.start(), "asleep in between")
		}
		require.False(t, killed.closing)
		idle.hear()
		o.advance(15 * time.Second)
		require.Equal(t, websocket.CloseSilent, killed.code)
		require.Equal(t, []string{"session:disconnected", "presence:remove"}, events(t, idle.hear()))
		require.False(t, idle.closing || other.closing)
		o.advance(time.Hour)
		require.True(t, idle.closing && other.closing)
		require.Nil(t, o.Alarm.At, "nobody is left to look after")
		late := o.user("dan")
		o.advance(74 * time.Second)
		require.False(t, late.closing)
		o.advance(2 * time.Second)
		require.True(t, late.closing)
	})(t)
}
