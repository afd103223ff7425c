package websocketserver_test

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver"
)

func note(text string) map[string]any { return map[string]any{"event": "note", "text": text} }

// TestServer_publish: a message that another object publishes with a key is in the room once.
func TestServer_publish(t *testing.T) {
	publish := func(o *object, text string, opts *websocket.PublishOptions) (websocket.Published, error) {
		return websocket.Publish.Call(o.t.Context(), o, note(text), opts)
	}
	t.Run("once for each key", bubble(websocketserver.Config{Recovery: &websocketserver.Recovery{}, Keys: 3}, func(t *testing.T, o *object) {
		a := o.recoverable("ann", "")
		a.hear()
		for i, want := range []websocket.Published{{Seq: 1}, {Seq: 1, Again: true}, {Seq: 1, Again: true}} {
			if i == 2 {
				require.NoError(t, o.start())
			}
			got, err := publish(o, "one", &websocket.PublishOptions{Key: "k"})
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		require.Equal(t, []string{`{"event":"note","text":"one","seq":1}`}, a.hear())
		_, err := publish(o, "other", &websocket.PublishOptions{Key: "k"})
		require.Equal(t, websocket.KeyReused, websocket.Code(err), "%v", err)
		_, err = publish(o, "long", &websocket.PublishOptions{Key: strings.Repeat("k", 256)})
		require.Equal(t, websocket.InvalidKey, websocket.Code(err))
		got, err := publish(o, "none", nil)
		require.NoError(t, err)
		require.Equal(t, websocket.Published{Seq: 2}, got)
		for i := range 3 {
			_, err := publish(o, "next", &websocket.PublishOptions{Key: fmt.Sprint(i)})
			require.NoError(t, err)
		}
		require.Len(t, o.texts(`SELECT key FROM websocket_keys`), 3)
		got, err = publish(o, "one", &websocket.PublishOptions{Key: "k"})
		require.NoError(t, err)
		require.Equal(t, websocket.Published{Seq: 6}, got, "it was forgotten")
	}))
	t.Run("without a log", bubble(websocketserver.Config{}, func(t *testing.T, o *object) {
		a, b := o.user("ann"), o.user("bob")
		list, err := websocket.GetActiveSessions.Call(t.Context(), o)
		require.NoError(t, err)
		a.hear()
		b.hear()
		for i := range 2 {
			got, err := publish(o, "one", &websocket.PublishOptions{Key: "k", Exclude: list[0].ID})
			require.NoError(t, err)
			require.Equal(t, websocket.Published{Again: i == 1}, got)
		}
		require.Empty(t, a.hear())
		require.Len(t, b.hear(), 1)
		_, err = websocket.ReadHistory.Call(t.Context(), o, nil)
		require.Equal(t, websocket.NoLog, websocket.Code(err))
	}))
	t.Run("an isolate that ends", bubble(websocketserver.Config{Recovery: &websocketserver.Recovery{}}, func(t *testing.T, o *object) {
		for _, at := range []death{insideTx, afterTx} {
			key := &websocket.PublishOptions{Key: fmt.Sprint(at)}
			o.dies = at
			require.Panics(t, func() { _, _ = publish(o, "x", key) })
			o.dies = never
			require.NoError(t, o.start())
			got, err := publish(o, "x", key)
			require.NoError(t, err)
			require.False(t, got.Again, "it ended before the event did")
			got, err = publish(o, "x", key)
			require.NoError(t, err)
			require.True(t, got.Again)
		}
		require.Len(t, o.texts(`SELECT seq FROM websocket_log`), 2)
	}))
}

// TestServer_readHistory: pages of the log.
func TestServer_readHistory(t *testing.T) {
	n := func(i int64) *int64 { return &i }
	read := func(o *object, opts *websocket.HistoryOptions) string {
		p, err := websocket.ReadHistory.Call(o.t.Context(), o, opts)
		require.NoError(o.t, err)
		var list []string
		for _, m := range p.Messages {
			list = append(list, fmt.Sprint(m["event"], m["seq"]))
		}
		s := fmt.Sprintf("%s of %d", strings.Join(list, " "), p.Seq)
		if p.More {
			s += fmt.Sprint(" next ", p.Next)
		}
		if p.Gap != nil {
			s += fmt.Sprint(" gap ", p.Gap.From, "-", p.Gap.To)
		}
		return s
	}
	c := chat(websocketserver.Recovery{Messages: 8})
	bubble(c, func(t *testing.T, o *object) {
		require.Equal(t, " of 0", read(o, nil))
		a := o.recoverable("ann", "")
		for i := range 9 {
			event := []string{"chat", "post:created", "post:changed"}[i%3]
			require.NoError(t, websocket.Broadcast.Call(t.Context(), o, map[string]any{"event": event}, nil))
		}
		for _, row := range []struct {
			o    *websocket.HistoryOptions
			want string
		}{
			{nil, "chat1 post:created2 post:changed3 chat4 post:created5 post:changed6 chat7 post:created8 post:changed9 of 9"},
			{&websocket.HistoryOptions{Limit: 2}, "post:created8 post:changed9 of 9 next 8"},
			{&websocket.HistoryOptions{Limit: 2, Before: 8}, "post:changed6 chat7 of 9 next 6"},
			{&websocket.HistoryOptions{Limit: 2, Before: 3}, "chat1 post:created2 of 9"},
			{&websocket.HistoryOptions{Limit: 2, After: n(0)}, "chat1 post:created2 of 9 next 2"},
			{&websocket.HistoryOptions{Limit: 2, After: n(7)}, "post:created8 post:changed9 of 9"},
			{&websocket.HistoryOptions{After: n(7), Before: 9}, "post:created8 of 9"},
			{&websocket.HistoryOptions{After: n(20)}, " of 9"},
			{&websocket.HistoryOptions{Events: []string{"chat"}}, "chat1 chat4 chat7 of 9"},
			{&websocket.HistoryOptions{Events: []string{"post:"}, Limit: 1}, "post:changed9 of 9 next 9"},
			{&websocket.HistoryOptions{Events: []string{"post:"}, Limit: 1, Before: 9}, "post:created8 of 9 next 7"},
			{&websocket.HistoryOptions{Events: []string{"post"}}, " of 9"},
		} {
			require.Equal(t, row.want, read(o, row.o), "%+v", row.o)
		}
		a.say(`{"event":"tell"}`) // the answer is for one session
		require.Equal(t, "tell10 of 11", read(o, &websocket.HistoryOptions{After: n(9)}))
		require.Equal(t, []string{"3"}, o.texts(`SELECT min(seq) FROM websocket_log`))
		require.Equal(t, "post:changed3 of 11 next 3 gap 1-2", read(o, &websocket.HistoryOptions{After: n(0), Limit: 1}))
		require.Equal(t, "post:changed3 of 11 gap 2-2", read(o, &websocket.HistoryOptions{After: n(1), Before: 4}))
		require.Equal(t, " of 11 gap 1-1", read(o, &websocket.HistoryOptions{Before: 2}))
		require.Equal(t, "post:changed3 chat4 of 11 gap 1-2", read(o, &websocket.HistoryOptions{Before: 5}))
		for _, bad := range []websocket.HistoryOptions{{After: n(-1)}, {Before: -1}, {Limit: -1}, {Events: make([]string, 17)}} {
			_, err := websocket.ReadHistory.Call(t.Context(), o, &bad)
			require.Equal(t, websocket.InvalidQuery, websocket.Code(err), "%+v", bad)
		}
	})(t)
	t.Run("what is looked at is bounded", bubble(websocketserver.Config{Recovery: &websocketserver.Recovery{Messages: 5000}}, func(t *testing.T, o *object) {
		for i := range 2100 {
			require.NoError(t, websocket.Broadcast.Call(t.Context(), o, map[string]any{"event": map[bool]string{true: "first", false: "x"}[i == 0]}, nil))
		}
		require.Equal(t, " of 2100 next 101", read(o, &websocket.HistoryOptions{Events: []string{"first"}}))
		require.Equal(t, "first1 of 2100", read(o, &websocket.HistoryOptions{Events: []string{"first"}, Before: 101}))
	}))
}

// knock asks at a door.
func (o *object) knock(user, door, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(map[bool]string{true: "POST", false: "GET"}[body != ""], "https://room/", strings.NewReader(body))
	r.Header.Set(websocket.MetaHeader, `{"room":"r","meta":{"user_id":"`+user+`"},"door":`+door+`}`)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	o.event(func() { o.instance.Fetch(w, r) })
	return w
}

const messages = `{"name":"messages","peer":"192.0.2.1"}`

// TestServer_messages: what clients publish without a socket.
func TestServer_messages(t *testing.T) {
	limited := chat(websocketserver.Recovery{})
	limited.RateLimit = websocketserver.RateLimit{MaxTokens: 2, RefillEvery: 10 * time.Second, Ephemeral: []string{"fast:"}}
	limited.MaxMessage = 100
	limited.MaxSessions = 20
	t.Run("through OnMessage", bubble(chat(websocketserver.Recovery{}), func(t *testing.T, o *object) {
		a := o.recoverable("ann", "")
		a.hear()
		for _, row := range []struct {
			body, key string
			status    int
			answer    string
		}{
			{say("one"), "", 200, `{"seq":1}`},
			{say("two"), "k", 200, `{"seq":2}`},
			{say("two"), "k", 200, `{"seq":2,"again":true}`},
			{say("three"), "k", 422, `{"status":422,"message":"The Idempotency-Key was another message's"}`},
			{`{"event":"tell"}`, "t", 200, `{"seq":3,"reply":{"event":"told","key":true}}`},
			{`{"event":"tell"}`, "t", 200, `{"seq":3,"again":true,"reply":{"event":"told","key":true}}`},
			{`{"event":"half"}`, "h", 422, `{"status":422,"message":"No"}`},
			{`{"event":"half"}`, "h", 422, `{"status":422,"message":"No"}`},
			{`{"event":"nothing"}`, "", 200, `{}`},
			{`{}`, "", 400, `{"status":400,"message":"Message missing event field"}`},
			{"\xff", "", 400, `{"status":400,"message":"Could not parse message"}`},
			{"{\"event\":\"chat\",\"text\":\"\xff\"}", "", 400, `{"status":400,"message":"Could not parse message"}`},
			{websocket.PingFrame, "", 400, `{"status":400,"message":"This event needs a socket"}`},
			{presence("p", 1), "", 400, `{"status":400,"message":"This event needs a socket"}`},
			{say("x"), strings.Repeat("k", 256), 400, `{"status":400,"message":"Idempotency-Key is up to 255 bytes"}`},
		} {
			var header []string
			if row.key != "" {
				header = []string{"Idempotency-Key", row.key}
			}
			w := o.knock("bob", messages, row.body, header...)
			require.Equal(t, row.answer+"\n", w.Body.String(), row.body)
			require.Equal(t, row.status, w.Code)
		}
		list, other := texts(t, a.hear())
		require.Equal(t, []string{"one:1", "two:2", "<nil>:3"}, list, "what was undone is not in the log")
		require.Empty(t, other)
		w := o.knock("cleo", messages, say("hers"), "Idempotency-Key", "k")
		require.Equal(t, `{"seq":4}`+"\n", w.Body.String(), "keys are a user's own")
		require.Equal(t, 200, o.knock("dan d", messages, say("his"), "Idempotency-Key", "k").Code)
		require.Equal(t, 200, o.knock("dan", messages, say("another's"), "Idempotency-Key", "d k").Code)
		sessions, err := websocket.GetActiveSessions.Call(t.Context(), o)
		require.NoError(t, err)
		require.Len(t, sessions, 1, "who publishes is not there")
	}))
	t.Run("limited by user", bubble(limited, func(t *testing.T, o *object) {
		try := func(user, body string) int { return o.knock(user, messages, body).Code }
		require.Equal(t, 200, try("ann", say("1")))
		require.Equal(t, 413, try("ann", say(strings.Repeat("x", 100))), "it costs as one that is not refused")
		require.NoError(t, o.start())
		w := o.knock("ann", messages, say("3"))
		require.Equal(t, 429, w.Code)
		require.Equal(t, "10", w.Header().Get("Retry-After"))
		require.Equal(t, 200, try("ann", `{"event":"fast:x"}`), "it has a bucket of its own")
		require.Equal(t, 200, try("bob", say("b")))
		time.Sleep(10 * time.Second)
		require.Equal(t, 200, try("ann", say("4")))
		for range 2 {
			require.Equal(t, 200, try("", say("anybody")))
		}
		require.Equal(t, 429, try("", say("anybody")))
		require.Equal(t, 200, o.knock("", `{"name":"messages","peer":"192.0.2.2"}`, say("from elsewhere")).Code)
		for i := range 60 {
			require.Equal(t, 200, try(fmt.Sprint("user", i), say("x")))
		}
		require.LessOrEqual(t, len(o.texts(`SELECT who FROM websocket_buckets`)), 20)
	}))
	t.Run("history is a session's", bubble(chat(websocketserver.Recovery{}), func(t *testing.T, o *object) {
		o.config.FilterEntityChange = func(_ websocket.Change, to *websocketserver.Session) (bool, error) { return to.User() == "ann", nil }
		require.NoError(t, o.start())
		require.NoError(t, websocket.EntityChanged.Call(t.Context(), o, websocket.Change{Action: websocket.Updated, EntityType: "post", ID: "p"}))
		_, err := websocket.Publish.Call(t.Context(), o, note("<n>"), nil)
		require.NoError(t, err)
		history := `{"name":"history"}`
		require.JSONEq(t, `{"messages":[{"event":"note","text":"<n>","seq":2}],"seq":2,"more":false,"next":1}`, o.knock("bob", history, "").Body.String())
		require.Contains(t, o.knock("ann", history, "").Body.String(), `"id":"p"`)
		require.JSONEq(t, `{"messages":[{"event":"note","text":"<n>","seq":2}],"seq":2,"more":false,"next":2}`, o.knock("bob", `{"name":"history","after":1}`, "").Body.String())
	}))
	t.Run("without a log", bubble(websocketserver.Config{}, func(t *testing.T, o *object) {
		require.Equal(t, 501, o.knock("ann", `{"name":"history"}`, "").Code)
		require.Equal(t, 404, o.knock("ann", `{"name":"else"}`, "").Code)
		_, w := o.upgrade(`{"door":{"name":"listen"}}`)
		require.Equal(t, 501, w.Code)
		require.Equal(t, 200, o.knock("ann", messages, say("x")).Code)
	}))
}

// TestServer_listen: who only hears.
func TestServer_listen(t *testing.T) {
	listen := func(o *object, user, more string) *socket {
		s, w := o.upgrade(`{"room":"r","meta":{"user_id":"`+user+`"},"door":{"name":"listen"`+more+`}}`, "Sec-WebSocket-Protocol", websocket.Recoverable)
		require.NotNil(o.t, s, w.Body)
		return s
	}
	c := chat(websocketserver.Recovery{Window: 4})
	c.MaxSessions = 3
	c.FilterEntityChange = func(_ websocket.Change, to *websocketserver.Session) (bool, error) { return to.User() == "ann", nil }
	bubble(c, func(t *testing.T, o *object) {
		a := o.user("ann")
		a.hear()
		l := listen(o, "bob", "")
		require.Equal(t, []string{`{"event":"session:open","seq":0}`, `{"event":"listen:live","seq":0}`}, heard(l.hear()...))
		require.Empty(t, a.hear(), "a listener is not there")
		users, err := websocket.GetUsers.Call(t.Context(), o)
		require.NoError(t, err)
		require.Len(t, users, 1)
		a.say(presence("p", 1))
		require.NoError(t, websocket.EntityChanged.Call(t.Context(), o, websocket.Change{Action: websocket.Updated, EntityType: "post", ID: "p"}))
		l.say(say("a listener says nothing"))
		require.Empty(t, heard(l.hear()...), "neither what is ephemeral, nor what the filter withholds")
		a.say(say("two"))
		require.NoError(t, o.start())
		a.say(say("three"))
		require.Equal(t, []string{`{"event":"chat","text":"two","seq":2}`, `{"event":"chat","text":"three","seq":3}`}, heard(l.hear()...))
		for i := range 10 {
			a.say(say(fmt.Sprint("many", i)))
		}
		got, other := texts(t, heard(l.hear()...))
		require.Equal(t, []string{"many0:4", "many1:5", "many2:6"}, got, "no more is under way than the window")
		require.Equal(t, []string{"listen:more"}, other)
		require.NoError(t, o.start())
		require.Empty(t, heard(l.hear()...))
		var live bool
		for i := 0; !live && i < 9; i++ {
			more, said := texts(t, heard(l.ask("more")...))
			require.LessOrEqual(t, len(more), 4)
			got, live = append(got, more...), slices.Contains(said, "listen:live")
		}
		require.True(t, live)
		require.Equal(t, []string{"many3:7", "many4:8", "many5:9", "many6:10", "many7:11", "many8:12", "many9:13"}, got[3:])

		r := listen(o, "bob", `,"rewind":2,"events":["cha","many:","chat"]`)
		got, _ = texts(t, heard(r.hear()...))
		require.Equal(t, []string{"many8:12", "many9:13"}, got)
		_, w := o.upgrade(`{"door":{"name":"listen"}}`)
		require.Equal(t, 503, w.Code, "sockets of listeners are counted")
		_, err = websocket.Publish.Call(t.Context(), o, note("no chat"), nil)
		require.NoError(t, err)
		require.Empty(t, heard(r.hear()...))
		require.Len(t, heard(l.hear()...), 1)

		a.hear()
		r.close(1006)
		require.Empty(t, a.hear())
		a.say(say("after"))
		require.Zero(t, o.missed, "nothing is sent to who has left")
		for range 5 {
			o.advance(time.Minute)
			l.say(websocket.PingFrame)
			a.say(websocket.PingFrame)
		}
		require.False(t, l.closing)
		o.advance(2 * time.Minute)
		require.Equal(t, websocket.CloseSilent, l.code, "its handler is gone")
	})(t)
	t.Run("a gap", bubble(chat(websocketserver.Recovery{Messages: 8}), func(t *testing.T, o *object) {
		a := o.user("ann")
		for i := range 40 {
			a.say(say(fmt.Sprint("m", i)))
		}
		l := listen(o, "bob", `,"after":2`)
		got, _ := texts(t, heard(l.hear()...))
		require.Regexp(t, `^gap 3-3[123]$`, got[0])
		require.Equal(t, "m39:40", got[len(got)-1])
		l = listen(o, "bob", `,"after":41`)
		require.Equal(t, `{"event":"session:open","seq":40}`, heard(l.hear()...)[0], "what never was is not waited for")
	}))
}
