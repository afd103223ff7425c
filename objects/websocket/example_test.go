package websocket_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"durago.example/objects"
	"durago.example/objects/websocket"
)

// signedIn stands for the application's authentication.
func signedIn(r *http.Request) (id, org string) { return r.Header.Get("X-User"), "acme" }

func ExampleHandler() {
	mux := http.NewServeMux()
	mux.Handle("/api/websocket", websocket.Handler(websocket.Options{
		Origins: []string{"https://app.example.com"},
		Authenticate: func(r *http.Request) (*websocket.Identity, error) {
			id, org := signedIn(r)
			if id == "" {
				return nil, nil
			}
			return &websocket.Identity{Room: org, Meta: websocket.UserMeta{UserID: id}}, nil
		},
	}))
}

// A database tells the room of its tenant what has changed.
func ExampleChange() {
	_ = func(ctx context.Context, org string) error {
		room := objects.NamespaceOf(ctx, "WEBSOCKET").GetByName(org)
		return websocket.EntityChanged.Call(ctx, room, websocket.Change{
			Action: websocket.Created, EntityType: "post", ID: "p1", Data: map[string]any{"title": "Hello"},
		})
	}
}

// A backend mints a token for somebody who has signed in there; the handler needs no cookie then.
func ExampleJoinTokens() {
	tokens, err := websocket.NewJoinTokens([]byte("32 random bytes from a secret...."))
	if err != nil {
		panic(err)
	}
	text, err := tokens.Mint(websocket.JoinToken{Identity: websocket.Identity{
		Room: "acme", Meta: websocket.UserMeta{UserID: "ann"}, Expires: time.Now().Add(15 * time.Minute),
		Capabilities: &websocket.Capabilities{Publish: []string{"cursor:"}, Subscribe: []string{"*"}, Presence: true},
	}})
	if err != nil {
		panic(err)
	}
	j, err := tokens.Check(text, time.Now())
	fmt.Println(j.Room, j.Capabilities.MayPublish("cursor:move"), j.Capabilities.MayPublish("chat"), err)
	// Output: acme true false <nil>
}
