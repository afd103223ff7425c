package objects_test

import (
	"context"
	"net/http"

	"durago.example/objects"
)

// Chat sends each message to everyone in the room. It may leave memory while its sockets stay open.
type Chat struct{ state *objects.State }

var (
	_ objects.MessageHandler = (*Chat)(nil)
	_ objects.CloseHandler   = (*Chat)(nil)
	_ objects.ErrorHandler   = (*Chat)(nil)
)

// Member is kept with the socket.
type Member struct {
	Name string
	Room string
}

func newChat(state *objects.State) (*Chat, error) {
	return &Chat{state}, state.SetAutoResponse("ping", "pong")
}

func (c *Chat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m := Member{Name: r.FormValue("name"), Room: r.FormValue("room")}
	ws, err := c.state.AcceptWebSocket(w, r, &objects.AcceptOptions{Tags: []string{m.Room}, Protocol: "chat"})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := ws.SetAttachment(m); err != nil {
		_ = ws.Close(1011, err.Error())
	}
}

// WebSocketMessage sends to the room.
func (c *Chat) WebSocketMessage(ctx context.Context, ws *objects.WebSocket, m objects.Message) error {
	var from Member
	if _, err := ws.Attachment(&from); err != nil {
		return err
	}
	room, err := c.state.WebSocketsWithTag(from.Room)
	if err != nil {
		return err
	}
	return c.state.Broadcast(room, objects.Text(from.Name+": "+string(m.Data)))
}

// WebSocketClose ends the handshake.
func (c *Chat) WebSocketClose(ctx context.Context, ws *objects.WebSocket, i objects.CloseInfo) error {
	return ws.Close(i.Code, i.Reason)
}

// WebSocketError is told that a socket failed.
func (c *Chat) WebSocketError(ctx context.Context, ws *objects.WebSocket, err error) error {
	c.state.Logf(ctx, "a socket failed: %v", err)
	return nil
}

func ExampleWebSocket() {
	objects.NewClass("Chat", newChat)
}

func ExampleState_WebSockets() {
	_ = func(c *Chat, but *objects.WebSocket) error {
		all, err := c.state.WebSockets()
		if err != nil {
			return err
		}
		for _, ws := range all {
			if state, err := ws.ReadyState(); err != nil || state != objects.Open || ws.Is(but) {
				continue
			}
			if err := ws.Send(objects.Text("hello")); err != nil {
				return err
			}
		}
		return nil
	}
}
