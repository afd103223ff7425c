package websocket_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/objects"
	"durago.example/objects/websocket"
)

// doorStub is a room's object with doors, which refuses to be listened to.
type doorStub struct {
	stub
	got  *http.Request
	body string
	err  error
}

func (s *doorStub) Fetch(_ context.Context, r *http.Request) (*http.Response, error) {
	s.got = r
	if r.Body != nil {
		b, _ := io.ReadAll(r.Body)
		s.body = string(b)
	}
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Retry-After", "7")
	w.Header().Set("X-Internal", "secret")
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = w.WriteString("{}")
	return w.Result(), s.err
}

func (s *doorStub) Dial(ctx context.Context, r *http.Request) (*objects.Conn, *http.Response, error) {
	resp, err := s.Fetch(ctx, r)
	if err == nil {
		err = errors.New("429")
	} else {
		resp = nil
	}
	return nil, resp, err
}

// door is the handler of newHandler, whose rooms have doors.
func door(s *doorStub, o websocket.Options) http.Handler {
	if o.Authenticate == nil {
		o.Authenticate = func(r *http.Request) (*websocket.Identity, error) {
			if user := r.Header.Get("User"); user != "" {
				return &websocket.Identity{Room: "acme", Meta: websocket.UserMeta{UserID: user}}, nil
			}
			return nil, nil
		}
	}
	o.Room = func(_ context.Context, name string) websocket.Forwarder {
		s.room = name
		return s
	}
	return websocket.Handler(o)
}

// TestHandler_doors: who may use a door, and what the room is told.
func TestHandler_doors(t *testing.T) {
	const told = `{"room":"acme","meta":{"user_id":"ann"},"door":`
	for _, row := range []struct {
		request string
		header  []string
		status  int
		meta    string
	}{
		{"POST /messages", nil, 429, told + `{"name":"messages","peer":"192.0.2.1"}}`},
		{"POST /messages", []string{"CF-Connecting-IP", "2001:db8::1:2:3:4"}, 429, told + `{"name":"messages","peer":"2001:db8::"}}`},
		{"POST /messages", []string{"CF-Connecting-IP", "::ffff:192.0.2.7"}, 429, told + `{"name":"messages","peer":"192.0.2.7"}}`},
		{"POST /messages?room=open-1&after=3", nil, 429, strings.Replace(told, "acme", "open-1", 1) + `{"name":"messages","peer":"192.0.2.1"}}`},
		{"GET /history?after=3&before=9&limit=2&events=a,b:&events=c", nil, 429, told + `{"name":"history","peer":"192.0.2.1","after":3,"before":9,"limit":2,"events":["a","b:","c"]}}`},
		{"GET /events?after=3", nil, 429, told + `{"name":"listen","peer":"192.0.2.1","after":3}}`},
		{"GET /events?after=3", []string{"Last-Event-ID", "0"}, 429, told + `{"name":"listen","peer":"192.0.2.1","after":0}}`},
		{"GET /poll?rewind=5", nil, 429, told + `{"name":"listen","peer":"192.0.2.1","rewind":5}}`},
		{"GET /messages", nil, 405, ""},
		{"POST /events", nil, 405, ""},
		{"OPTIONS /events", nil, 405, ""},
		{"GET /else", nil, 404, ""},
		{"GET /events/", nil, 404, ""},
		{"POST /messages", []string{"Content-Type", "text/plain"}, 415, ""},
		{"POST /messages", []string{"Content-Type", ""}, 415, ""},
		{"POST /messages", []string{"User", ""}, 401, ""},
		{"POST /messages?room=other", nil, 403, ""},
		{"POST /messages?room=%00", nil, 400, ""},
		{"GET /history?after=x", nil, 400, ""},
		{"GET /history?before=-1", nil, 400, ""},
		{"GET /history?limit=1e3", nil, 400, ""},
		{"GET /history?after=9007199254740992", nil, 400, ""},
		{"GET /history?events=" + strings.Repeat("x", 65), nil, 400, ""},
		{"GET /history?events=" + strings.Repeat("x,", 17), nil, 400, ""},
		{"GET /events", []string{"Last-Event-ID", "1;2"}, 400, ""},
		{"GET /poll?wait=soon", nil, 400, ""},
		{"POST /messages", []string{"Origin", "https://evil.example"}, 403, ""},
		{"POST /messages", []string{"Origin", "null"}, 403, ""},
		{"GET /history", []string{"Sec-Fetch-Site", "cross-site"}, 403, ""},
		{"GET /history", []string{"Sec-Fetch-Site", "same-origin"}, 429, told + `{"name":"history","peer":"192.0.2.1"}}`},
	} {
		s := &doorStub{}
		method, path, _ := strings.Cut(row.request, " ")
		r := httptest.NewRequest(method, "https://app.example.com/api/websocket"+path, strings.NewReader(`{"event":"x"}`))
		r.Header.Set("User", "ann")
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
		r.Header.Set("Cookie", "secret")
		r.Header.Set("Idempotency-Key", "k")
		r.Header.Set(websocket.MetaHeader, `{"meta":{"user_id":"root"},"door":{"name":"history"}}`)
		for i := 0; i < len(row.header); i += 2 {
			r.Header.Set(row.header[i], row.header[i+1])
		}
		w := httptest.NewRecorder()
		door(s, websocket.Options{Authorize: func(_ *http.Request, _ *websocket.Identity, room string) bool {
			return strings.HasPrefix(room, "open-")
		}}).ServeHTTP(w, r)
		require.Equal(t, row.status, w.Code, "%+v: %s", row, w.Body)
		if row.meta == "" {
			require.Nil(t, s.got, "%+v", row)
			var body struct{ Status int }
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &body))
			require.Equal(t, row.status, body.Status)
			continue
		}
		require.Equal(t, row.meta, s.got.Header.Get(websocket.MetaHeader))
		require.Empty(t, s.got.Header.Get("Cookie"), "the room needs no more than it is told")
		require.Equal(t, "7", w.Header().Get("Retry-After"))
		require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
		require.Empty(t, w.Header().Get("X-Internal"))
		if method == "POST" {
			require.Equal(t, `{"event":"x"}`, s.body)
			require.Equal(t, "k", s.got.Header.Get("Idempotency-Key"))
		} else {
			require.Empty(t, s.body)
		}
	}
	t.Run("a room that cannot be reached", func(t *testing.T) {
		for _, path := range []string{"history", "events", "poll"} {
			r := httptest.NewRequest("GET", "https://app.example.com/api/websocket/"+path, nil)
			r.Header.Set("User", "ann")
			w := httptest.NewRecorder()
			door(&doorStub{err: errors.New("no binding")}, websocket.Options{}).ServeHTTP(w, r)
			require.Equal(t, 503, w.Code)
			require.Equal(t, "1", w.Header().Get("Retry-After"))
			w = httptest.NewRecorder()
			newHandler(&stub{}, websocket.Options{}).ServeHTTP(w, request(func(r *http.Request) { r.URL.Path += "/" + path }))
			require.Equal(t, 503, w.Code, "Options.Room without doors")
		}
	})
}

// TestHandler_cors: which pages may read the answers.
func TestHandler_cors(t *testing.T) {
	for _, row := range []struct {
		origin, allowed, may, credentials string
		status                            int
	}{
		{"https://admin.example.com", "https://admin.example.com", "https://admin.example.com", "true", 204},
		{"https://app.example.com", "https://admin.example.com", "https://app.example.com", "true", 204},
		{"https://evil.example", "*", "*", "", 204},
		{"https://app.example.com", "*", "https://app.example.com", "true", 204},
		{"https://evil.example", "https://admin.example.com", "", "", 403},
	} {
		r := httptest.NewRequest("OPTIONS", "https://app.example.com/api/websocket/messages", nil)
		r.Header.Set("Origin", row.origin)
		r.Header.Set("Access-Control-Request-Method", "POST")
		w := httptest.NewRecorder()
		h := door(&doorStub{}, websocket.Options{Origins: []string{row.allowed}})
		h.ServeHTTP(w, r)
		require.Equal(t, row.status, w.Code)
		require.Equal(t, row.may, w.Header().Get("Access-Control-Allow-Origin"))
		require.Equal(t, row.credentials, w.Header().Get("Access-Control-Allow-Credentials"))
		require.Equal(t, "Origin", w.Header().Get("Vary"))
		if row.status == 204 {
			require.Equal(t, "POST", w.Header().Get("Access-Control-Allow-Methods"))
			require.Contains(t, w.Header().Get("Access-Control-Allow-Headers"), "Idempotency-Key")
		}
		r.Method = "GET"
		r.URL.Path = "/api/websocket/history"
		r.Header.Set("User", "ann")
		w = httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, map[int]int{204: 429, 403: 403}[row.status], w.Code)
		require.Equal(t, row.may, w.Header().Get("Access-Control-Allow-Origin"), "of the answer itself, and of a refusal")
	}
}
