package websocketserver_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver"
)

// TestServer_broadcast: what other objects send.
func TestServer_broadcast(t *testing.T) {
	bubble(websocketserver.Config{}, func(t *testing.T, o *object) {
		a, b := o.user("ann"), o.user("bob")
		list, err := websocket.GetActiveSessions.Call(t.Context(), o)
		require.NoError(t, err)
		a.hear()
		b.hear()
		message := map[string]any{"event": "note", "text": "<é>", "n": 1.0}
		require.NoError(t, websocket.Broadcast.Call(t.Context(), o, message, nil))
		require.Equal(t, []string{`{"event":"note","n":1,"text":"<é>"}`}, a.hear())
		require.Len(t, b.hear(), 1)
		require.NoError(t, websocket.Broadcast.Call(t.Context(), o, message, &list[0].ID))
		require.Empty(t, a.hear())
		require.Len(t, b.hear(), 1)

		ok, err := websocket.Send.Call(t.Context(), o, list[0].ID, message)
		require.NoError(t, err)
		require.True(t, ok)
		require.Len(t, a.hear(), 1)
		require.Empty(t, b.hear())
		ok, err = websocket.Send.Call(t.Context(), o, "nobody", message)
		require.NoError(t, err)
		require.False(t, ok)

		for _, bad := range []map[string]any{nil, {}, {"event": 7.0}, {"event": ""}, {"event": "x", "pad": strings.Repeat("x", 1<<20)}} {
			err := websocket.Broadcast.Call(t.Context(), o, bad, nil)
			require.Equal(t, websocket.InvalidMessage, websocket.Code(err), "%v", err)
		}
		require.Empty(t, b.hear())

		done, err := websocket.Kick.Call(t.Context(), o, list[1].ID, strings.Repeat("é", 100))
		require.NoError(t, err)
		require.True(t, done)
		require.Equal(t, 4003, b.code)
		require.Equal(t, strings.Repeat("é", 61), b.reason)
		require.Equal(t, []string{"session:disconnected"}, events(t, a.hear()))
		b.close(4003)
		require.Empty(t, a.hear())
	})(t)
}

// TestServer_entityChanged: changes, and who may know of them.
func TestServer_entityChanged(t *testing.T) {
	change := websocket.Change{Action: websocket.Updated, EntityType: "post", ID: 42.0, Data: map[string]any{"title": "hi"}, Sparse: map[string]any{"t": "hi"}}
	t.Run("to all", bubble(websocketserver.Config{}, func(t *testing.T, o *object) {
		a := o.user("ann")
		a.hear()
		require.NoError(t, websocket.EntityChanged.Call(t.Context(), o, change))
		require.JSONEq(t, `{"event":"entity:updated","entity_type":"post","id":42,"data":{"title":"hi"},"sparse":{"t":"hi"}}`, a.got[0])
		a.hear()
		require.NoError(t, websocket.EntitiesChanged.Call(t.Context(), o, []websocket.Change{
			{Action: websocket.Created, EntityType: "post", ID: "a"}, {Action: websocket.Deleted, EntityType: "post", ID: "b"}}))
		require.Equal(t, []string{"entity:created", "entity:deleted"}, events(t, a.got))
		require.JSONEq(t, `{"event":"entity:deleted","entity_type":"post","id":"b"}`, a.got[1])
		for _, bad := range []websocket.Change{{Action: "moved", EntityType: "p", ID: "x"}, {Action: websocket.Created, ID: "x"}, {Action: websocket.Created, EntityType: "p"}} {
			require.Equal(t, websocket.InvalidChange, websocket.Code(websocket.EntityChanged.Call(t.Context(), o, bad)))
		}
	}))
	filtered := websocketserver.Config{FilterEntityChange: func(c websocket.Change, to *websocketserver.Session) (bool, error) {
		if c.Data != nil || c.Sparse != nil {
			return false, errors.New("the filter needs no data")
		}
		switch to.User() {
		case "ann":
			return false, errors.New("the filter failed")
		case "bob":
			return true, nil
		}
		return false, nil
	}}
	t.Run("a filter that fails for one", bubble(filtered, func(t *testing.T, o *object) {
		a, second, b, c := o.user("ann"), o.user("ann"), o.user("bob"), o.user("cleo")
		for _, s := range o.sockets {
			s.hear()
		}
		require.NoError(t, websocket.EntityChanged.Call(t.Context(), o, change))
		require.Empty(t, joined(append(append(a.got, second.got...), c.got...)))
		require.Equal(t, []string{"entity:updated"}, events(t, b.hear()))
		require.Len(t, o.Logged, 1, "once for each change")
		require.NoError(t, websocket.Broadcast.Call(t.Context(), o, map[string]any{"event": "entity:updated"}, nil))
		require.Len(t, a.hear(), 1, "what the application sends by itself passes no filter")
	}))
}

// TestServer_OnMessage: what a hook answers.
func TestServer_OnMessage(t *testing.T) {
	c := websocketserver.Config{OnMessage: func(ctx context.Context, room *websocketserver.Server, from *websocketserver.Session, m websocket.Message) (any, error) {
		switch m.Event {
		case "refuse":
			return nil, &websocketserver.Refusal{Status: 403, Message: "Not yours"}
		case "fail":
			return nil, errors.New("secret: the database is away")
		case "chat":
			_, err := room.Publish(ctx, m, from)
			return nil, err
		}
		return nil, nil
	}}
	bubble(c, func(t *testing.T, o *object) {
		a, b := o.user("ann"), o.user("bob")
		require.Equal(t, []string{`{"event":"error","message":"Not yours","status":403}`}, a.ask(`{"event":"refuse"}`))
		require.Equal(t, []string{`{"event":"error","message":"The message could not be handled","status":500}`}, a.ask(`{"event":"fail"}`))
		require.Contains(t, o.Logged[0], "secret")
		b.hear()
		require.Empty(t, a.ask(`{"event":"nothing"}`), "nothing is relayed by itself")
		require.Empty(t, b.hear())
		require.Empty(t, a.ask(`{"event":"chat","text":"hi"}`))
		require.Equal(t, []string{`{"event":"chat","text":"hi"}`}, b.hear())
	})(t)
}
