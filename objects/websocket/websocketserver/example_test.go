package websocketserver_test

import (
	"context"

	"durago.example/objects"
	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver"
)

// A room in which everybody may write, and sessions are resumed.
func ExampleClass() {
	class := websocketserver.Class("AppWebsocketServer", func(*objects.State) (websocketserver.Config, error) {
		return websocketserver.Config{
			Presence: true,
			Recovery: &websocketserver.Recovery{},
			OnMessage: func(ctx context.Context, room *websocketserver.Server, from *websocketserver.Session, m websocket.Message) (any, error) {
				if m.Event != "chat" {
					return nil, &websocketserver.Refusal{Status: 404, Message: "There is no such event"}
				}
				text, _ := m.String("text")
				_, err := room.Publish(ctx, map[string]any{"event": "chat", "text": text, "from": from.User()}, nil)
				return nil, err
			},
		}, nil
	})
	_ = objects.Program{Classes: []*objects.Class{class}}
}

// A room whose sockets are on leaves: the class of those beside it, and websocket.Options{Leaves: "WEBSOCKET_LEAF"} in
// front. Both workers bind the class under that name.
func ExampleLeafClass() {
	_ = objects.Program{Classes: []*objects.Class{
		websocketserver.Class("AppWebsocketServer", nil),
		websocketserver.LeafClass("AppWebsocketLeaf", "WEBSOCKET"),
	}}
}
