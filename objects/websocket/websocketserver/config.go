package websocketserver

import (
	"context"
	"fmt"
	"time"

	"durago.example/objects/websocket"
)

// Config of the class. Zero fields are the defaults. Hooks run in the room's object, and may call the methods of the room
// that they are given. Their errors are logged; they close nothing.
type Config struct {
	// OnConnect runs when a session is in the room and everybody has been told; also when one has been resumed.
	OnConnect func(ctx context.Context, room *Server, from *Session) error
	// OnMessage gets what clients send, but for the events that are the room's own. Nothing is passed on by itself: that is its
	// decision. What it returns is sent to the client, unless it is nil. An error is answered with an Error frame: a *Refusal with its own, any other with 500.
	//
	// A numbered message runs in a transaction: if OnMessage fails, all that it wrote and sent is undone, and the client may
	// send the message again. It has 30 seconds, unless Recovery.InTurn leaves it none, and must not call its own room
	// through a binding, which waits for it.
	OnMessage func(ctx context.Context, room *Server, from *Session, m websocket.Message) (reply any, err error)
	// OnBinary, if set, has the room take binary frames, which are refused otherwise, and gets them. Nothing is passed on by
	// itself: see PublishBinary. A frame counts as ephemeral; its errors are answered as those of OnMessage.
	OnBinary func(ctx context.Context, room *Server, from *Session, data []byte) error
	// OnDisconnect runs when a session has left and everybody has been told.
	OnDisconnect func(ctx context.Context, room *Server, from *Session) error
	// FilterEntityChange tells whether a session may know of a change, which it need not read in full: Data and Sparse are
	// not set. An error withholds it from that session, and is logged once for each change. It is asked again when a change
	// is sent again.
	FilterEntityChange func(c websocket.Change, to *Session) (bool, error)

	RateLimit RateLimit
	// MaxMessage is the length of the longest message, 65,536 UTF-16 units, as JavaScript counts.
	MaxMessage int
	// Presence has the room relay presence events, for which it adds "presence:" to RateLimit.Ephemeral.
	Presence bool
	// SilentAfter is how long a client may be silent, 75 seconds: then its socket is closed. This bounds how long a client
	// that was killed seems to be there. Any message counts, and pings do. An alarm wakes the object for it, once in about
	// that time while anybody is there. Negative never.
	SilentAfter time.Duration
	// MaxSessions bounds the sockets of a room, 10,000, with those that streams and polls listen by: more are refused with 503.
	MaxSessions int
	// MaxOfUser bounds the sockets of one user, so that nobody can fill the room alone: a tenth of MaxSessions, but 100 or
	// more. Further ones are refused with 429. Of sockets that are nobody's MaxSessions is the only bound.
	MaxOfUser int
	// User is whom a session is counted under; empty is nobody. Default: user_id of the metadata.
	User func(s *Session) string
	// Recovery, if set, lets clients that speak websocket.Recoverable resume.
	Recovery *Recovery
	// Tokens, if set, has clients refresh their sessions with join tokens, see websocket.TokenRefresh: the same keys as the
	// handler's. The environment of the state has them.
	Tokens websocket.TokenChecker
	// Keys is how many idempotency keys the room remembers, 10,000: those of the last messages that had one.
	Keys int64
	// Now is the clock, time.Now.
	Now func() time.Time
}

// RateLimit has two token buckets for each session. Time is counted in whole milliseconds.
type RateLimit struct {
	MaxTokens   int64         // 30
	RefillEvery time.Duration // one token, 10 seconds
	// Ephemeral are events, or with a colon at their end prefixes of events, that have a bucket of their own, and that are
	// never in the log.
	Ephemeral            []string
	EphemeralMaxTokens   int64         // 60
	EphemeralRefillEvery time.Duration // one second
}

// Recovery says how much a room keeps. Zero fields are the defaults.
type Recovery struct {
	Messages  int64         // in the log: the last 1,000, and up to an eighth more
	Bytes     int64         // of their texts: 4 MiB, and one message more
	ResumeFor time.Duration // how long a session waits for its client, 2 minutes
	MaxLife   time.Duration // a session that began longer ago is not resumed, 24 hours
	// Window is how many messages a client may leave unacknowledged, 1,000. One that has more is too slow: its socket is
	// closed with websocket.CloseSlow, and it is sent the rest when it resumes. The count begins anew when the object wakes.
	// A stream of events that has more under way, or 256 KiB, is sent the rest out of the log when it has taken that.
	Window int64
	// InTurn has OnMessage handle numbered messages, and those that come over HTTP, within one turn of the object, which saves
	// the room about half of what such a message costs it. Then OnMessage must not wait: an operation that would fails with
	// objects.ErrWouldWait, and one that waits for a channel ends the isolate. Otherwise it may, while all other events
	// wait for it.
	InTurn bool
}

func (c *Config) defaults() error {
	set(&c.RateLimit.MaxTokens, 30)
	set(&c.RateLimit.RefillEvery, 10*time.Second)
	set(&c.RateLimit.EphemeralMaxTokens, 60)
	set(&c.RateLimit.EphemeralRefillEvery, time.Second)
	set(&c.MaxMessage, 65_536)
	set(&c.SilentAfter, 75*time.Second)
	set(&c.MaxSessions, 10_000)
	set(&c.MaxOfUser, max(100, c.MaxSessions/10))
	set(&c.Keys, 10_000)
	if c.Presence {
		c.RateLimit.Ephemeral = append([]string{websocket.PresencePrefix}, c.RateLimit.Ephemeral...)
	}
	if c.User == nil {
		c.User = userID
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if r := c.Recovery; r != nil {
		own := *r
		c.Recovery = &own
		set(&own.Messages, 1000)
		set(&own.Bytes, 4<<20)
		set(&own.ResumeFor, 2*time.Minute)
		set(&own.MaxLife, 24*time.Hour)
		set(&own.Window, 1000)
		if own.Messages < 1 || own.Bytes < 1 || own.ResumeFor < 0 || own.MaxLife < 0 || own.Window < 1 {
			return fmt.Errorf("websocketserver: Recovery must be positive, got %+v", own)
		}
	}
	for _, d := range []time.Duration{c.RateLimit.RefillEvery, c.RateLimit.EphemeralRefillEvery} {
		if d < time.Millisecond {
			return fmt.Errorf("websocketserver: a token must take a millisecond or more, got %v", d)
		}
	}
	if c.RateLimit.MaxTokens < 1 || c.RateLimit.EphemeralMaxTokens < 1 || c.MaxMessage < 1 || c.MaxSessions < 1 || c.MaxOfUser < 1 || c.Keys < 1 {
		return fmt.Errorf("websocketserver: MaxTokens %d and %d, MaxMessage %d, MaxSessions %d, MaxOfUser %d and Keys %d must be positive",
			c.RateLimit.MaxTokens, c.RateLimit.EphemeralMaxTokens, c.MaxMessage, c.MaxSessions, c.MaxOfUser, c.Keys)
	}
	return nil
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c *Config) ephemeral(event string) bool { return websocket.Names(c.RateLimit.Ephemeral, event) }

func (c *Config) rates() (standard, ephemeral rate) {
	l := c.RateLimit
	return rate{l.MaxTokens, l.RefillEvery.Milliseconds()}, rate{l.EphemeralMaxTokens, l.EphemeralRefillEvery.Milliseconds()}
}

// Refusal is an error of OnMessage that the client is told as it is.
type Refusal struct {
	Status  int // as of HTTP
	Message string
}

func (r *Refusal) Error() string { return r.Message }
