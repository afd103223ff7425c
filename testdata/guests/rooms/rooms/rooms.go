// Package rooms is the guest of the tests of rooms: one that sends each chat to all and writes down what it has handled,
// behind the handler of the app worker. Who a client is, the query says, or a join token. Below /leaves/{n} the same rooms have
// leaves, with n sockets for each object.
package rooms

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"durago.example/objects"
	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver"
)

// Program is what the guest exports.
func Program() objects.Program {
	return objects.Program{
		Classes: []*objects.Class{websocketserver.Class("Room", config), websocketserver.LeafClass("Leaf", "WEBSOCKET")},
		Fetch:   front(),
	}
}

// Tokens mints join tokens for the guest, whose secret is none.
func Tokens() *websocket.JoinTokens {
	tokens, err := websocket.NewJoinTokens([]byte("the secret of the tests of rooms"))
	if err != nil {
		panic(err)
	}
	return tokens
}

// config is the defaults' but for rooms whose names begin with "fast", which have no limit that a test comes to, with "fast-turn",
// which handle messages in a turn besides, with "ghost", where nobody is silent for more than three seconds, with "binary", which
// send binary frames on to all others, with "small", where twenty may be, of one user five, and with "bare", which store nothing
// of their own.
func config(s *objects.State) (websocketserver.Config, error) {
	sql := s.Storage().SQL()
	name, _ := s.ID().Name()
	if !strings.HasPrefix(name, "bare") {
		if _, err := sql.Exec(`CREATE TABLE IF NOT EXISTS handled (key TEXT, text TEXT)`); err != nil {
			return websocketserver.Config{}, err
		}
	}
	c := websocketserver.Config{Presence: true, Recovery: &websocketserver.Recovery{}, Tokens: Tokens()}
	if strings.HasPrefix(name, "ghost") {
		c.SilentAfter = 3 * time.Second
	}
	if strings.HasPrefix(name, "small") {
		c.MaxSessions, c.MaxOfUser = 20, 5
	}
	if strings.HasPrefix(name, "fast") {
		c.RateLimit = websocketserver.RateLimit{MaxTokens: 100_000, EphemeralMaxTokens: 100_000}
		c.Recovery.Messages = 20_000
	}
	c.Recovery.InTurn = strings.HasPrefix(name, "fast-turn")
	if strings.HasPrefix(name, "binary") {
		c.OnBinary = func(ctx context.Context, room *websocketserver.Server, from *websocketserver.Session, data []byte) error {
			if len(data) == 0 {
				return &websocketserver.Refusal{Status: 422, Message: "Nothing"}
			}
			return room.PublishBinary(ctx, data, from)
		}
	}
	c.OnMessage = func(ctx context.Context, room *websocketserver.Server, from *websocketserver.Session, m websocket.Message) (any, error) {
		text, _ := m.String("text")
		switch m.Event {
		case "chat":
			if _, err := sql.Exec(`INSERT INTO handled VALUES (?, ?)`, m.Key, text); err != nil {
				return nil, err
			}
			_, err := room.Publish(ctx, m, nil)
			return nil, err
		case "slow": // waits in its transaction, and fails
			_, err := room.Publish(ctx, m, nil)
			return nil, errors.Join(err, s.Storage().Sync(ctx), &websocketserver.Refusal{Status: 422, Message: "No"})
		case "wait":
			return nil, s.Storage().Sync(ctx)
		case "decode": // reads all of it
			var v map[string]any
			if err := m.Decode(&v); err != nil {
				return nil, err
			}
			v["event"] = "decoded"
			return v, nil
		case "exit": // ends the isolate
			os.Exit(3)
		case "count":
			n, err := objects.One[int](sql, `SELECT count(*) FROM handled`)
			return map[string]any{"event": "count", "n": n}, err
		}
		return nil, nil
	}
	c.FilterEntityChange = func(c websocket.Change, to *websocketserver.Session) (bool, error) {
		if to.User() == "ann" {
			return false, errors.New("the filter failed")
		}
		return true, nil
	}
	return c, nil
}

func front() http.Handler {
	mux := http.NewServeMux()
	rooms := websocket.Handler(options())
	mux.Handle("/api/websocket", rooms)
	mux.Handle("/api/websocket/", rooms)
	mux.HandleFunc("/leaves/{n}/api/websocket", func(w http.ResponseWriter, r *http.Request) {
		o := options()
		o.Path, o.Leaves = r.URL.Path, "WEBSOCKET_LEAF"
		o.PerLeaf, _ = strconv.ParseInt(r.PathValue("n"), 10, 32)
		if strings.HasPrefix(r.URL.Query().Get("room"), "unbound") {
			o.Leaves = "NOWHERE"
		}
		websocket.Handler(o).ServeHTTP(w, r)
	})
	return mux
}

func options() websocket.Options {
	return websocket.Options{
		Origins: []string{"https://app.example.com"},
		Authenticate: func(r *http.Request) (*websocket.Identity, error) {
			user := r.URL.Query().Get("user")
			if user == "" {
				return nil, nil
			}
			return &websocket.Identity{Room: "acme", Meta: websocket.UserMeta{UserID: user, UserName: "É " + user}}, nil
		},
		Tokens:    func(context.Context) (websocket.TokenChecker, error) { return Tokens(), nil },
		Authorize: func(_ *http.Request, _ *websocket.Identity, room string) bool { return room != "closed" },
	}
}
