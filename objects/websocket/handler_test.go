package websocket_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/objects/driver"
	"durago.example/objects/internal/nesting"
	"durago.example/objects/websocket"
	"durago.example/wasm/value"
)

// stub stands for a room's object, and remembers what it was handed.
type stub struct {
	room, meta string
	named      string // what LeafHeader says
	fail       error
}

func (s *stub) Forward(w http.ResponseWriter, r *http.Request) error {
	s.meta = strings.Join(r.Header.Values(websocket.MetaHeader), "|")
	s.named = r.Header.Get(websocket.LeafHeader)
	if s.fail == nil {
		w.WriteHeader(http.StatusSwitchingProtocols)
	}
	return s.fail
}

func newHandler(s *stub, o websocket.Options) http.Handler {
	if o.Authenticate == nil {
		o.Authenticate = func(r *http.Request) (*websocket.Identity, error) {
			switch user := r.Header.Get("User"); user {
			case "":
				return nil, nil
			case "down":
				return nil, errors.New("the database is away")
			case "deep":
				return &websocket.Identity{Room: "acme", Meta: json.RawMessage(strings.Repeat("[", 128) + strings.Repeat("]", 128))}, nil
			case "big":
				return &websocket.Identity{Room: "acme", Meta: strings.Repeat("x", websocket.MaxMeta)}, nil
			default:
				return &websocket.Identity{Room: "acme", Meta: websocket.UserMeta{UserID: user, Permission: 3}}, nil
			}
		}
	}
	o.Room = func(_ context.Context, name string) websocket.Forwarder {
		s.room = name
		return s
	}
	return websocket.Handler(o)
}

func request(change func(r *http.Request)) *http.Request {
	r := httptest.NewRequest("GET", "https://app.example.com/api/websocket", nil)
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("User", "ann")
	if change != nil {
		change(r)
	}
	return r
}

// TestHandler: each status, and what a room is told.
func TestHandler(t *testing.T) {
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	room := func(name string) func(*http.Request) {
		return func(r *http.Request) { r.URL.RawQuery = "room=" + name }
	}
	for _, row := range []struct {
		name   string
		change func(*http.Request)
		status int
		room   string
	}{
		{"welcome", nil, 101, "acme"},
		{"an empty origin", set("Origin", ""), 403, ""},
		{"its own page", set("Origin", "https://app.example.com"), 101, "acme"},
		{"its own page, written otherwise", set("Origin", "https://APP.example.com"), 101, "acme"},
		{"an allowed page", set("Origin", "https://admin.example.com"), 101, "acme"},
		{"an allowed page by another scheme", set("Origin", "http://admin.example.com"), 403, ""},
		{"another page", set("Origin", "https://evil.example"), 403, ""},
		{"a page whose name begins alike", set("Origin", "https://app.example.com.evil.example"), 403, ""},
		{"a page on another port", set("Origin", "https://app.example.com:444"), 403, ""},
		{"a page without an origin", set("Origin", "null"), 403, ""},
		{"two origins", func(r *http.Request) {
			r.Header["Origin"] = []string{"https://app.example.com", "https://evil.example"}
		}, 403, ""},
		{"another path", func(r *http.Request) { r.URL.Path = "/api/websocket/x" }, 404, ""},
		{"another method", func(r *http.Request) { r.Method = "POST" }, 405, ""},
		{"no upgrade", set("Upgrade", ""), 426, ""},
		{"another version", set("Sec-WebSocket-Version", "8"), 426, ""},
		{"nobody", set("User", ""), 401, ""},
		{"it is not known who", set("User", "down"), 503, ""},
		{"too much metadata", set("User", "big"), 500, ""},
		{"metadata nested too deep", set("User", "deep"), 500, ""},
		{"its own room, by name", room("acme"), 101, "acme"},
		{"another room", room("other"), 403, ""},
		{"a room where it may be", room("open-1"), 101, "open-1"},
		{"a room's name that is too long", room(strings.Repeat("x", 129)), 400, ""},
		{"a room's name that cannot be printed", room("open-%00"), 400, ""},
		{"a room's name that is no text", room("open-%ff"), 400, ""},
		{"metadata of its own", set(websocket.MetaHeader, `{"meta":{"user_id":"root"}}`), 101, "acme"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := &stub{}
			h := newHandler(s, websocket.Options{Origins: []string{"https://admin.example.com/"},
				Authorize: func(_ *http.Request, who *websocket.Identity, room string) bool {
					return strings.HasPrefix(room, "open-")
				}})
			w := httptest.NewRecorder()
			h.ServeHTTP(w, request(row.change))
			require.Equal(t, row.status, w.Code, w.Body)
			if row.status != 101 {
				require.Empty(t, s.meta)
				require.Equal(t, "application/json", w.Header().Get("Content-Type"))
				var body struct {
					Status  int
					Message string
				}
				require.NoError(t, json.Unmarshal(w.Body.Bytes(), &body))
				require.Equal(t, row.status, body.Status)
				require.NotEmpty(t, body.Message)
				return
			}
			require.Equal(t, row.room, s.room)
			require.Equal(t, `{"room":"`+row.room+`","meta":{"user_id":"ann","permission":3}}`, s.meta)
		})
	}
	t.Run("a room that cannot be reached", func(t *testing.T) {
		w := httptest.NewRecorder()
		newHandler(&stub{fail: errors.New("no binding")}, websocket.Options{}).ServeHTTP(w, request(nil))
		require.Equal(t, 503, w.Code)
	})
	t.Run("other rooms are closed unless they are opened", func(t *testing.T) {
		w := httptest.NewRecorder()
		newHandler(&stub{}, websocket.Options{}).ServeHTTP(w, request(room("open-1")))
		require.Equal(t, 403, w.Code)
	})
	t.Run("metadata in ASCII", func(t *testing.T) {
		s := &stub{}
		w := httptest.NewRecorder()
		newHandler(s, websocket.Options{Authenticate: func(*http.Request) (*websocket.Identity, error) {
			return &websocket.Identity{Room: "Zürich", Meta: "é😀<"}, nil
		}}).ServeHTTP(w, request(nil))
		require.Equal(t, 101, w.Code)
		require.Equal(t, `{"room":"Z\u00fcrich","meta":"\u00e9\ud83d\ude00\u003c"}`, s.meta)
		var back struct{ Meta string }
		require.NoError(t, json.Unmarshal([]byte(s.meta), &back))
		require.Equal(t, "é😀<", back.Meta)
	})
	t.Run("without authentication", func(t *testing.T) {
		require.Panics(t, func() { websocket.Handler(websocket.Options{}) })
	})
}

// FuzzParseMessage: what is read is an object with an event, and numbers are in bounds.
func FuzzParseMessage(f *testing.F) {
	for _, s := range []string{`{"event":"x","n":1}`, `{"event":"x","n":1e3}`, `[]`, `{"event":{}}`, `{"event":"x","event":"y","seq":9007199254740992}`, "\xff", `{"event":"x","seq":1e400}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := websocket.ParseMessage(b)
		if err != nil {
			return
		}
		if m.Event == "" {
			t.Fatal("an empty event")
		}
		if n, ok := m.Number("n"); ok && (n < 0 || n > websocket.MaxNumber) {
			t.Fatalf("n is %d", n)
		}
		var all map[string]any
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber() // JSON's numbers may be greater than a float64
		if err := d.Decode(&all); err != nil || all["event"] != m.Event {
			t.Fatalf("%v: %v", all["event"], err)
		}
		if nesting.Of(b) > websocket.MaxDepth {
			t.Fatal("too deep")
		}
	})
}

// tree stands for a room that says where a client goes.
type tree struct {
	stub
	leaf   int64
	asked  []any
	refuse error
}

func (s *tree) CallRPC(_ context.Context, method string, args []byte) ([]byte, error) {
	var in []any
	if err := value.Unmarshal(args, &in); err != nil {
		return nil, err
	}
	s.asked = append(in, method)
	if s.refuse != nil {
		return nil, s.refuse
	}
	return value.Marshal(nil, s.leaf)
}

// bindings is a scope that has some.
type bindings struct {
	driver.Scope
	name string
}

func (s bindings) Platform() driver.Platform { return platform{name: s.name} }

type platform struct {
	driver.Platform
	name string
}

func (p platform) IDFromName(n driver.Namespace, _ string) (driver.ID, error) {
	if n.Binding != p.name {
		return driver.ID{}, errors.New("no binding " + n.Binding)
	}
	return driver.ID{}, nil
}

func (p platform) Stub(driver.Namespace, driver.ID, string) (driver.Stub, error) {
	return nil, errors.New("it cannot be reached")
}

// TestHandler_leaves: a room with leaves is asked, and one that cannot be is an error.
func TestHandler_leaves(t *testing.T) {
	serve := func(room websocket.Forwarder, o websocket.Options) *httptest.ResponseRecorder {
		o.Authenticate = func(*http.Request) (*websocket.Identity, error) { return &websocket.Identity{Room: "acme"}, nil }
		o.Room = func(context.Context, string) websocket.Forwarder { return room }
		w := httptest.NewRecorder()
		r := request(func(r *http.Request) { r.Header.Set(websocket.LeafHeader, "7") })
		r = r.WithContext(context.WithValue(r.Context(), driver.ScopeKey, driver.Scope(bindings{name: "LEAF"})))
		websocket.Handler(o).ServeHTTP(w, r)
		return w
	}
	room := &tree{}
	w := serve(room, websocket.Options{Leaves: "LEAF"})
	require.Equal(t, 101, w.Code)
	require.Equal(t, []any{"LEAF", 1000.0, "acme", "place"}, room.asked)
	require.Empty(t, room.named, "what the client says of leaves is dropped")
	w = serve(&room.stub, websocket.Options{})
	require.Equal(t, 101, w.Code)
	require.Empty(t, room.named, "also where there are none")
	w = serve(&tree{leaf: 1}, websocket.Options{Leaves: "LEAF"})
	require.Equal(t, 503, w.Code, "the leaf cannot be reached")
	*room = tree{}
	w = serve(room, websocket.Options{Leaves: "OTHER"})
	require.Equal(t, 503, w.Code, "there is no such binding here")
	require.Empty(t, room.asked, "which is found out at once")
	w = serve(&tree{refuse: errors.New("no")}, websocket.Options{Leaves: "LEAF"})
	require.Equal(t, 503, w.Code)
	w = serve(&stub{}, websocket.Options{Leaves: "LEAF"})
	require.Equal(t, 503, w.Code, "it is no stub")
	require.Panics(t, func() { serve(room, websocket.Options{Leaves: "LEAF", PerLeaf: -1}) })
	require.Equal(t, "12/a/b", websocket.LeafName("a/b", 12))
}
