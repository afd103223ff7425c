// Package counterserver is the counter itself, a Durable Object: SQL, key-value storage, an alarm, sockets and RPC in one
// small class.
package counterserver

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"durago.example/objects"
	"durago.example/worker/counter"
)

// Counter counts up in SQLite and tells each new value to the sockets that are open.
type Counter struct {
	state *objects.State
	sql   *objects.SQL
}

// Class is the class as the worker exports it.
var Class = objects.NewClass("Counter", New,
	objects.Impl1(counter.Increment, (*Counter).increment),
	objects.Impl0(counter.Get, (*Counter).get),
	objects.ImplProc1(counter.ResetIn, (*Counter).resetIn),
	objects.Impl0(counter.LastBy, (*Counter).lastBy),
)

var last = objects.NewKey[int]("last")

// Assert abilities, so that a wrong signature does not compile.
var (
	_ http.Handler           = (*Counter)(nil)
	_ objects.AlarmHandler   = (*Counter)(nil)
	_ objects.MessageHandler = (*Counter)(nil)
	_ objects.CloseHandler   = (*Counter)(nil)
)

// New starts the object.
func New(state *objects.State) (*Counter, error) {
	c := &Counter{state, state.Storage().SQL()}
	_, err := c.sql.Exec(`CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)`)
	return c, err
}

func (c *Counter) increment(ctx context.Context, by int) (int, error) {
	n, err := objects.One[int](c.sql, `INSERT INTO counter VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET n = n + excluded.n RETURNING n`, by)
	if err != nil {
		return 0, err
	}
	if err := last.Put(c.state.Storage().KV(), by); err != nil {
		return 0, err
	}
	return n, c.announce(n)
}

func (c *Counter) get(context.Context) (int, error) {
	n, err := objects.One[int](c.sql, `SELECT n FROM counter`)
	if err == objects.ErrNoRow {
		return 0, nil
	}
	return n, err
}

func (c *Counter) lastBy(context.Context) (int, error) {
	by, _, err := last.Get(c.state.Storage().KV())
	return by, err
}

// resetIn has the alarm set the counter to zero.
func (c *Counter) resetIn(ctx context.Context, ms int) error {
	return c.state.Storage().SetAlarm(ctx, time.Now().Add(time.Duration(ms)*time.Millisecond))
}

// Alarm sets the counter to zero.
func (c *Counter) Alarm(context.Context, objects.AlarmInfo) error {
	if _, err := c.sql.Exec(`DELETE FROM counter`); err != nil {
		return err
	}
	return c.announce(0)
}

func (c *Counter) announce(n int) error {
	sockets, err := c.state.WebSockets()
	if err != nil || len(sockets) == 0 {
		return err
	}
	return c.state.Broadcast(sockets, objects.Text(strconv.Itoa(n)))
}

// ServeHTTP opens a socket, on which the client hears each new value.
func (c *Counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		http.Error(w, "upgrade to WebSocket, or call the object's methods", http.StatusUpgradeRequired)
		return
	}
	ws, err := c.state.AcceptWebSocket(w, r, nil)
	if err == nil {
		var n int
		if n, err = c.get(r.Context()); err == nil {
			err = ws.Send(objects.Text(strconv.Itoa(n)))
		}
	}
	if err != nil {
		c.state.Logf(r.Context(), "socket: %v", err)
	}
}

// WebSocketMessage counts by the number in the message.
func (c *Counter) WebSocketMessage(ctx context.Context, ws *objects.WebSocket, m objects.Message) error {
	by, err := strconv.Atoi(string(m.Data))
	if err != nil {
		return ws.Send(objects.Text("send a whole number"))
	}
	_, err = c.increment(ctx, by)
	return err
}

// WebSocketClose ends the handshake.
func (c *Counter) WebSocketClose(_ context.Context, ws *objects.WebSocket, _ objects.CloseInfo) error {
	return ws.Close(1000, "")
}
