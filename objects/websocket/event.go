package websocket

// Events of the server, to every client.
const (
	SessionList         = "session:list"         // sessions: to a client that has come, all that are there, itself included
	SessionConnected    = "session:connected"    // ws_session_id, meta, num_connections: to all others
	SessionDisconnected = "session:disconnected" // the same, to those that are left
	EntityCreated       = "entity:created"       // entity_type, id, data, sparse
	EntityUpdated       = "entity:updated"       // the same
	EntityDeleted       = "entity:deleted"       // entity_type, id
	Error               = "error"                // message, status; n, if a numbered message is meant
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

// Events of recoverable sessions. Frames that are in the room's log carry their number in seq, which rises.
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
	CloseKicked   = 4003 // the application has removed the session: do not reconnect
	CloseSilent   = 4007 // nothing was heard, not even a ping
	CloseSlow     = 4008 // too much was not acknowledged: resume, to be sent the rest
)

// What keeps a connection alive. The texts must be exactly these for the object to sleep on.
const (
	PingFrame = `{"event":"ping"}`
	PongFrame = `{"event":"pong"}`
)

// MaxNumber bounds seq, n and the other numbers of frames: what JavaScript counts exactly.
const MaxNumber = 1<<53 - 1
