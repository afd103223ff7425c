package websocketserver

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"durago.example/objects"
	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver/recovery"
)

// leaf is an object that has some of a room's sockets, and does nothing but pass on: each frame of a client to the room, a
// call for each, in their order; and what the room orders to the sockets. What a session is the room knows; a leaf keeps it
// with the socket, so that a room that has left memory learns it anew. It leaves memory itself while nobody says anything.
type leaf struct {
	state    *objects.State
	binding  string // of the room's class
	instance string
	room     string // its name, once there is a client
	number   int64
	stub     *objects.Stub // of the room: one for all calls, which keeps them in order
	speaker  string        // the instance of the room that spoke last
	told     time.Time     // when
	conns    map[string]*held
	groups   [groups][]*held
	armed    bool
}

// held is a connection.
type held struct {
	ws      *objects.WebSocket // nil while the room is asked about its upgrade
	orders  []order            // which wait for that
	is      leafAttachment
	saved   leafAttachment // what the socket has
	waiting int            // calls under way
}

// leafAttachment is what a leaf keeps with a socket.
type leafAttachment struct {
	Conn    string `js:"conn"`
	Room    string `js:"room"` // its name
	Leaf    int64  `js:"leaf"`
	Kept    []byte `js:"kept"` // the room's attachment
	Version int64  `js:"version"`
	Waiting bool   `js:"waiting,omitempty"` // the room has not answered its last frame
	Gone    bool   `js:"gone,omitempty"`    // it is being closed
}

var (
	_ http.Handler           = (*leaf)(nil)
	_ objects.AlarmHandler   = (*leaf)(nil)
	_ objects.MessageHandler = (*leaf)(nil)
	_ objects.CloseHandler   = (*leaf)(nil)
	_ objects.ErrorHandler   = (*leaf)(nil)
)

// LeafClass makes the class of leaves, under the given name. binding is that of the room's class in the worker that has
// the leaves. See websocket.Options.Leaves.
func LeafClass(name, binding string) *objects.Class {
	return objects.NewClass(name, func(s *objects.State) (*leaf, error) { return newLeaf(s, binding) },
		objects.Impl1(leafDo, (*leaf).do), objects.Impl1(leafList, (*leaf).list))
}

func newLeaf(state *objects.State, binding string) (*leaf, error) {
	l := &leaf{state: state, binding: binding, instance: recovery.NewID(), conns: map[string]*held{}}
	if err := state.SetAutoResponse(websocket.PingFrame, websocket.PongFrame); err != nil {
		return nil, err
	}
	sockets, err := state.WebSockets()
	for _, ws := range sockets {
		l.wake(ws)
	}
	return l, err
}

// wake takes a socket over that is there. If the isolate ended while the room had a frame of its client, whether it was
// handled is not known.
func (l *leaf) wake(ws *objects.WebSocket) {
	c := &held{ws: ws}
	if there, err := ws.Attachment(&c.is); err != nil || !there || c.is.Conn == "" {
		_ = ws.Close(1011, "Invalid session state") // it may be closed already
		return
	}
	l.room, l.number = c.is.Room, c.is.Leaf
	switch {
	case c.is.Gone:
	case c.is.Waiting:
		l.end(c, closeRestarted, reasonRestarted)
		l.state.WaitUntil(func(ctx context.Context) error {
			l.tellClosed(ctx, c, closeRestarted)
			return nil
		})
	default:
		c.saved = c.is
		l.conns[c.is.Conn] = c
	}
}

func (l *leaf) ref() leafRef { return leafRef{l.number, l.instance} }

func (l *leaf) caller(ctx context.Context) *objects.Stub {
	if l.stub == nil {
		l.stub = objects.NamespaceOf(ctx, l.binding).GetByName(l.room)
	}
	return l.stub
}

// failed takes note of a call that failed: the next uses a new stub.
func (l *leaf) failed(ctx context.Context, what string, err error) {
	l.stub = nil
	l.state.Logf(ctx, "websocketserver: leaf %d of room %q: %s: %v", l.number, l.room, what, err)
}

// restarted tells whether the answer to a call, which was made when speaker was the room's last instance, is of one that
// has been succeeded meanwhile: what it did with the connection its successor does not know.
func (l *leaf) restarted(speaker, answered string) bool {
	return l.speaker != speaker && l.speaker != answered
}

// ServeHTTP asks the room about a client that websocket.Handler has let through, and answers as the room does.
func (l *leaf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !websocket.IsUpgrade(r) {
		websocket.WriteError(w, http.StatusNotFound, "Not found")
		return
	}
	if !l.named(r) {
		websocket.WriteError(w, http.StatusBadRequest, "A leaf takes clients from websocket.Handler with Options.Leaves only")
		return
	}
	ctx := r.Context()
	c := &held{is: leafAttachment{Conn: recovery.NewID(), Room: l.room, Leaf: l.number}}
	l.conns[c.is.Conn] = c
	speaker := l.speaker
	a, err := leafJoin.Call(ctx, l.caller(ctx), &joining{l.ref(), c.is.Conn, r.URL.String(), passed(r.Header)})
	ended := l.conns[c.is.Conn] != c // by the room, meanwhile
	switch {
	case err != nil:
		l.failed(ctx, "join", err)
		websocket.WriteError(w, http.StatusServiceUnavailable, "WebSocket not available")
	case a.Status != http.StatusSwitchingProtocols:
		for name, values := range a.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(int(a.Status))
		_, _ = w.Write(a.Body)
	case ended || l.restarted(speaker, a.Room):
		websocket.WriteError(w, http.StatusServiceUnavailable, "WebSocket not available")
		l.tellClosed(ctx, c, 1006)
	default:
		c.is.Kept, c.is.Version = a.Kept, a.Version
		if l.accept(w, r, c, a.Protocol) {
			l.arm(ctx)
			return
		}
		l.tellClosed(ctx, c, 1006)
	}
	delete(l.conns, c.is.Conn)
}

// named reads what the front says: the leaf's own name, so to speak.
func (l *leaf) named(r *http.Request) bool {
	var given struct {
		Room string `json:"room"`
	}
	n, err := strconv.ParseInt(r.Header.Get(websocket.LeafHeader), 10, 64)
	if err != nil || n < 1 || json.Unmarshal([]byte(r.Header.Get(websocket.MetaHeader)), &given) != nil || !websocket.ValidRoom(given.Room) {
		return false
	}
	if l.room == "" {
		l.room, l.number = given.Room, n
	}
	return l.room == given.Room && l.number == n
}

// passed are the headers that the room sees: the front's, and those of the handshake.
func passed(h http.Header) http.Header {
	out := http.Header{}
	for name, values := range h {
		if strings.HasPrefix(name, "X-Ws-") || strings.HasPrefix(name, "Sec-Websocket-") || name == "Upgrade" {
			out[name] = values
		}
	}
	return out
}

// accept answers the upgrade, and sends what has waited for that.
func (l *leaf) accept(w http.ResponseWriter, r *http.Request, c *held, protocol string) bool {
	ws, err := l.state.AcceptWebSocket(w, r, &objects.AcceptOptions{Tags: []string{c.is.Conn}, Protocol: protocol})
	if err != nil {
		l.state.Logf(r.Context(), "websocketserver: accept: %v", err)
		websocket.WriteError(w, http.StatusBadRequest, "Cannot upgrade")
		return false
	}
	if err := ws.SetAttachment(c.is); err != nil {
		l.state.Logf(r.Context(), "websocketserver: keep session: %v", err)
		_ = ws.Close(1011, "Invalid session state")
		return false
	}
	c.saved = c.is
	for len(c.orders) > 0 { // more may come
		o := c.orders[0]
		c.orders = c.orders[1:]
		if o.Close != 0 {
			c.ws, c.orders = ws, nil
			l.end(c, int(o.Close), o.Reason)
			return true
		}
		_ = ws.Send(objects.Message{Data: o.Frame, Text: !o.Binary}) // if it is dead, the runtime says so
	}
	c.ws = ws
	return true
}
