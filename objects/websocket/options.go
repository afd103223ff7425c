package websocket

import (
	"context"
	"net/http"
)

// Options of a Handler. Authenticate must be set; other zero fields are the defaults.
type Options struct {
	// Path is where rooms are, "/api/websocket". Requests elsewhere get 404.
	Path string
	// Binding is that of the room's class, "WEBSOCKET". The object of a room has its name.
	Binding string
	// Authenticate says who a request is from. nil is nobody: 401. An error is 503, and is logged: that the answer is not
	// known is not the client's fault.
	Authenticate func(r *http.Request) (*Identity, error)
	// Authorize tells whether somebody may enter a room that ?room= names and that is not Identity.Room: else 403. Default:
	// nobody may.
	Authorize func(r *http.Request, who *Identity, room string) bool
	// Origins are further origins whose pages may connect, as "https://app.example.com". The page's own host always may,
	// and so may clients that are no browsers, which send no Origin. "*" lets every page connect: only where Authenticate
	// reads no cookie.
	Origins []string
	// Leaves, if set, spreads the sockets of large rooms over leaf objects: it is the binding of the class that
	// websocketserver.LeafClass makes, and has that name here and in the worker of the room's class. The first PerLeaf
	// clients of a room are with the room itself. Empty: all are, and nobody is asked.
	Leaves string
	// PerLeaf is how many sockets an object has, 1,000, if there are leaves.
	PerLeaf int64
	// Room, if set, is used in place of the binding. Where there are leaves, they reach the room by the name and the binding
	// that LeafClass was given, which must be the same object.
	Room func(ctx context.Context, name string) Forwarder
}

// Forwarder hands a whole request on: an *objects.Stub.
type Forwarder interface {
	Forward(w http.ResponseWriter, r *http.Request) error
}

// Identity is who connects.
type Identity struct {
	// Room is the room where nobody has named one, and which needs no Authorize.
	Room string
	// Meta is kept with the session and shown to everybody in the room: any JSON, up to MaxMeta bytes. UserMeta is usual.
	Meta any
}

// UserMeta is the usual metadata. UserID is what users are counted by.
type UserMeta struct {
	UserID        string `json:"user_id,omitempty"`
	UserName      string `json:"user_name,omitempty"`
	UserAuthID    string `json:"user_auth_id,omitempty"`    // the method by which the user has signed in
	UserSessionID string `json:"user_session_id,omitempty"` // the user's session
	Permission    int64  `json:"permission,omitempty"`      // bits
}

// Bounds of what a handler passes on.
const (
	MaxMeta = 8 << 10 // bytes of metadata, as JSON in ASCII
	MaxRoom = 128     // bytes of a room's name
)
