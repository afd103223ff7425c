package websocketserver_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver"
)

var joinKey = []byte(strings.Repeat("k", 32))

func joinTokens(t testing.TB, key []byte) *websocket.JoinTokens {
	t.Helper()
	tokens, err := websocket.NewJoinTokens(key)
	require.NoError(t, err)
	return tokens
}

// lasting is a token for a user in room r, for a time from now.
func lasting(t testing.TB, user string, d time.Duration, change func(*websocket.JoinToken)) string {
	t.Helper()
	j := websocket.JoinToken{ID: "t2", Identity: websocket.Identity{Room: "r", Meta: websocket.UserMeta{UserID: user, Permission: 7},
		Capabilities: websocket.Everything(), Expires: time.Now().Add(d)}}
	if change != nil {
		change(&j)
	}
	text, err := joinTokens(t, joinKey).Mint(j)
	require.NoError(t, err)
	return text
}

// forgeLarge is a token, made by something else, that takes more room in Go's JSON.
func forgeLarge(t testing.TB) string {
	e := base64.RawURLEncoding
	name := strings.Repeat("<", 100)
	text := e.EncodeToString([]byte(`{"alg":"HS256","typ":"join+jwt"}`)) + "." + e.EncodeToString(fmt.Appendf(nil, `{"room":"r","meta":{"user_id":"ann"},"exp":%d,"cap":{"publish":["%s"]}}`,
		time.Now().Add(time.Hour).Unix(), strings.Join(slices.Repeat([]string{name}, 26), `","`)))
	m := hmac.New(sha256.New, joinKey)
	m.Write([]byte(text))
	text += "." + e.EncodeToString(m.Sum(nil))
	_, err := joinTokens(t, joinKey).Check(text, time.Now())
	require.NoError(t, err)
	return text
}

// all takes a user's name for a token.
type all struct{}

func (all) Check(text string, now time.Time) (websocket.JoinToken, error) {
	return websocket.JoinToken{Identity: websocket.Identity{Room: "r", Meta: websocket.UserMeta{UserID: text}, Expires: now.Add(time.Hour)}}, nil
}

func until(d time.Duration) string {
	return fmt.Sprintf(`,"expires":%d,"token_id":"t1"`, time.Now().Add(d).UnixMilli())
}

func renew(token string) string { return `{"event":"token:refresh","token":"` + token + `"}` }

// TestServer_expiry: a session ends with its token, on time, unless it is refreshed; it may be resumed.
func TestServer_expiry(t *testing.T) {
	c := chat(websocketserver.Recovery{})
	c.SilentAfter = -1
	c.Tokens = joinTokens(t, joinKey)
	t.Run("ends by the alarm", bubble(c, func(t *testing.T, o *object) {
		other := o.user("bob")
		long := o.limited("cleo", `{}`, until(time.Hour))
		o.advance(time.Second) // the alarm is set for that one
		a := o.limited("ann", `{}`, until(time.Minute))
		require.Equal(t, `{"event":"token:expires","in_ms":60000}`, a.got[1])
		o.advance(time.Minute + 29*time.Second)
		require.NoError(t, o.start())
		require.False(t, a.closing, "clocks may differ by so much")
		other.hear()
		o.advance(time.Second)
		require.Equal(t, websocket.CloseExpired, a.code)
		require.Equal(t, []string{"session:disconnected"}, only(t, other.hear()))
		require.False(t, long.closing || other.closing)
		o.advance(2 * time.Hour)
		require.True(t, long.closing)
		require.False(t, other.closing)
	}))
	t.Run("many, in order", bubble(c, func(t *testing.T, o *object) {
		other := o.user("bob")
		for i := range 8 {
			o.limited(fmt.Sprint("u", i), `{}`, until(time.Minute))
		}
		other.hear()
		o.advance(2 * time.Minute)
		var order []string
		for _, f := range other.hear() {
			order = append(order, frame(t, f)["meta"].(map[string]any)["user_id"].(string))
		}
		require.Equal(t, []string{"u0", "u1", "u2", "u3", "u4", "u5", "u6", "u7"}, order)
	}))
	t.Run("ends when it speaks, be the alarm late", bubble(c, func(t *testing.T, o *object) {
		a, other := o.limited("ann", `{"publish":["*"]}`, until(time.Minute)), o.user("bob")
		time.Sleep(time.Minute + 30*time.Second)
		other.hear()
		a.say(say("too late"))
		require.Equal(t, websocket.CloseExpired, a.code)
		require.Equal(t, []string{"session:disconnected"}, only(t, other.hear()))
	}))
	t.Run("is refreshed no more", bubble(c, func(t *testing.T, o *object) {
		a := o.limited("ann", `{}`, until(time.Minute))
		time.Sleep(time.Minute + 30*time.Second)
		a.say(renew(lasting(t, "ann", time.Hour, nil)))
		require.Equal(t, websocket.CloseExpired, a.code)
	}))
	t.Run("resumes with another", bubble(c, func(t *testing.T, o *object) {
		a := o.limited("ann", `{"subscribe":["*"]}`, until(time.Minute), websocket.Recoverable)
		a.say(`{"event":"session:open"}`)
		require.Equal(t, []string{"session:open", "session:list", "token:expires"}, only(t, a.got))
		first := opened(t, a.hear())
		o.advance(2 * time.Minute)
		require.Equal(t, websocket.CloseExpired, a.code)
		o.user("bob").say(say("missed"))
		a = o.limited("ann", `{"subscribe":["*"]}`, until(time.Minute), websocket.Recoverable)
		a.say(`{"event":"session:open","token":"` + first.Token + `","seq":0}`)
		require.True(t, opened(t, a.got).Resumed)
		require.Equal(t, []string{"session:open", "session:list", "token:expires", "chat"}, only(t, a.got))
	}))
	t.Run("one that never opens ends too", bubble(c, func(t *testing.T, o *object) {
		a := o.limited("ann", `{}`, until(time.Minute), websocket.Recoverable)
		require.Equal(t, []string{"409 <nil>"}, only(t, a.ask(renew(lasting(t, "ann", time.Hour, nil)))), "it is not refreshed before")
		o.advance(2 * time.Minute)
		require.Equal(t, websocket.CloseExpired, a.code)
	}))
	t.Run("a plain client's subprotocol", bubble(c, func(t *testing.T, o *object) {
		require.Equal(t, websocket.Plain, o.limited("ann", `{}`, "", websocket.Plain).header.Get("Sec-WebSocket-Protocol"))
	}))
}

// TestServer_refresh: another token counts from then on, if it is for the same user in the same room.
func TestServer_refresh(t *testing.T) {
	c := chat(websocketserver.Recovery{})
	c.Tokens = joinTokens(t, joinKey)
	t.Run("longer, and as what it says", bubble(c, func(t *testing.T, o *object) {
		a, other := o.limited("ann", `{"presence":true}`, until(time.Minute)), o.user("bob")
		a.say(presence("a", 1))
		require.Equal(t, []string{"403 <nil>"}, only(t, a.ask(say("x"))))
		other.hear()
		longer := lasting(t, "ann", 5*time.Minute, func(j *websocket.JoinToken) {
			j.Capabilities = &websocket.Capabilities{Publish: []string{"chat"}, Subscribe: []string{"chat"}}
		})
		require.Equal(t, []string{`{"event":"token:expires","in_ms":300000}`}, a.ask(renew(longer)))
		require.Equal(t, []string{"presence:remove"}, only(t, other.hear()), "it may say where it is no more")
		require.NoError(t, o.start())
		require.Equal(t, []string{"chat"}, only(t, a.ask(say("x"))))
		require.Equal(t, []string{"403 <nil>"}, only(t, a.ask(presence("a", 2))))
		require.Equal(t, []string{"presence:update"}, only(t, other.ask(presence("a", 1))), "the id is free")
		list, err := websocket.GetActiveSessions.Call(t.Context(), o)
		require.NoError(t, err)
		require.Equal(t, map[string]any{"user_id": "ann", "permission": 7.0}, list[0].Meta)
		for range 5 {
			o.advance(time.Minute)
			a.say(websocket.PingFrame)
			require.False(t, a.closing)
		}
		o.advance(30 * time.Second)
		require.Equal(t, websocket.CloseExpired, a.code)
	}))
	t.Run("shorter", bubble(c, func(t *testing.T, o *object) {
		a := o.user("ann")
		require.Equal(t, []string{"token:expires"}, only(t, a.ask(renew(lasting(t, "ann", 10*time.Second, nil)))))
		o.advance(39 * time.Second)
		require.False(t, a.closing)
		o.advance(time.Second)
		require.Equal(t, websocket.CloseExpired, a.code)
	}))
	for _, row := range []struct {
		name, field string
		token       func(t *testing.T) string
		status      int
	}{
		{"another user's", "", func(t *testing.T) string { return lasting(t, "bob", time.Hour, nil) }, 403},
		{"another room's", "", func(t *testing.T) string {
			return lasting(t, "ann", time.Hour, func(j *websocket.JoinToken) { j.Room = "s" })
		}, 403},
		{"expired", "", func(t *testing.T) string { return lasting(t, "ann", -time.Minute, nil) }, 401},
		{"early", "", func(t *testing.T) string {
			return lasting(t, "ann", time.Hour, func(j *websocket.JoinToken) { j.NotBefore = time.Now().Add(time.Minute) })
		}, 401},
		{"forged", "", func(t *testing.T) string { return lasting(t, "ann", time.Hour, nil) + "x" }, 401},
		{"another key's", "", func(t *testing.T) string {
			text, err := joinTokens(t, []byte(strings.Repeat("o", 32))).Mint(websocket.JoinToken{Identity: websocket.Identity{Room: "r", Meta: websocket.UserMeta{UserID: "ann"}, Expires: time.Now().Add(time.Hour)}})
			require.NoError(t, err)
			return text
		}, 401},
		{"nothing", "", func(*testing.T) string { return "" }, 401},
		{"too long", "", func(*testing.T) string { return strings.Repeat("x", websocket.MaxToken+1) }, 400},
		{"in another field", `{"event":"token:refresh","tokens":"x"}`, nil, 400},
		{"no text", `{"event":"token:refresh","token":7,"n":3}`, nil, 400},
	} {
		t.Run(row.name, bubble(c, func(t *testing.T, o *object) {
			a := o.limited("ann", `{"publish":["chat"],"subscribe":["chat"]}`, until(time.Minute))
			text := row.field
			if row.token != nil {
				text = renew(row.token(t))
			}
			answer := a.ask(text)
			require.Len(t, answer, 1)
			m := frame(t, answer[0])
			require.EqualValues(t, row.status, m["status"], answer)
			require.Equal(t, "token:refresh", m["of"])
			require.Equal(t, strings.Contains(text, `"n"`), m["n"] != nil)
			require.Equal(t, []string{"chat"}, only(t, a.ask(say("still there"))), "as it was")
			o.advance(90 * time.Second)
			require.True(t, a.closing)
		}))
	}
	t.Run("what would not fit", bubble(c, func(t *testing.T, o *object) {
		a := o.user("ann")
		token := forgeLarge(t)
		require.Less(t, len(token), websocket.MaxToken)
		require.Equal(t, []string{"400 <nil>"}, only(t, a.ask(renew(token))))
	}))
	t.Run("what is nested too deep", bubble(c, func(t *testing.T, o *object) {
		a := o.user("ann")
		nested := func(n int) string {
			return renew(lasting(t, "ann", time.Hour, func(j *websocket.JoinToken) {
				j.Meta = json.RawMessage(`{"user_id":"ann","x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`)
			}))
		}
		require.Equal(t, []string{"400 <nil>"}, only(t, a.ask(nested(127))))
		require.Equal(t, []string{"token:expires"}, only(t, a.ask(nested(126))))
		require.NoError(t, o.start(), "as it is read again")
		require.Equal(t, []string{"chat"}, only(t, a.ask(say("x"))))
	}))
	own := c
	own.Tokens = all{}
	t.Run("read by something else", bubble(own, func(t *testing.T, o *object) {
		a := o.limited("ann", `{}`, until(time.Minute))
		require.Equal(t, []string{"token:expires"}, only(t, a.ask(renew("ann"))))
		require.Equal(t, []string{"chat"}, only(t, a.ask(say("x"))), "nil is everything")
		require.Equal(t, []string{"403 <nil>"}, only(t, a.ask(renew("bob"))))
	}))
	t.Run("a room that takes none", bubble(chat(websocketserver.Recovery{}), func(t *testing.T, o *object) {
		require.Equal(t, []string{"400 <nil>"}, only(t, o.user("ann").ask(renew(lasting(t, "ann", time.Hour, nil)))))
	}))
}
