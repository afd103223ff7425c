package websocketserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver"
)

// chat is a room that sends each chat to all, and is recoverable.
func chat(r websocketserver.Recovery) websocketserver.Config {
	c := websocketserver.Config{Recovery: &r, Presence: true, RateLimit: websocketserver.RateLimit{MaxTokens: 10_000, EphemeralMaxTokens: 10_000}}
	c.OnMessage = func(ctx context.Context, room *websocketserver.Server, from *websocketserver.Session, m websocket.Message) (any, error) {
		switch m.Event {
		case "chat":
			_, err := room.Publish(ctx, m, nil)
			return nil, err
		case "tell": // the others
			_, err := room.Publish(ctx, m, from)
			return map[string]any{"event": "told", "key": m.Key != ""}, err
		case "half":
			_, err := room.Publish(ctx, m, nil)
			return nil, errors.Join(err, &websocketserver.Refusal{Status: 422, Message: "No"})
		}
		return nil, nil
	}
	return c
}

// recoverable dials with the subprotocol, and opens a session.
func (o *object) recoverable(user, open string) *socket {
	s, w := o.upgrade(`{"room":"r","meta":{"user_id":"`+user+`"}}`, "Sec-WebSocket-Protocol", "other, "+websocket.Recoverable)
	require.NotNil(o.t, s, w.Body)
	require.Equal(o.t, websocket.Recoverable, s.header.Get("Sec-WebSocket-Protocol"))
	require.Empty(o.t, s.got)
	s.say(`{"event":"session:open"` + open + `}`)
	return s
}

// opened reads the first frame.
func opened(t testing.TB, frames []string) (f struct {
	Event   string
	ID      string `json:"ws_session_id"`
	Token   string
	Resumed bool
	N, Seq  int64
}) {
	t.Helper()
	require.NotEmpty(t, frames)
	require.NoError(t, json.Unmarshal([]byte(frames[0]), &f))
	require.Equal(t, "session:open", f.Event)
	return f
}

// texts are the chats among frames, with their numbers; other is every other event but lists.
func texts(t testing.TB, frames []string) (list, other []string) {
	for _, f := range frames {
		switch m := frame(t, f); m["event"] {
		case "chat", "tell", "entity:updated":
			what := m["text"]
			if what == nil {
				what = m["id"]
			}
			list = append(list, fmt.Sprintf("%v:%v", what, m["seq"]))
		case "session:gap":
			list = append(list, fmt.Sprintf("gap %v-%v", m["from"], m["to"]))
		default:
			other = append(other, m["event"].(string))
		}
	}
	return list, other
}

func say(text string) string { return `{"event":"chat","text":"` + text + `"}` }

// TestServer_resume: who comes back gets what it has missed.
func TestServer_resume(t *testing.T) {
	missed := func(t *testing.T, frames []string) string {
		list, _ := texts(t, frames)
		return strings.Join(list, " ")
	}
	t.Run("in order and once", bubble(chat(websocketserver.Recovery{}), func(t *testing.T, o *object) {
		a, b := o.recoverable("ann", ""), o.user("bob")
		first := opened(t, a.got)
		require.False(t, first.Resumed)
		require.Equal(t, []string{"session:open", "session:list"}, events(t, a.got)[:2])
		a.hear()
		b.hear()
		b.say(say("one"))
		require.Equal(t, []string{`{"event":"chat","text":"one","seq":1}`}, a.hear())
		require.Equal(t, []string{`{"event":"chat","text":"one"}`}, b.hear(), "as it was, to a client of the original")
		a.close(1006)
		b.say(say("two"))
		require.NoError(t, o.start())
		b.say(say("three"))
		b.hear()
		again := o.recoverable("ann", `,"token":"`+first.Token+`","seq":1`)
		r := opened(t, again.got)
		require.True(t, r.Resumed)
		require.Equal(t, first.ID, r.ID)
		require.Equal(t, "two:2 three:3", missed(t, again.hear()))
		require.Equal(t, []string{"session:connected"}, events(t, b.hear()))
		b.say(say("four"))
		require.Equal(t, "four:4", missed(t, again.hear()))
	}))
	t.Run("a connection that is still there is replaced", bubble(chat(websocketserver.Recovery{}), func(t *testing.T, o *object) {
		a, b := o.recoverable("ann", ""), o.user("bob")
		token := opened(t, a.got).Token
		a.say(presence("a1", 1))
		b.hear()
		again := o.recoverable("ann", `,"token":"`+token+`","seq":0`)
		require.True(t, opened(t, again.got).Resumed)
		require.Equal(t, websocket.CloseReplaced, a.code)
		require.Empty(t, b.hear(), "nobody has come or gone")
		a.say(say("from the old one"))
		a.close(1006)
		require.Empty(t, b.hear())
		again.close(1006)
		require.Equal(t, []string{"session:disconnected", "presence:remove"}, events(t, b.hear()))
	}))
	t.Run("a gap is reported", bubble(chat(websocketserver.Recovery{Messages: 8}), func(t *testing.T, o *object) {
		a, b := o.recoverable("ann", ""), o.user("bob")
		token := opened(t, a.got).Token
		a.close(1006)
		for i := range 40 {
			b.say(say(fmt.Sprint("m", i)))
		}
		require.LessOrEqual(t, len(o.texts(`SELECT seq FROM websocket_log`)), 9)
		again := o.recoverable("ann", `,"token":"`+token+`","seq":2`)
		got := missed(t, again.got)
		require.Regexp(t, `^gap 3-3[123] m3[123]:3[234] `, got)
		require.True(t, strings.HasSuffix(got, "m39:40"), got)
	}))
	t.Run("what is not for it stays away", bubble(chat(websocketserver.Recovery{}), func(t *testing.T, o *object) {
		o.config.FilterEntityChange = func(c websocket.Change, to *websocketserver.Session) (bool, error) {
			return to.User() == "ann" && c.ID == "open" && c.EntityType == "post" && c.Action == websocket.Updated, nil
		}
		require.NoError(t, o.start())
		a, b := o.recoverable("ann", ""), o.recoverable("bob", "")
		id, token := opened(t, a.got).ID, opened(t, a.got).Token
		a.say(`{"event":"tell","text":"own"}`)
		a.close(1006)
		for _, e := range []string{"open", "secret"} {
			require.NoError(t, websocket.EntityChanged.Call(t.Context(), o, websocket.Change{Action: websocket.Updated, EntityType: "post", ID: e}))
		}
		require.NoError(t, websocket.Broadcast.Call(t.Context(), o, map[string]any{"event": "chat", "text": "excluded"}, &id))
		b.say(say("all"))
		again := o.recoverable("ann", `,"token":"`+token+`","seq":0`)
		list, other := texts(t, again.got)
		require.Equal(t, []string{"open:3", "all:6"}, list)
		require.Contains(t, other, "told", "the answer to its own message")
	}))
	t.Run("ephemeral messages are not kept", bubble(chat(websocketserver.Recovery{}), func(t *testing.T, o *object) {
		a := o.recoverable("ann", "")
		a.say(presence("a1", 1))
		require.Empty(t, o.texts(`SELECT name FROM sqlite_master WHERE name = 'websocket_log'`))
	}))
}

// TestServer_resume_refused: tokens that prove nothing begin a new session, and say so.
func TestServer_resume_refused(t *testing.T) {
	for _, row := range []struct {
		name    string
		user    string
		away    time.Duration
		change  func(token string) string
		resumed bool
	}{
		{"in time", "ann", 119 * time.Second, nil, true},
		{"too late", "ann", 121 * time.Second, nil, false},
		{"another user", "bob", 0, nil, false},
		{"forged", "ann", 0, func(token string) string { return token[:len(token)-1] + string(token[len(token)-1]^1) }, false},
		{"of no session", "ann", 0, func(token string) string {
			first := "A"
			if token[0] == 'A' {
				first = "B"
			}
			return first + token[1:]
		}, false},
		{"malformed", "ann", 0, func(token string) string { return "x" }, false},
	} {
		t.Run(row.name, bubble(chat(websocketserver.Recovery{}), func(t *testing.T, o *object) {
			a, c := o.recoverable("ann", ""), o.user("cleo")
			token := opened(t, a.got).Token
			if row.change != nil {
				token = row.change(token)
			}
			c.say(say("one"))
			c.say(say("two"))
			a.close(1006)
			for range row.away / time.Second {
				o.advance(time.Second)
				c.say(websocket.PingFrame)
			}
			again := o.recoverable(row.user, `,"token":"`+token+`","seq":1`)
			require.Equal(t, row.resumed, opened(t, again.got).Resumed)
			list, _ := texts(t, again.got)
			if row.resumed {
				require.Equal(t, []string{"two:2"}, list)
			} else {
				require.Equal(t, []string{"gap 2-2"}, list)
				require.NotEqual(t, opened(t, a.got).ID, opened(t, again.got).ID)
			}
		}))
	}
	for _, row := range []struct {
		name string
		end  func(o *object, a *socket, id string)
	}{
		{"after it has left", func(o *object, a *socket, _ string) { a.close(1000) }},
		{"after it was kicked", func(o *object, a *socket, id string) {
			done, err := websocket.Kick.Call(o.t.Context(), o, id, "")
			require.True(o.t, done && err == nil)
		}},
		{"after it was kicked while away", func(o *object, a *socket, id string) {
			a.close(1006)
			done, err := websocket.Kick.Call(o.t.Context(), o, id, "")
			require.True(o.t, done && err == nil)
		}},
	} {
		t.Run(row.name, bubble(chat(websocketserver.Recovery{}), func(t *testing.T, o *object) {
			a := o.recoverable("ann", "")
			f := opened(t, a.got)
			row.end(o, a, f.ID)
			require.False(t, opened(t, o.recoverable("ann", `,"token":"`+f.Token+`"`).got).Resumed)
		}))
	}
	t.Run("a session that is too old", bubble(chat(websocketserver.Recovery{MaxLife: time.Minute}), func(t *testing.T, o *object) {
		a := o.recoverable("ann", "")
		token := opened(t, a.got).Token
		o.advance(time.Minute)
		require.False(t, opened(t, o.recoverable("ann", `,"token":"`+token+`"`).got).Resumed)
	}))
	t.Run("many that nobody resumes", bubble(chat(websocketserver.Recovery{}), func(t *testing.T, o *object) {
		o.config.MaxSessions = 10
		require.NoError(t, o.start())
		for range 100 {
			o.recoverable("ann", "").close(1006)
		}
		require.LessOrEqual(t, len(o.texts(`SELECT id FROM websocket_sessions`)), 22)
		o.advance(3 * time.Minute)
		require.Empty(t, o.texts(`SELECT id FROM websocket_sessions`))
		require.Nil(t, o.Alarm.At)
	}))
}

// TestServer_numbered: messages of a client, each handled once and in order.
func TestServer_numbered(t *testing.T) {
	bubble(chat(websocketserver.Recovery{}), func(t *testing.T, o *object) {
		a := o.recoverable("ann", "")
		token := opened(t, a.got).Token
		say := func(n int) []string { return a.ask(fmt.Sprintf(`{"event":"chat","text":"m","n":%d}`, n)) }
		require.Equal(t, []string{`{"event":"chat","text":"m","n":1,"seq":1}`, `{"event":"message:ack","n":1}`}, say(1))
		require.Equal(t, []string{`{"event":"message:ack","n":1,"again":true}`}, say(1))
		require.Equal(t, []string{`{"event":"error","message":"Send message 2 first","status":409,"n":3}`}, say(3))
		require.Len(t, say(2), 2)
		for _, bad := range []string{`0`, `-1`, `1.5`, `"3"`, `null`, `9007199254740992`, `1e1`} {
			require.Equal(t, "400", status(t, a.ask(`{"event":"chat","n":`+bad+`}`)), bad)
		}
		require.NoError(t, o.start())
		require.Equal(t, []string{`{"event":"message:ack","n":2,"again":true}`}, say(2))

		require.Equal(t, []string{`{"event":"error","message":"No","status":422,"n":3}`}, a.ask(`{"event":"half","n":3}`), "undone")
		require.Equal(t, []string{`{"event":"chat","text":"m","n":3,"seq":3}`, `{"event":"message:ack","n":3}`}, say(3), "its number too")
		require.Equal(t, []string{`{"event":"told","key":true,"seq":5}`, `{"event":"message:ack","n":4}`}, a.ask(`{"event":"tell","n":4}`))

		a.close(1006)
		a = o.recoverable("ann", `,"token":"`+token+`","seq":5`)
		require.EqualValues(t, 4, opened(t, a.got).N)
		require.Equal(t, []string{`{"event":"message:ack","n":4,"again":true}`}, a.ask(`{"event":"tell","n":4}`))
		require.Equal(t, "3", o.texts(`SELECT count(*) FROM websocket_log WHERE text LIKE '%chat%'`)[0])
	})(t)
}

// TestServer_overtaken: another event runs between a commit and what is sent for it.
func TestServer_overtaken(t *testing.T) {
	bubble(chat(websocketserver.Recovery{}), func(t *testing.T, o *object) {
		a := o.recoverable("ann", "")
		o.afterCommit = func() {
			require.NoError(t, websocket.Broadcast.Call(t.Context(), o, map[string]any{"event": "chat", "text": "later"}, nil))
		}
		list, _ := texts(t, a.ask(`{"event":"chat","text":"first","n":1}`))
		require.Equal(t, []string{"first:1", "later:2"}, list)
	})(t)
}

// TestServer_protocol: frames at the wrong time.
func TestServer_protocol(t *testing.T) {
	bubble(chat(websocketserver.Recovery{}), func(t *testing.T, o *object) {
		other := o.user("bob")
		other.hear()
		s, _ := o.upgrade("", "Sec-WebSocket-Protocol", websocket.Recoverable)
		for _, f := range []string{say("x"), `{"event":"session:ack","seq":1}`, `{"event":"history:get"}`, `{"event":"chat","n":1}`, presence("a1", 1)} {
			require.Equal(t, "409", status(t, s.ask(f)), f)
		}
		require.Empty(t, other.hear(), "it is not in the room yet")
		require.NoError(t, o.start())
		require.Equal(t, "session:open", events(t, s.ask(`{"event":"session:open"}`))[0])
		require.Equal(t, "409", status(t, s.ask(`{"event":"session:open"}`)))
		require.Equal(t, "403", status(t, other.ask(`{"event":"session:open"}`)), "were it passed on, others would believe it")
		never, _ := o.upgrade("", "Sec-WebSocket-Protocol", websocket.Recoverable)
		o.advance(80 * time.Second)
		require.Equal(t, websocket.CloseSilent, never.code)
	})(t)
}

// TestServer_history: rewind and pages.
func TestServer_history(t *testing.T) {
	bubble(chat(websocketserver.Recovery{}), func(t *testing.T, o *object) {
		b := o.user("bob")
		for i := 1; i <= 250; i++ {
			b.say(say(fmt.Sprint("m", i, "/")))
		}
		a := o.recoverable("ann", `,"rewind":2`)
		list, _ := texts(t, a.got)
		require.Equal(t, []string{"m249/:249", "m250/:250"}, list)
		page := func(args string) (first, last float64, n int, more bool) {
			f := frame(t, a.ask(`{"event":"history:get"` + args + `}`)[0])
			require.Equal(t, "history", f["event"])
			all := f["messages"].([]any)
			if len(all) > 0 {
				first, last = all[0].(map[string]any)["seq"].(float64), all[len(all)-1].(map[string]any)["seq"].(float64)
			}
			more, _ = f["more"].(bool)
			return first, last, len(all), more
		}
		for _, row := range []struct{ args, want string }{
			{``, "151 250 100 true"}, {`,"limit":1000`, "151 250 100 true"}, {`,"limit":3,"before":101`, "98 100 3 true"},
			{`,"before":4`, "1 3 3 false"}, {`,"before":1`, "0 0 0 false"}, {`,"before":0`, "0 0 0 false"}, {`,"limit":0`, "0 0 0 true"},
		} {
			require.Equal(t, row.want, fmt.Sprintln(page(row.args))[:len(row.want)], row.args)
		}
		big := strings.Repeat("x", 60_000)
		for range 10 {
			b.say(say(big))
		}
		_, _, n, more := page("")
		require.True(t, more)
		require.Equal(t, 4, n, "256 KiB")
	})(t)
}

// TestServer_slow: a client that acknowledges nothing is closed, and is sent the rest when it comes back.
func TestServer_slow(t *testing.T) {
	bubble(chat(websocketserver.Recovery{Window: 10}), func(t *testing.T, o *object) {
		slow, quick, b := o.recoverable("ann", ""), o.recoverable("cleo", ""), o.user("bob")
		token := opened(t, slow.got).Token
		slow.hear()
		for i := 1; i <= 15; i++ {
			b.say(say("m"))
			quick.say(fmt.Sprintf(`{"event":"session:ack","seq":%d}`, i))
		}
		require.Equal(t, websocket.CloseSlow, slow.code)
		list, _ := texts(t, slow.got)
		require.Len(t, list, 10)
		require.False(t, quick.closing)
		again := o.recoverable("ann", `,"token":"`+token+`","seq":10`)
		list, _ = texts(t, again.got)
		require.Len(t, list, 5)
	})(t)
}

// TestServer_userEvents: recoverable clients are told of users, not only of connections.
func TestServer_userEvents(t *testing.T) {
	bubble(chat(websocketserver.Recovery{}), func(t *testing.T, o *object) {
		a := o.recoverable("ann", "")
		a.hear()
		first, second := o.user("bob"), o.user("bob")
		require.Equal(t, []string{"session:connected", "user:joined", "session:connected"}, events(t, a.got))
		require.Equal(t, `{"event":"user:joined","user":"bob","meta":{"user_id":"bob"},"num_users":2}`, a.got[1])
		a.hear()
		first.close(1001)
		second.close(1001)
		require.Equal(t, []string{"session:disconnected", "session:disconnected", "user:left"}, events(t, a.got))
		require.Equal(t, `{"event":"user:left","user":"bob","meta":{"user_id":"bob"},"num_users":1}`, a.got[2])
	})(t)
}
