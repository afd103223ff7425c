package websocket_test

import (
	"context"
	"net/http"

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
