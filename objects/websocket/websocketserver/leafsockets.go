package websocketserver

import (
	"context"

	"durago.example/objects"
	"durago.example/objects/websocket"
)

// maxWaiting is how many frames of one client may be with the room that it has not handled yet.
const maxWaiting = 256

// find is the connection of a socket, or nil if it is being closed.
func (l *leaf) find(ws *objects.WebSocket) *held {
	tags, err := ws.Tags()
	if err != nil || len(tags) == 0 {
		return nil
	}
	return l.conns[tags[0]]
}

// WebSocketMessage passes a client's frame on. If it cannot be told whether the room has handled it, the client must
// resume, or begin anew.
func (l *leaf) WebSocketMessage(ctx context.Context, ws *objects.WebSocket, in objects.Message) error {
	c := l.find(ws)
	if c == nil {
		return nil
	}
	if c.waiting >= maxWaiting {
		l.end(c, websocket.CloseSlow, "too many messages wait: resume")
		l.tellClosed(ctx, c, websocket.CloseSlow)
		return nil
	}
	c.waiting++
	l.save(ctx, c)
	speaker := l.speaker
	h, err := leafMessage.Call(ctx, l.caller(ctx), &said{Leaf: l.ref(), Conn: c.is.Conn, Text: in.Text, Data: in.Data})
	c.waiting--
	if err != nil {
		l.failed(ctx, "message", err)
	}
	switch {
	case l.conns[c.is.Conn] != c:
	case err != nil || l.restarted(speaker, h.Room):
		l.end(c, closeRestarted, reasonRestarted)
		l.tellClosed(ctx, c, closeRestarted)
	case !h.Known:
		l.end(c, closeRestarted, reasonRestarted)
	default:
		c.keep(h.Kept, h.Version)
		l.save(ctx, c)
	}
	return nil
}

// keep takes a later attachment of the room.
func (c *held) keep(kept []byte, version int64) {
	if version > c.is.Version {
		c.is.Kept, c.is.Version = kept, version
	}
}

// save keeps with a socket what has changed.
func (l *leaf) save(ctx context.Context, c *held) {
	now := c.is
	if now.Waiting = c.waiting > 0; c.ws == nil || now.Version == c.saved.Version && now.Waiting == c.saved.Waiting {
		return
	}
	c.saved = now
	if err := c.ws.SetAttachment(now); err != nil {
		l.state.Logf(ctx, "websocketserver: keep session: %v", err)
	}
}

// forget has a socket stand for nobody, should the leaf sleep before it is closed.
func (l *leaf) forget(c *held) {
	delete(l.conns, c.is.Conn)
	if c.ws != nil {
		gone := c.is
		gone.Kept, gone.Gone = nil, true
		_ = c.ws.SetAttachment(gone) // one that is closed needs it no more
	}
}

// end closes a socket.
func (l *leaf) end(c *held, code int, reason string) {
	l.forget(c)
	if c.ws != nil {
		_ = c.ws.Close(code, reason) // it may be dead
	}
}

// tellClosed tells the room that a connection is gone. If it does not hear, it finds out when it next sends something.
func (l *leaf) tellClosed(ctx context.Context, c *held, code int) {
	if _, err := leafClose.Call(ctx, l.caller(ctx), &said{Leaf: l.ref(), Conn: c.is.Conn, Code: int64(code)}); err != nil {
		l.failed(ctx, "close", err)
	}
}

// WebSocketClose ends the handshake, and tells the room.
func (l *leaf) WebSocketClose(ctx context.Context, ws *objects.WebSocket, info objects.CloseInfo) error {
	answerClose(ws, info)
	l.left(ctx, ws, info.Code)
	return nil
}

// WebSocketError tells the room.
func (l *leaf) WebSocketError(ctx context.Context, ws *objects.WebSocket, _ error) error {
	l.left(ctx, ws, 1006)
	return nil
}

func (l *leaf) left(ctx context.Context, ws *objects.WebSocket, code int) {
	if c := l.find(ws); c != nil {
		l.forget(c)
		l.tellClosed(ctx, c, code)
	}
}
