package websocket

import (
	"context"
	"net/http"
	"time"
)

// Options of a Handler. Authenticate or Tokens must be set; other zero fields are the defaults.
type Options struct {
	// Path is where rooms are, "/api/websocket". The doors for clients without a socket are below it; requests elsewhere get
	// 404.
	Path string
	// Binding is that of the room's class, "WEBSOCKET". The object of a room has its name.
	Binding string
	// Authenticate says who a request is from. nil is nobody: 401. An error is 503, and is logged: that the answer is not
	// known is not the client's fault.
	Authenticate func(r *http.Request) (*Identity, error)
	// Tokens, if set, has clients come in with a join token, see TokenProtocol, whom Authenticate and Authorize are then not
	// asked about. It is called for each of them, so that keys may be in the environment; an error is 503, and is logged.
	// The room needs the same in its Config, for tokens that are refreshed.
	Tokens func(ctx context.Context) (TokenChecker, error)
	// Now is the clock that tokens are held against, time.Now.
	Now func() time.Time
	// Authorize tells whether somebody may enter a room that ?room= names and that is not Identity.Room: else 403. Default:
	// nobody may.
	Authorize func(r *http.Request, who *Identity, room string) bool
	// Origins are further origins whose pages may connect, as "https://app.example.com". The page's own host always may,
	// and so may clients that are no browsers, which send no Origin. "*" lets every page connect: only where Authenticate
	// reads no cookie, or is not set.
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

// TokenChecker reads join tokens: a *JoinTokens. Its errors are those of JoinTokens.Check; any other is answered as ErrToken.
// It is an interface so that a worker without tokens does not link what reads them, 0.3 MiB.
type TokenChecker interface {
	Check(text string, now time.Time) (JoinToken, error)
}

var _ TokenChecker = (*JoinTokens)(nil)

// Forwarder hands a whole request on: an *objects.Stub. The doors need its Fetch and its Dial besides.
type Forwarder interface {
	Forward(w http.ResponseWriter, r *http.Request) error
}

// Identity is who connects.
type Identity struct {
	// Room is the room where nobody has named one, and which needs no Authorize.
	Room string
	// Meta is kept with the session and shown to everybody in the room: any JSON, up to MaxMeta bytes. UserMeta is usual.
	Meta any
	// Capabilities are what it may do. Nil is everything.
	Capabilities *Capabilities
	// Expires is when the session ends, with CloseExpired and at most ClockSkew later, unless a join token refreshes it.
	// Zero is never.
	Expires time.Time
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
	MaxMeta = 8 << 10 // bytes of metadata and capabilities, as JSON in ASCII
	MaxRoom = 128     // bytes of a room's name
)
