package main

import (
	"context"

	"durago.example/objects"
	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver"
)

// The ready room, which sends each chat on to all members, the sender included. Nobody is refused during a run. Kept has
// sessions that outlive connections: a log of what was sent, and numbered messages that are handled once.
var (
	chatClass = websocketserver.Class("Chat", chat(nil))
	keptClass = websocketserver.Class("Kept", chat(&websocketserver.Recovery{InTurn: true}))
)

func chat(r *websocketserver.Recovery) func(*objects.State) (websocketserver.Config, error) {
	const never = 1_000_000_000
	return func(*objects.State) (websocketserver.Config, error) {
		return websocketserver.Config{
			Recovery:  r,
			RateLimit: websocketserver.RateLimit{MaxTokens: never, EphemeralMaxTokens: never},
			OnMessage: func(ctx context.Context, room *websocketserver.Server, _ *websocketserver.Session, m websocket.Message) (any, error) {
				if m.Event != "chat" {
					return nil, nil
				}
				_, err := room.Publish(ctx, m, nil)
				return nil, err
			},
		}, nil
	}
}
