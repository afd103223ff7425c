package websocketserver_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects/internal/fakeobject"
	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver"
	"durago.example/wasm/value"
)

// wood is a room and its leaves. perLeaf is how many sockets each has.
type wood struct {
	*object
	perLeaf int64
	leaves  map[string]*object
	fault   fault
	made    func(leaf *object)
}

func newWood(t testing.TB, c websocketserver.Config, perLeaf int64) *wood {
	w := &wood{object: newObject(t, c), perLeaf: perLeaf, leaves: map[string]*object{}}
	w.peers = func(binding, name string) *object {
		if binding != "LEAF" {
			return nil
		}
		return w.leaf(name)
	}
	return w
}

// leaf is a leaf's object, which is made if there is none.
func (w *wood) leaf(name string) *object {
	if l := w.leaves[name]; l != nil {
		return l
	}
	fake, err := fakeobject.Open()
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, fake.DB.Close()) })
	l := &object{Object: fake, t: w.t, class: websocketserver.LeafClass("Leaf", "ROOM")}
	l.peers = func(binding, name string) *object {
		if binding != "ROOM" || name != "r" {
			return nil
		}
		return w.object
	}
	w.leaves[name] = l
	if w.made != nil {
		w.made(l)
	}
	require.NoError(w.t, l.start())
	return l
}

func (w *wood) number(n int64) *object { return w.leaf(websocket.LeafName("r", n)) }

// let lets a client in, as the front does.
func (w *wood) let(user string, header ...string) (*socket, *httptest.ResponseRecorder) {
	w.t.Helper()
	n, err := websocket.Place.Call(w.t.Context(), w.object, "LEAF", w.perLeaf, "r")
	require.NoError(w.t, err)
	o := w.object
	if n > 0 {
		o = w.number(n)
		header = append(header, websocket.LeafHeader, fmt.Sprint(n))
	}
	return o.upgrade(`{"room":"r","meta":{"user_id":"`+user+`"}}`, header...)
}

func (w *wood) user(name string) *socket {
	w.t.Helper()
	s, resp := w.let(name)
	require.NotNil(w.t, s, resp.Body)
	return s
}

func (w *wood) recoverable(user, open string) *socket {
	w.t.Helper()
	s, resp := w.let(user, "Sec-WebSocket-Protocol", websocket.Recoverable)
	require.NotNil(w.t, s, resp.Body)
	require.Equal(w.t, websocket.Recoverable, s.header.Get("Sec-WebSocket-Protocol"))
	s.say(`{"event":"session:open"` + open + `}`)
	return s
}

func (w *wood) sessions() []websocket.Session {
	w.t.Helper()
	list, err := websocket.GetActiveSessions.Call(w.t.Context(), w.object)
	require.NoError(w.t, err)
	return list
}

// tree runs a test of a room with leaves where time is virtual.
func tree(c websocketserver.Config, perLeaf int64, f func(t *testing.T, w *wood)) func(*testing.T) {
	return func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { f(t, newWood(t, c, perLeaf)) })
	}
}

// TestLeaves: a room over several objects is the room that one object is.
func TestLeaves(t *testing.T) {
	t.Run("spread", tree(chat(websocketserver.Recovery{}), 2, func(t *testing.T, w *wood) {
		var all []*socket
		for i := range 7 {
			all = append(all, w.user(fmt.Sprint("u", i)))
		}
		require.Len(t, w.sockets, 2)
		require.Len(t, w.number(1).sockets, 2)
		require.Len(t, w.number(2).sockets, 2)
		require.Len(t, w.number(3).sockets, 1)
		for i, s := range all {
			require.Equal(t, "session:list", events(t, s.got)[0])
			require.Len(t, frame(t, s.hear()[0])["sessions"], i+1)
		}
		all[5].say(say("hi"))
		for _, s := range all {
			require.Equal(t, []string{say("hi")}, s.hear())
		}
		all[2].close(1001)
		for i, s := range all {
			if i != 2 {
				require.Equal(t, []string{"session:disconnected"}, events(t, s.hear()))
			}
		}
		s := w.user("late")
		require.Same(t, w.number(1), s.o, "where there is room")
	}))
	t.Run("one call for each leaf", tree(chat(websocketserver.Recovery{}), 3, func(t *testing.T, w *wood) {
		var all []*socket
		for i := range 9 {
			all = append(all, w.user(fmt.Sprint("u", i)))
		}
		calls := map[string]int{}
		w.faults = func(k call) ([]byte, error) {
			calls[k.method]++
			return k.do()
		}
		all[0].say(say("one"))
		require.Equal(t, map[string]int{"leafDo": 2}, calls)
		size := map[bool]int{}
		count := w.faults
		w.faults = func(k call) ([]byte, error) {
			size[len(k.args) > 160] = len(k.args)
			return count(k)
		}
		all[0].say(say("two"))
		require.NotContains(t, size, true, "the recipients are known")
		w.later = true // what waits goes together
		for i := range 10 {
			all[0].say(say(fmt.Sprint(i)))
		}
		w.later = false
		w.work()
		require.Equal(t, map[string]int{"leafDo": 6}, calls)
		require.Len(t, all[8].hear()[3:], 10)
	}))
	t.Run("places", tree(chat(websocketserver.Recovery{}), 1, func(t *testing.T, w *wood) {
		place := func() int64 {
			n, err := websocket.Place.Call(t.Context(), w.object, "LEAF", 1, "r")
			require.NoError(t, err)
			return n
		}
		require.Equal(t, []int64{0, 1, 2}, []int64{place(), place(), place()}, "those who are on their way count")
		a := w.user("ann")
		require.Same(t, w.number(3), a.o)
		time.Sleep(11 * time.Second)
		require.Equal(t, []int64{0, 1, 2, 4}, []int64{place(), place(), place(), place()}, "they have not come")
		a.close(1001)
		time.Sleep(11 * time.Second)
		w.advance(80 * time.Second)
		require.Empty(t, w.texts(`SELECT leaf FROM websocket_leaves`))
		w.user("bob")
		require.Same(t, w.number(1), w.user("cleo").o)
	}))
	t.Run("no more places than a room has", tree(websocketserver.Config{MaxSessions: 3}, 1, func(t *testing.T, w *wood) {
		var got []int64
		for range 6 {
			n, err := websocket.Place.Call(t.Context(), w.object, "LEAF", 1, "r")
			require.NoError(t, err)
			got = append(got, n)
		}
		require.Equal(t, []int64{0, 1, 2, 0, 0, 0}, got, "the room refuses itself")
	}))
	t.Run("a queue that is never empty", tree(chat(websocketserver.Recovery{}), 1, func(t *testing.T, w *wood) {
		_, b := w.user("ann"), w.user("bob")
		b.hear()
		calls, began := 0, 0
		w.faults = func(k call) ([]byte, error) {
			if calls++; calls < 250 {
				require.NoError(t, websocket.Broadcast.Call(t.Context(), w.object, map[string]any{"event": "chat", "text": fmt.Sprint(calls)}, nil))
				began += len(w.background)
			}
			return k.do()
		}
		require.NoError(t, websocket.Broadcast.Call(t.Context(), w.object, map[string]any{"event": "chat", "text": "0"}, nil))
		require.Equal(t, 250, calls)
		require.Equal(t, 2, began, "other events go on with it")
		list, _ := texts(t, b.hear())
		require.Len(t, list, 250)
		for i, text := range list {
			require.Equal(t, fmt.Sprintf("%d:<nil>", i), text)
		}
	}))
	t.Run("a leaf that slept knows no groups", tree(chat(websocketserver.Recovery{}), 2, func(t *testing.T, w *wood) {
		a, b, c, d := w.user("ann"), w.user("bob"), w.user("cleo"), w.user("dan")
		for i := range 4 {
			if i == 2 {
				require.NoError(t, c.o.start())
			}
			a.say(say(fmt.Sprint(i)))
		}
		for _, s := range []*socket{a, b, c, d} {
			list, _ := texts(t, s.got)
			require.Equal(t, "0:<nil> 1:<nil> 2:<nil> 3:<nil>", strings.Join(list, " "))
		}
	}))
	t.Run("recoverable, over the room's sleep", tree(chat(websocketserver.Recovery{}), 1, func(t *testing.T, w *wood) {
		b, a := w.user("bob"), w.recoverable("ann", "")
		require.Same(t, w.number(1), a.o)
		first := opened(t, a.got)
		require.Equal(t, []string{`{"event":"chat","text":"m","n":1,"seq":1}`, `{"event":"message:ack","n":1}`}, a.ask(`{"event":"chat","text":"m","n":1}`))
		before := w.sessions()
		require.NoError(t, w.start())
		require.Equal(t, before, w.sessions())
		require.Equal(t, []string{`{"event":"message:ack","n":1,"again":true}`}, a.ask(`{"event":"chat","text":"m","n":1}`))
		require.NoError(t, a.o.start())
		require.Equal(t, []string{`{"event":"message:ack","n":1,"again":true}`}, a.ask(`{"event":"chat","text":"m","n":1}`))
		a.close(1006)
		b.say(say("missed"))
		c := w.user("cleo")
		again := w.recoverable("ann", `,"token":"`+first.Token+`","seq":1`)
		require.Same(t, w.number(2), again.o, "on another leaf")
		require.True(t, opened(t, again.got).Resumed)
		list, _ := texts(t, again.got)
		require.Equal(t, []string{"missed:2"}, list)
		c.hear()
		third := w.recoverable("ann", `,"token":"`+first.Token+`","seq":2`)
		require.True(t, opened(t, third.got).Resumed)
		require.Equal(t, websocket.CloseReplaced, again.code)
		require.Empty(t, c.hear(), "nobody has come or gone")
	}))
	t.Run("presence and users", tree(chat(websocketserver.Recovery{}), 1, func(t *testing.T, w *wood) {
		a, b, c := w.recoverable("ann", ""), w.recoverable("bob", ""), w.user("bob")
		b.say(presence("b1", 1))
		users, err := websocket.GetUsers.Call(t.Context(), w.object)
		require.NoError(t, err)
		require.Len(t, users, 2)
		require.EqualValues(t, 2, users[1].Connections)
		require.NoError(t, w.start())
		a.hear()
		require.Equal(t, []string{"presence:snapshot"}, events(t, a.ask(`{"event":"presence:request"}`)))
		require.Contains(t, events(t, b.hear()), "presence:again", "whose the id is, it knew from the leaf")
		require.Equal(t, "403", status(t, c.ask(presence("b1", 1))))
		b.close(1006)
		require.Equal(t, []string{"session:disconnected", "presence:remove"}, events(t, a.hear()))
		c.close(1006)
		require.Equal(t, []string{"session:disconnected", "user:left"}, events(t, a.hear()))
	}))
	t.Run("kick, and limits", tree(websocketserver.Config{MaxSessions: 3}, 1, func(t *testing.T, w *wood) {
		a, b, c := w.user("ann"), w.user("bob"), w.user("cleo")
		_, resp := w.let("dan")
		require.Equal(t, 503, resp.Code)
		require.Equal(t, "10", resp.Header().Get("Retry-After"))
		require.JSONEq(t, `{"status":503,"message":"Room is full"}`, resp.Body.String())
		ok, err := websocket.Kick.Call(t.Context(), w.object, w.sessions()[1].ID, "go")
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, websocket.CloseKicked, b.code)
		require.Equal(t, "go", b.reason)
		require.Equal(t, []string{"session:disconnected"}, events(t, a.hear()[3:]))
		c.hear()
		b.say(`{"event":"x"}`)
		b.close(1006)
		require.Empty(t, c.hear())
		for range 30 {
			require.Equal(t, "none", status(t, c.ask(`{"event":"x"}`)))
		}
		require.Equal(t, "429", status(t, c.ask(`{"event":"x"}`)))
		require.NoError(t, w.start())
		require.Equal(t, "429", status(t, c.ask(`{"event":"x"}`)), "asleep it was not filled")
	}))
	t.Run("slow", tree(chat(websocketserver.Recovery{Window: 10}), 1, func(t *testing.T, w *wood) {
		b, slow := w.user("bob"), w.recoverable("ann", "")
		token := opened(t, slow.got).Token
		for range 15 {
			b.say(say("m"))
		}
		require.Equal(t, websocket.CloseSlow, slow.code)
		list, _ := texts(t, slow.got)
		require.Len(t, list, 10)
		list, _ = texts(t, w.recoverable("ann", `,"token":"`+token+`","seq":10`).got)
		require.Len(t, list, 5)
	}))
	t.Run("silent", tree(chat(websocketserver.Recovery{}), 1, func(t *testing.T, w *wood) {
		a, b, c := w.user("ann"), w.user("bob"), w.user("cleo")
		for range 5 {
			w.advance(25 * time.Second)
			a.say(websocket.PingFrame)
			b.say(websocket.PingFrame)
		}
		require.False(t, b.closing, "its leaf answered its pings")
		require.Equal(t, websocket.CloseSilent, c.code)
		require.NoError(t, w.start())
		for range 5 {
			w.advance(25 * time.Second)
			a.say(websocket.PingFrame)
			b.say(websocket.PingFrame)
		}
		require.False(t, b.closing)
	}))
	t.Run("what does not fit", tree(websocketserver.Config{}, 1, func(t *testing.T, w *wood) {
		for _, row := range []struct {
			leaves  string
			perLeaf int64
			room    string
			want    string
		}{
			{"OTHER", 1, "r", `Options.Leaves is "OTHER", but the worker of the room's class has no such binding`},
			{"LEAF", 0, "r", "a leaf has one socket or more"}, {"LEAF", 1, "", "a leaf has one socket or more"},
		} {
			_, err := websocket.Place.Call(t.Context(), w.object, row.leaves, row.perLeaf, row.room)
			require.ErrorContains(t, err, row.want)
			require.Equal(t, websocket.InvalidPlace, websocket.Code(err))
		}
		w.user("ann")
		w.user("bob")
		for o, methods := range map[*object][]string{w.object: {"leafJoin", "leafMessage", "leafClose", "leafCheck"}, w.number(1): {"leafDo", "leafList"}} {
			for _, method := range methods {
				args, err := value.Marshal(nil, []any{})
				require.NoError(t, err)
				_, err = o.CallRPC(t.Context(), method, args)
				require.ErrorContains(t, err, "this method is for a room and its leaves", method)
			}
		}
		_, resp := w.number(1).upgrade(`{"room":"r"}`)
		require.Equal(t, 400, resp.Code)
		_, resp = w.number(1).upgrade(`{"room":"other"}`, websocket.LeafHeader, "1")
		require.Equal(t, 400, resp.Code)
		_, resp = w.number(9).upgrade(`{"room":"r"}`, websocket.LeafHeader, "9")
		require.Equal(t, 503, resp.Code, "the room knows no such leaf")
		_, resp = w.number(1).upgrade(``, "Upgrade", "")
		require.Equal(t, 404, resp.Code)
	}))
}

// TestLeaves_failures: what breaks between a room and its leaves is noticed.
func TestLeaves_failures(t *testing.T) {
	down := errors.New("the leaf is away")
	missed := func(t *testing.T, w *wood, token string, seq int) string {
		list, _ := texts(t, w.recoverable("ann", fmt.Sprintf(`,"token":%q,"seq":%d`, token, seq)).got)
		return strings.Join(list, " ")
	}
	t.Run("the room ends with frames queued", tree(chat(websocketserver.Recovery{}), 1, func(t *testing.T, w *wood) {
		b, a, c := w.user("bob"), w.recoverable("ann", ""), w.user("cleo")
		token := opened(t, a.got).Token
		b.say(say("one"))
		require.Empty(t, w.texts(`SELECT generation FROM websocket_queued`))
		w.later = true
		b.say(say("two"))
		require.NotEmpty(t, w.texts(`SELECT generation FROM websocket_queued`))
		w.later = false
		require.NoError(t, w.start())
		require.Equal(t, 1012, a.code)
		require.Equal(t, 1012, c.code, "it would see a hole")
		require.False(t, b.closing)
		require.Empty(t, w.texts(`SELECT generation FROM websocket_queued`))
		require.Equal(t, "two:2", missed(t, w, token, 1))
		require.NoError(t, w.start())
		require.Len(t, w.sessions(), 2)
	}))
	for name, before := range map[string]bool{"before": true, "after": false} {
		t.Run("a call fails "+name+" it was done", tree(chat(websocketserver.Recovery{}), 1, func(t *testing.T, w *wood) {
			b, a, c := w.user("bob"), w.recoverable("ann", ""), w.user("cleo")
			token := opened(t, a.got).Token
			b.hear()
			w.faults = func(k call) ([]byte, error) {
				if k.to != w.number(1) {
					return k.do()
				}
				if !before {
					w.faults = nil
					_, _ = k.do()
				}
				return nil, down
			}
			b.say(say("one"))
			require.Equal(t, []string{"chat", "session:disconnected"}, events(t, b.hear()))
			require.Equal(t, before, !a.closing, "while it does not answer it cannot be told")
			require.False(t, c.closing)
			if before {
				require.Equal(t, []string{"1012"}, w.texts(`SELECT CAST(lost AS TEXT) FROM websocket_leaves WHERE lost > 0`))
				require.NoError(t, w.start())
				require.Len(t, w.sessions(), 2, "nobody takes its sockets over")
				w.faults = nil
				w.advance(80 * time.Second)
			}
			require.Equal(t, 1012, a.code)
			require.Empty(t, w.texts(`SELECT leaf FROM websocket_leaves WHERE lost > 0`))
			seq, want := 1, ""
			if before {
				seq, want = 0, "one:1"
			}
			require.Equal(t, want, missed(t, w, token, seq))
		}))
	}
	t.Run("a leaf that is lost, and not the same any more", tree(chat(websocketserver.Recovery{}), 1, func(t *testing.T, w *wood) {
		b, a := w.user("bob"), w.recoverable("ann", "")
		token := opened(t, a.got).Token
		failures := 0
		w.faults = func(k call) ([]byte, error) {
			if failures++; failures <= 3 {
				return nil, down
			}
			if failures == 4 {
				require.NoError(t, k.to.start())
			}
			return k.do()
		}
		start := time.Now()
		b.say(say("one"))
		require.Equal(t, 1012, a.code, "it is told again")
		require.Less(t, time.Since(start), 2*time.Second)
		require.Equal(t, "one:1", missed(t, w, token, 0))
	}))
	t.Run("the room does not answer", tree(chat(websocketserver.Recovery{}), 1, func(t *testing.T, w *wood) {
		_, a := w.user("bob"), w.recoverable("ann", "")
		token := opened(t, a.got).Token
		l := w.number(1)
		l.faults = func(k call) ([]byte, error) {
			if k.method == "leafMessage" {
				_, _ = k.do()
				return nil, down
			}
			return k.do()
		}
		a.say(`{"event":"chat","text":"x","n":1}`)
		require.Equal(t, 1012, a.code, "handled or not, it cannot tell")
		require.Len(t, w.sessions(), 1)
		l.faults = nil
		require.EqualValues(t, 1, opened(t, w.recoverable("ann", `,"token":"`+token+`"`).got).N)
	}))
	t.Run("a connection that the room does not know", tree(chat(websocketserver.Recovery{}), 1, func(t *testing.T, w *wood) {
		_, a, c := w.user("bob"), w.user("ann"), w.user("cleo")
		for _, table := range []string{"websocket_leaves", "websocket_queued"} {
			w.exec(`DELETE FROM ` + table)
		}
		require.NoError(t, w.start())
		require.Len(t, w.sessions(), 1)
		a.say(`{"event":"x"}`)
		require.Equal(t, 1012, a.code)
		require.False(t, c.closing)
		l := c.o
		require.NoError(t, l.start())
		l.advance(6 * time.Minute)
		require.Equal(t, 1012, c.code, "it says nothing itself: the alarm")
		c.close(1006)
		l.advance(6 * time.Minute)
		require.Nil(t, l.Alarm.At)
	}))
	t.Run("a leaf that has lost sockets", tree(chat(websocketserver.Recovery{}), 1, func(t *testing.T, w *wood) {
		b, a := w.user("bob"), w.user("ann")
		b.hear()
		a.gone()
		require.NoError(t, a.o.start())
		b.say(say("x"))
		require.Equal(t, []string{"chat", "session:disconnected"}, events(t, b.hear()))
		a = w.user("ann")
		a.gone()
		require.NoError(t, a.o.start())
		require.NoError(t, w.start())
		require.Len(t, w.sessions(), 1)
	}))
	t.Run("what the alarm finds", tree(websocketserver.Config{SilentAfter: 2 * time.Minute}, 1, func(t *testing.T, w *wood) {
		a := w.user("ann")
		time.Sleep(time.Minute)
		b, c := w.user("bob"), w.user("cleo")
		w.faults = func(k call) ([]byte, error) { // it does nothing, and says that it did
			return value.Marshal(nil, map[string]any{"instance": "x", "again": false})
		}
		ok, err := websocket.Kick.Call(t.Context(), w.object, w.sessions()[2].ID, "")
		require.True(t, ok && err == nil)
		w.faults = nil
		require.False(t, c.closing)
		a.close(1001)
		b.gone()
		require.NoError(t, b.o.start())
		require.Len(t, w.sessions(), 1)
		w.advance(61 * time.Second)
		require.Empty(t, w.sessions(), "it has vanished, with the sockets of its leaf, and is not silent yet")
		require.Equal(t, 1012, c.code, "one that the room has let go")
	}))
	t.Run("a leaf is slow", tree(chat(websocketserver.Recovery{}), 1, func(t *testing.T, w *wood) {
		w.config.RateLimit.MaxTokens = 1e6
		require.NoError(t, w.start())
		b, a, c := w.user("bob"), w.recoverable("ann", ""), w.user("cleo")
		token := opened(t, a.got).Token
		w.later = true
		big := strings.Repeat("x", 60_000)
		n := 0
		for ; !slices.ContainsFunc(w.Logged, func(s string) bool { return strings.Contains(s, "leaf 1 is too slow") }); n++ {
			require.Less(t, n, 300)
			b.say(say(big))
		}
		require.Greater(t, n, 100, "8 MiB")
		w.later = false
		w.work()
		require.Equal(t, websocket.CloseSlow, a.code)
		require.Equal(t, websocket.CloseSlow, c.code)
		require.Len(t, w.sessions(), 1)
		require.Empty(t, w.texts(`SELECT leaf FROM websocket_leaves WHERE lost > 0`))
		require.Empty(t, w.texts(`SELECT generation FROM websocket_queued`))
		again := w.recoverable("ann", `,"token":"`+token+`","seq":0`)
		require.True(t, opened(t, again.got).Resumed)
		require.Equal(t, 1, strings.Count(joined(again.got), `"session:gap"`), "the log holds 4 MiB")
	}))
	t.Run("a client that floods a room that is slow", tree(chat(websocketserver.Recovery{}), 1, func(t *testing.T, w *wood) {
		_, a := w.user("bob"), w.user("ann")
		deep := 0
		a.o.faults = func(k call) ([]byte, error) {
			if deep++; k.method == "leafMessage" && !a.closing && deep < 1000 { // the next comes before this one is handled
				_ = a.o.instance.SocketMessage(a.o.Context(), a.handle, true, []byte(`{"event":"x"}`))
			}
			return k.do()
		}
		a.say(`{"event":"x"}`)
		require.Equal(t, websocket.CloseSlow, a.code)
		require.Less(t, deep, 300)
		require.Len(t, w.sessions(), 1)
	}))
	t.Run("the room comes back while a client is let in", tree(chat(websocketserver.Recovery{}), 1, func(t *testing.T, w *wood) {
		b := w.user("bob")
		w.user("ann").close(1006)
		l := w.number(1)
		l.faults = func(k call) ([]byte, error) {
			out, err := k.do()
			if k.method == "leafJoin" {
				l.faults = nil
				require.NoError(t, w.start()) // it does not know the client
			}
			return out, err
		}
		b.hear()
		_, resp := w.let("cleo")
		require.Equal(t, 503, resp.Code)
		require.Empty(t, l.sockets)
		require.Len(t, w.sessions(), 1)
	}))
}

// TestLeaves_rights: what a client may do, for how long, and whether it may come in, is the same on a leaf; and so are binary frames.
func TestLeaves_rights(t *testing.T) {
	c := chat(websocketserver.Recovery{})
	c.OnBinary = func(ctx context.Context, room *websocketserver.Server, from *websocketserver.Session, data []byte) error {
		return room.PublishBinary(ctx, data, nil)
	}
	tree(c, 1, func(t *testing.T, w *wood) {
		first := w.user("bob")
		limited := func(user, more string) (*socket, *httptest.ResponseRecorder) {
			n, err := websocket.Place.Call(t.Context(), w.object, "LEAF", w.perLeaf, "r")
			require.NoError(t, err)
			return w.number(n).upgrade(`{"room":"r","meta":{"user_id":"`+user+`"}`+more+`}`, websocket.LeafHeader, fmt.Sprint(n),
				"Sec-WebSocket-Protocol", websocket.Plain)
		}
		a, resp := limited("ann", fmt.Sprintf(`,"capabilities":{"publish":["tell"],"subscribe":["*"]},"expires":%d`, time.Now().Add(30*time.Second).UnixMilli()))
		require.NotNil(t, a, resp.Body)
		require.NotSame(t, w.object, a.o)
		require.Equal(t, websocket.Plain, a.header.Get("Sec-WebSocket-Protocol"))
		require.Equal(t, []string{"session:list", "token:expires"}, events(t, a.hear()))
		require.Equal(t, "403", status(t, a.ask(say("hi"))))
		binary := func(from *socket, data string) {
			first.hear()
			a.hear()
			from.o.event(func() {
				require.NoError(t, from.o.instance.SocketMessage(t.Context(), from.handle, false, []byte(data)))
			})
		}
		binary(first, "\xff\x00")
		require.Equal(t, []string{"\xff\x00"}, a.hear())
		binary(a, "x")
		require.Equal(t, "403", status(t, a.hear()))
		require.Empty(t, first.hear())
		require.NoError(t, w.start(), "the room has slept")
		require.Equal(t, "403", status(t, a.ask(say("hi"))))
		w.advance(30*time.Second + websocket.ClockSkew)
		require.Equal(t, websocket.CloseExpired, a.code)

		a, _ = limited("ann", "")
		n, err := websocket.Ban.Call(t.Context(), w.object, "ann", time.Hour.Milliseconds(), "spam")
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		require.Equal(t, websocket.CloseKicked, a.code)
		_, resp = limited("ann", "")
		require.Equal(t, 403, resp.Code, resp.Body)
		require.NotEmpty(t, resp.Header().Get("Retry-After"))
	})(t)
}
