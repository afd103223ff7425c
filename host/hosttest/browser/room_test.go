package browser_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/build/wrangler"
	"durago.example/host/hosttest"
)

const (
	rooms   = "../../../testdata/guests/rooms/wrangler.toml"
	sockets = "../../../testdata/guests/sockets/wrangler.toml"
)

// room is a host whose one object visitors talk in.
type room struct {
	t       *testing.T
	h       *hosttest.Host
	binding string
	name    string
	path    string // of the room; the visitor's name comes behind it
	v       *visitors
}

// object is the room's.
func (r *room) object() *hosttest.Object { return r.h.Object(r.binding, r.name) }

// handled is what the room has written down, in its order.
func (r *room) handled() (list []string) {
	r.t.Helper()
	rows, err := r.object().SQL(`SELECT text FROM handled ORDER BY rowid`)
	if err != nil && strings.Contains(err.Error(), "no such table") {
		return nil // nobody has come yet
	}
	require.NoError(r.t, err)
	for _, row := range rows {
		if text, ok := chat([]byte(row)); ok { // of the lobby, which keeps frames
			row = text
		}
		list = append(list, row)
	}
	return list
}

// goOn waits until each visitor has been heard three times more.
func (r *room) goOn() {
	r.t.Helper()
	before := len(r.handled())
	require.Eventually(r.t, func() bool {
		said := map[string]int{}
		for _, text := range r.handled()[before:] {
			name, _, _ := strings.Cut(text, "-")
			said[name]++
		}
		for _, name := range r.v.names {
			if said[name] < 3 {
				return false
			}
		}
		return true
	}, 30*time.Second, 20*time.Millisecond)
}

// between takes the object out of memory while visitors talk: the sooner it is asked again, the sooner there is a moment.
func (r *room) between(verb func() error) {
	r.t.Helper()
	require.Eventually(r.t, func() bool { return verb() == nil }, 30*time.Second, time.Millisecond)
}

// say sends the room one frame.
func (r *room) say(frame string) {
	r.t.Helper()
	c := r.h.Dial(r.path + "tester")
	require.NoError(r.t, c.WriteMessage(websocket.TextMessage, []byte(frame)))
}

// program is the worker's own.
func (r *room) program(config string) []byte {
	r.t.Helper()
	c, err := wrangler.Load(config)
	require.NoError(r.t, err)
	return hosttest.Wasm(r.t, c, "")
}

// end has all visitors stop, and holds what they remember against what the room has handled.
func (r *room) end() map[string][]connection {
	r.t.Helper()
	all := r.v.stop()
	handled := r.handled()
	require.NoError(r.t, check(handled, all))
	said, heard := 0, 0
	for name, list := range all {
		for _, c := range list {
			said += len(c.Said)
			heard += len(c.Heard)
			require.NotEmpty(r.t, c.Heard, name)
		}
	}
	r.t.Logf("%d texts said, %d handled, %d heard", said, len(handled), heard)
	return all
}

// dropped holds how often each visitor's sockets were dropped, always without a close frame.
func dropped(t *testing.T, all map[string][]connection, least, most int) {
	t.Helper()
	for name, list := range all {
		last := len(list) - 1
		require.GreaterOrEqual(t, last, least, "%s: %+v", name, list)
		require.LessOrEqual(t, last, most, "%s: %+v", name, list)
		for _, c := range list[:last] {
			require.Equal(t, websocket.CloseAbnormalClosure, c.Code)
		}
		require.Equal(t, websocket.CloseNormalClosure, list[last].Code)
	}
}

// enterRoom starts a host with a room, and lets n visitors of each kind in.
func enterRoom(t *testing.T, b *browser, n int) *room {
	t.Helper()
	r := &room{t: t, binding: "WEBSOCKET", name: "fast-all", path: "/api/websocket?room=fast-all&user="}
	r.h = hosttest.Start(t, hosttest.Options{Config: rooms, RealTime: true, Address: "127.0.0.1:0"})
	r.v = enter(t, b, n, r.h.URL, r.path)
	r.goOn()
	return r
}

// TestRoom: visitors of three kinds in one room of sockets that hibernate. Hibernation and eviction drop none. An update does
// when the room leaves memory or at once, as does a restart; the end of the isolate, if the room has something uncommitted. All
// come again.
func TestRoom(t *testing.T) {
	r := enterRoom(t, chromium(t), 3)
	for range 5 {
		r.between(r.object().Hibernate)
		r.goOn()
	}
	for range 5 {
		r.between(r.object().Evict)
	}
	r.goOn()
	require.Equal(t, 1, r.v.opened())
	require.NoError(t, r.h.Update(t.Context(), r.program(rooms), 5*time.Minute))
	r.goOn()
	require.Equal(t, 1, r.v.opened(), "after the update")
	r.between(r.object().Hibernate) // the new program does not get the old one's sockets
	r.goOn()
	require.Equal(t, 2, r.v.opened())
	for range 3 {
		r.say(`{"event":"exit"}`)
		r.goOn()
	}
	require.NoError(t, r.h.Update(t.Context(), r.program(rooms), 0))
	r.goOn()
	for range 3 {
		r.h = r.h.Restart()
		r.goOn()
	}
	dropped(t, r.end(), 5, 8)
}

// TestLobby: the same in a room of ordinary sockets. They keep their object in memory, and end with it.
func TestLobby(t *testing.T) {
	b := chromium(t)
	r := &room{t: t, binding: "PEER", name: "l", path: "/lobby/l?user="}
	r.h = hosttest.Start(t, hosttest.Options{Config: sockets, RealTime: true, Address: "127.0.0.1:0"})
	r.v = enter(t, b, 3, r.h.URL, r.path)
	r.goOn()
	require.ErrorContains(t, r.object().Evict(), "events under way")
	require.ErrorContains(t, r.object().Hibernate(), "has no sockets to hibernate under")
	require.NoError(t, r.h.Update(t.Context(), r.program(sockets), 5*time.Minute))
	r.goOn()
	r.object().Fetch("GET", "/exit/l", "")
	r.goOn()
	require.NoError(t, r.h.Update(t.Context(), r.program(sockets), 0))
	r.goOn()
	for range 3 {
		r.h = r.h.Restart()
		r.goOn()
	}
	dropped(t, r.end(), 5, 5)
}
