package websocketserver

import "durago.example/objects"

// What a room and its leaves say to each other. All are of one shape, a pointer for a pointer, which the compiler makes
// once.
var (
	leafJoin    = objects.Declare1[*joining, *joined]("leafJoin", "client")
	leafMessage = objects.Declare1[*said, *heard]("leafMessage", "frame")
	leafClose   = objects.Declare1[*said, *heard]("leafClose", "frame")
	leafCheck   = objects.Declare1[*checked, *checked]("leafCheck", "leaf")

	leafDo   = objects.Declare1[*batch, *done]("leafDo", "batch")
	leafList = objects.Declare1[*batch, *listed]("leafList", "room")
)

// leafRef says which leaf speaks. Instance is another each time that the leaf comes into memory.
type leafRef struct {
	Leaf     int64  `js:"leaf"`
	Instance string `js:"instance"`
}

// joining is an upgrade that a leaf has got: its URL and what the front and the handshake say of the client.
type joining struct {
	Leaf   leafRef             `js:"leaf"`
	Conn   string              `js:"conn"` // what the leaf calls the connection
	URL    string              `js:"url"`
	Header map[string][]string `js:"header"`
}

// joined is the room's answer: 101 and what to keep with the socket, or what the client is told instead.
type joined struct {
	Room     string              `js:"room"` // the room's instance
	Status   int64               `js:"status"`
	Header   map[string][]string `js:"header,omitempty"`
	Body     []byte              `js:"body,omitempty"`
	Protocol string              `js:"protocol,omitempty"`
	Kept     []byte              `js:"kept,omitempty"`
	Version  int64               `js:"version,omitempty"`
}

// said is a frame of a client, or the code with which it has closed.
type said struct {
	Leaf leafRef `js:"leaf"`
	Conn string  `js:"conn"`
	Text bool    `js:"text,omitempty"`
	Data []byte  `js:"data,omitempty"`
	Code int64   `js:"code,omitempty"`
}

// checked are a leaf's connections, and, in the answer, those that the room does not know.
type checked struct {
	Leaf  leafRef  `js:"leaf"`
	Conns []string `js:"conns"`
}

// heard answers a client's frame. Known is false if the room knows no such connection. Kept is set if there is something
// else to keep than before.
type heard struct {
	Room    string `js:"room"`
	Known   bool   `js:"known"`
	Kept    []byte `js:"kept,omitempty"`
	Version int64  `js:"version,omitempty"`
}

// batch is what a leaf is to do, in order. If Instance is not its own it does nothing and says Again: the groups that the
// orders name are not known to it. Close, if set, is a code with which it closes all its sockets first.
type batch struct {
	Room     string  `js:"room"`
	Instance string  `js:"instance"`
	Close    int64   `js:"close,omitempty"`
	Reason   string  `js:"reason,omitempty"`
	Orders   []order `js:"orders,omitempty"`
}

// order is a frame to send, or a code to close with. It is for the connections in To; with a Group, To says anew who is in
// the group of that number, or is empty if that is known.
type order struct {
	To     []string `js:"to,omitempty"`
	Group  int64    `js:"group,omitempty"`
	Frame  []byte   `js:"frame,omitempty"`
	Binary bool     `js:"binary,omitempty"`
	Close  int64    `js:"close,omitempty"`
	Reason string   `js:"reason,omitempty"`
}

// done answers a batch. Gone are connections that the leaf has not, or whose sockets are dead.
type done struct {
	Instance string   `js:"instance"`
	Again    bool     `js:"again"`
	Gone     []string `js:"gone,omitempty"`
}

// listed is what a leaf has: its sockets, the oldest first, and upgrades that are not finished.
type listed struct {
	Instance string       `js:"instance"`
	Conns    []connection `js:"conns"`
	Joining  []string     `js:"joining"`
}

// connection is a leaf's socket, and what the room has kept with it.
type connection struct {
	Conn    string `js:"conn"`
	Kept    []byte `js:"kept"`
	Version int64  `js:"version"`
	Pinged  int64  `js:"pinged"` // ms since 1970 when the runtime last answered a ping, or 0
}

// groups is how many lists of recipients a leaf remembers.
const groups = 4
