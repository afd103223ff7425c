package main

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"durago.example/objects"
)

// Room sends each message to every member, the sender included. Its sockets hibernate.
type Room struct {
	state *objects.State
	sql   *objects.SQL
}

var roomClass = objects.NewClass("Room", newRoom)

var (
	_ objects.MessageHandler = (*Room)(nil)
	_ objects.CloseHandler   = (*Room)(nil)
)

// newRoom leaves a row for each construction.
func newRoom(state *objects.State) (*Room, error) {
	sql := state.Storage().SQL()
	_, err := sql.Exec(`CREATE TABLE IF NOT EXISTS wakes(n INTEGER)`)
	if err == nil {
		_, err = sql.Exec(`INSERT INTO wakes(n) VALUES (1)`)
	}
	return &Room{state, sql}, err
}

// ServeHTTP joins the room with an upgrade, or tells about it.
func (o *Room) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/room/") {
		v, err := o.describe()
		answer(w, http.StatusOK, v, err)
		return
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		http.Error(w, "expected websocket", http.StatusUpgradeRequired)
		return
	}
	if _, err := o.state.AcceptWebSocket(w, r, nil); err != nil {
		o.state.Logf(r.Context(), "join: %v", err)
	}
}

type description struct {
	Members       int `json:"members"`
	Constructions int `json:"constructions"`
}

func (o *Room) describe() (d description, err error) {
	members, err := o.state.WebSockets()
	if err != nil {
		return d, err
	}
	d.Members = len(members)
	d.Constructions, err = objects.One[int](o.sql, `SELECT count(*) AS n FROM wakes`)
	return d, err
}

// WebSocketMessage passes a message on.
func (o *Room) WebSocketMessage(_ context.Context, _ *objects.WebSocket, m objects.Message) error {
	members, err := o.state.WebSockets()
	return errors.Join(err, o.state.Broadcast(members, m))
}

// WebSocketClose ends the handshake with the client's own code.
func (o *Room) WebSocketClose(_ context.Context, ws *objects.WebSocket, c objects.CloseInfo) error {
	switch c.Code {
	case 1005: // the client gave none
		return ws.Close(1000, "")
	case 1006: // nobody is left to answer
		return nil
	}
	return ws.Close(c.Code, "")
}
