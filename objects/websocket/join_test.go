package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects/websocket"
)

// remembering is a stub that remembers the subprotocols too.
type remembering struct {
	stub
	header http.Header
}

func (d *remembering) Forward(w http.ResponseWriter, r *http.Request) error {
	d.header = r.Header
	return d.stub.Forward(w, r)
}

// TestHandler_join: each join token has its answer, what a room is told, and that nobody else is.
func TestHandler_join(t *testing.T) {
	tokens := newTokens(t, key)
	offer := func(token string) string { return websocket.Recoverable + ", " + websocket.TokenProtocol + token }
	good := mint(t, tokens, nil)
	const met = `{"room":"acme","meta":{"user_id":"ann"},"capabilities":{"publish":["chat"]},"expires":1700003600000,"token_id":"t1"}`
	for _, row := range []struct {
		name, offer, query string
		status             int
	}{
		{"welcome", offer(good), "", 101},
		{"its room, by name", offer(good), "?room=acme", 101},
		{"the token first", websocket.TokenProtocol + good + "," + websocket.Recoverable, "", 101},
		{"without anything else", websocket.TokenProtocol + good, "", 101},
		{"another room", offer(good), "?room=other", 403},
		{"nothing", offer(""), "", 400},
		{"two", offer(good) + ", " + websocket.TokenProtocol + good, "", 400},
		{"too long", offer(good + strings.Repeat("x", websocket.MaxToken)), "", 400},
		{"forged", offer(good + "x"), "", 401},
		{"another key's", offer(mint(t, newTokens(t, other), nil)), "", 401},
		{"expired", offer(mint(t, tokens, func(j *websocket.JoinToken) { j.Expires = now.Add(-time.Minute) })), "", 401},
		{"early", offer(mint(t, tokens, func(j *websocket.JoinToken) { j.NotBefore = now.Add(time.Minute) })), "", 401},
		{"in the address", websocket.Recoverable, "?token=" + good, 401},
		{"metadata too long in ASCII", offer(mint(t, tokens, func(j *websocket.JoinToken) { j.Meta = strings.Repeat("é", 1400) })), "", 500},
	} {
		t.Run(row.name, func(t *testing.T) {
			var logged bytes.Buffer
			defer log.SetOutput(log.Writer())
			log.SetOutput(&logged)
			d := &remembering{}
			h := websocket.Handler(websocket.Options{Now: func() time.Time { return now },
				Tokens: func(context.Context) (websocket.TokenChecker, error) { return tokens, nil },
				Room:   func(_ context.Context, name string) websocket.Forwarder { d.room = name; return d }})
			r := httptest.NewRequest("GET", "https://app.example.com/api/websocket"+row.query, nil)
			r.Header.Set("Upgrade", "websocket")
			r.Header.Set("Sec-WebSocket-Protocol", row.offer)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			require.Equal(t, row.status, w.Code, w.Body)
			require.NotContains(t, w.Body.String()+logged.String(), good[:20])
			require.Equal(t, row.offer, r.Header.Get("Sec-WebSocket-Protocol"), "the request is the caller's")
			if row.status != 101 {
				require.Nil(t, d.header)
				return
			}
			require.Equal(t, met, d.meta)
			require.Equal(t, "acme", d.room)
			for name, values := range d.header {
				require.NotContains(t, strings.Join(values, ","), good[:20], name)
			}
			if strings.Contains(row.offer, websocket.Recoverable) {
				require.Equal(t, websocket.Recoverable, d.header.Get("Sec-WebSocket-Protocol"))
			} else {
				require.NotContains(t, d.header, "Sec-Websocket-Protocol")
			}
		})
	}
	t.Run("the keys are not known", func(t *testing.T) {
		h := websocket.Handler(websocket.Options{Tokens: func(context.Context) (websocket.TokenChecker, error) { return nil, errors.New("no secret") }})
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request(func(r *http.Request) { r.Header.Set("Sec-WebSocket-Protocol", offer(good)) }))
		require.Equal(t, 503, w.Code)
	})
	t.Run("a handler without keys asks who it is", func(t *testing.T) {
		d := &remembering{}
		h := newHandler(&d.stub, websocket.Options{})
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request(func(r *http.Request) { r.Header.Set("Sec-WebSocket-Protocol", offer(good)) }))
		require.Equal(t, 101, w.Code)
		require.Equal(t, `{"room":"acme","meta":{"user_id":"ann","permission":3}}`, d.meta)
	})
	t.Run("no token, no cookie", func(t *testing.T) {
		h := websocket.Handler(websocket.Options{Tokens: func(context.Context) (websocket.TokenChecker, error) { return tokens, nil }})
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request(nil))
		require.Equal(t, 401, w.Code)
	})
	t.Run("capabilities without a token", func(t *testing.T) {
		s := &stub{}
		who := &websocket.Identity{Room: "acme", Capabilities: &websocket.Capabilities{Presence: true}, Expires: now}
		h := newHandler(s, websocket.Options{Authenticate: func(*http.Request) (*websocket.Identity, error) { return who, nil }})
		h.ServeHTTP(httptest.NewRecorder(), request(nil))
		require.Equal(t, `{"room":"acme","capabilities":{"presence":true},"expires":1700000000000}`, s.meta)
		who.Capabilities.Publish = []string{""}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request(nil))
		require.Equal(t, 500, w.Code)
	})
}
