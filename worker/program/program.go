// Package program is what the backend worker exports. It is apart from the command so that a test can run it natively.
package program

import (
	"context"
	"time"

	"durago.example/objects"
	"durago.example/objects/ratelimit/ratelimitserver"
	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver"
	"durago.example/worker/app/front"
	"durago.example/worker/counter/counterserver"
)

// Program has the classes, and the app worker's front, so that it is complete without an app worker too. One that is only
// ever behind an app worker leaves Routes and Fetch out.
func Program() objects.Program {
	return objects.Program{
		Classes: []*objects.Class{
			counterserver.Class,
			ratelimitserver.Class("RateLimiterServer", nil),
			websocketserver.Class("AppWebsocketServer", room),
		},
		Routes: front.Routes,
		Fetch:  front.Handler(),
	}
}

// room configures the rooms: a chat goes to everybody, other messages of clients to nobody.
func room(*objects.State) (websocketserver.Config, error) {
	return websocketserver.Config{
		Presence: true,
		// Cursors move: a page says where, at most each 50 ms.
		RateLimit: websocketserver.RateLimit{RefillEvery: time.Second, EphemeralMaxTokens: 100, EphemeralRefillEvery: 50 * time.Millisecond},
		Recovery:  &websocketserver.Recovery{},
		OnMessage: func(ctx context.Context, room *websocketserver.Server, _ *websocketserver.Session, m websocket.Message) (any, error) {
			if m.Event != "chat" {
				return nil, nil
			}
			_, err := room.Publish(ctx, m, nil)
			return nil, err
		},
	}, nil
}
