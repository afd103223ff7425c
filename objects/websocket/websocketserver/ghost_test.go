package websocketserver_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver"
)

// tab is a connection of a user, that pings until it dies without a word.
type tab struct {
	*socket
	id, user string
	ping     time.Time // the next
	heard    time.Time // the last word
	died     time.Time // zero while it lives
}

// TestServer_ghosts measures how long a tab seems to be there after its last word, over random visits of users with several
// tabs, and holds it to SilentAfter. A user is there as long as one of the tabs is; one that pings never goes.
func TestServer_ghosts(t *testing.T) {
	var longest, dead time.Duration
	var ghosts, users int
	for seed := range uint64(60) {
		c := chat(websocketserver.Recovery{})
		bubble(c, func(t *testing.T, o *object) {
			r := rand.New(rand.NewPCG(seed, 8))
			gone := map[string]time.Time{} // the session, and the user, by the frames of one who watches
			watch := o.recoverable("watch", "")
			watch.received = func(text string) {
				m := frame(t, text)
				switch m["event"] {
				case "session:disconnected":
					gone[m["ws_session_id"].(string)] = time.Now()
				case "user:left":
					gone["user "+m["user"].(string)] = time.Now()
				case "user:joined":
					delete(gone, "user "+m["user"].(string))
				}
			}
			var tabs []*tab
			start := time.Now()
			for time.Since(start) < 10*time.Minute {
				if time.Since(start) < 7*time.Minute && r.IntN(20) == 0 {
					user := fmt.Sprint("u", r.IntN(4))
					var s *socket
					if r.IntN(2) == 0 {
						s = o.user(user)
					} else {
						s = o.recoverable(user, "")
					}
					list, err := websocket.GetActiveSessions.Call(t.Context(), o)
					require.NoError(t, err)
					tabs = append(tabs, &tab{socket: s, id: list[len(list)-1].ID, user: user, heard: time.Now(), ping: time.Now().Add(time.Duration(r.IntN(30_000)) * time.Millisecond)})
				}
				for _, k := range tabs {
					if k.died.IsZero() && r.IntN(90) == 0 {
						k.died = time.Now()
					}
					if k.died.IsZero() && !time.Now().Before(k.ping) {
						k.heard, k.ping = time.Now(), time.Now().Add(30*time.Second)
						if r.IntN(3) > 0 {
							k.say(websocket.PingFrame)
						} else {
							k.say(`{"event":"session:ack"}`)
						}
					}
				}
				watch.say(websocket.PingFrame)
				if r.IntN(10) == 0 {
					require.NoError(t, o.start(), "asleep in between")
				}
				o.advance(time.Duration(1+r.IntN(2000)) * time.Millisecond)
				checkUsers(t, o, tabs, gone)
			}
			last := map[string]time.Time{}
			alive := map[string]bool{}
			for _, k := range tabs {
				at, was := gone[k.id]
				if k.died.IsZero() {
					require.False(t, was, "seed %d: a tab that pings is gone", seed)
					alive[k.user] = true
					continue
				}
				if !was { // it has not been dead for so long
					require.Less(t, time.Since(k.heard), 75*time.Second, "seed %d", seed)
					alive[k.user] = true
					continue
				}
				ghosts++
				longest, dead = max(longest, at.Sub(k.heard)), max(dead, at.Sub(k.died))
				if at.After(last[k.user]) {
					last[k.user] = at
				}
			}
			for user, at := range last {
				if alive[user] {
					continue
				}
				users++
				require.Equal(t, at, gone["user "+user], "seed %d: %s leaves with the last tab", seed, user)
			}
		})(t)
	}
	require.Greater(t, ghosts, 500)
	require.Greater(t, users, 30)
	require.Equal(t, 75*time.Second, longest, "SilentAfter, and nothing by the alarm")
	t.Logf("%d ghosts, %d users: gone %v after the last word, and at most %v after the death", ghosts, users, longest, dead)
}

// checkUsers holds GetUsers to who is there by the frames.
func checkUsers(t *testing.T, o *object, tabs []*tab, gone map[string]time.Time) {
	t.Helper()
	want := map[string]int64{"watch": 1}
	for _, k := range tabs {
		if gone[k.id].IsZero() {
			want[k.user]++
		}
	}
	all, err := websocket.GetUsers.Call(t.Context(), o)
	require.NoError(t, err)
	got := map[string]int64{}
	for _, u := range all {
		got[u.ID] = u.Connections
		require.True(t, gone["user "+u.ID].IsZero(), "%s has left", u.ID)
	}
	require.Equal(t, want, got)
}

// TestServer_tabs: what one user's tabs say of themselves is each tab's own.
func TestServer_tabs(t *testing.T) {
	bubble(websocketserver.Config{Presence: true}, func(t *testing.T, o *object) {
		first, second, other := o.user("ann"), o.user("ann"), o.user("bob")
		first.say(presence("tab1", 1))
		second.say(presence("tab2", 1))
		require.Equal(t, "403", status(t, second.ask(presence("tab1", 2))), "another tab's, of the same user")
		for range 2 {
			o.advance(30 * time.Second)
			second.say(websocket.PingFrame)
			other.say(websocket.PingFrame)
		}
		other.hear()
		o.advance(15 * time.Second)
		got := other.hear()
		require.Equal(t, []string{"session:disconnected", "presence:remove"}, events(t, got))
		require.Contains(t, got[1], `"tab1"`)
		answer := joined(other.ask(`{"event":"presence:request","presence_id":"x"}`))
		require.True(t, strings.Contains(answer, `"tab2"`) && !strings.Contains(answer, `"tab1"`), answer)
	})(t)
}
