package websocket

// Events of the server, to every client.
const (
	SessionList         = "session:list"         // sessions: to a client that has come, all that are there, itself included
	SessionConnected    = "session:connected"    // ws_session_id, meta, num_connections: to all others
	SessionDisconnected = "session:disconnected" // the same, to those that are left
	EntityCreated       = "entity:created"       // entity_type, id, data, sparse
	EntityUpdated       = "entity:updated"       // the same
	EntityDeleted       = "entity:deleted"       // entity_type, id
	Error               = "error"                // message, status; n, if a numbered message is meant; of, see TokenRefresh
)

// Events of presence, which the room relays if it is configured to. None is kept in the log.
const (
	PresencePrefix   = "presence:"
	PresenceUpdate   = "presence:update"   // presence_id, user, state, clock, t: of the client, to all
	PresenceRemove   = "presence:remove"   // presence_id: of the client or of the server, to all
	PresenceReaction = "presence:reaction" // of the client, to all
	PresenceRequest  = "presence:request"  // of the client: asks for a snapshot; presence_id is left out of it
	PresenceSnapshot = "presence:snapshot" // peers: its answer
)

// Recoverable is the subprotocol of clients whose sessions outlive a connection. The events below are theirs alone.
const Recoverable = "durago.room.v1"

// Plain is the subprotocol of clients that offer a token and are not recoverable: a browser wants one of those that it
// offers to be taken, and that never is the token.
const Plain = "durago.room.plain"

// TokenProtocol, and a join token after it, is offered as a further subprotocol, as in
//
//	new WebSocket(url, ["durago.room.v1", "durago.token." + token])
//
// The handler takes it out of the request. It is the one thing of an upgrade that a browser's page may set and that is in
// no address, which servers and proxies write into their logs; so ?token= is not read.
const TokenProtocol = "durago.token."

// Events of recoverable sessions. Frames that are in the room's log carry their number in seq, which rises. In a room with a
// log a client's ephemeral event must have no field of that name.
const (
	// SessionOpen is the first frame of both sides. The client's has, to resume, token, and seq, the last that it saw; or
	// rewind, how many earlier messages it wants. The server's has ws_session_id, token, resumed, n, seq, and life_ms: how
	// long the token lasts without a connection, in milliseconds.
	SessionOpen = "session:open"
	// SessionGap says that the messages from from to to, both included, may have been missed and are in the log no more.
	SessionGap = "session:gap"
	// SessionAck is the client's: it has seen everything up to seq. It must say so at least each Window messages.
	SessionAck = "session:ack"
	// MessageAck answers a message that the client has numbered, in n: 1, 2, 3 … in its session. It was handled, now or,
	// if again is true, before.
	MessageAck = "message:ack"
	// HistoryGet is the client's: up to limit messages before the number before, or the last.
	HistoryGet = "history:get"
	// History answers it: messages, the oldest first, and more, if there are earlier ones.
	History = "history"
	// PresenceAgain asks a client to say its presence again, which the room has forgotten while it slept.
	PresenceAgain = "presence:again"
	// UserJoined and UserLeft tell of the first and the last connection of a user: user, meta, num_users.
	UserJoined = "user:joined"
	UserLeft   = "user:left"
)

// Codes with which the room closes a socket.
const (
	CloseReplaced = 4001 // another connection has resumed the session: do not reconnect
	CloseExpired  = 4002 // its join token has expired: resume, with another
	CloseKicked   = 4003 // the application has removed the session, or banned the user: do not reconnect
	CloseSilent   = 4007 // nothing was heard, not even a ping
	CloseSlow     = 4008 // too much was not acknowledged: resume, to be sent the rest
)

// Events of join tokens.
const (
	// TokenExpires tells a client when its session ends for its token's sake: in_ms, in milliseconds from now. It comes when
	// the session begins, and answers TokenRefresh.
	TokenExpires = "token:expires"
	// TokenRefresh is the client's: token, another join token for the same user in the same room. What it says counts from
	// now on. An Error frame with this event in the field of refuses it, and leaves the session as it was: 400 for one that
	// is too long, or in a room that takes none; 401 for one that is forged, has expired or does not count yet; 403 for one
	// for another user or another room.
	TokenRefresh = "token:refresh"
)

// What keeps a connection alive. The texts must be exactly these for the object to sleep on.
const (
	PingFrame = `{"event":"ping"}`
	PongFrame = `{"event":"pong"}`
)

// MaxNumber bounds seq, n and the other numbers of frames: what JavaScript counts exactly.
const MaxNumber = 1<<53 - 1
