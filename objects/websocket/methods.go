package websocket

import "durago.example/objects"

// The methods of a room.
var (
	// Broadcast sends a message, an object with the field event, to all sessions but exclude, a session's id, or nil.
	Broadcast = objects.DeclareProc2[map[string]any, *string]("broadcast", "message", "exclude")
	// Send sends a message to one session. Delivered is false if there is no such session, or if its socket was dead.
	Send = objects.Declare2[string, map[string]any, bool]("send", "session", "message")
	// GetActiveSessions are the sessions that are connected, the oldest first.
	GetActiveSessions = objects.Declare0[[]Session]("getActiveSessions")
	// GetUsers are the users who are connected, in the order of their oldest connection.
	GetUsers = objects.Declare0[[]User]("getUsers")
	// EntityChanged tells all sessions that may know it that an entity has changed.
	EntityChanged = objects.DeclareProc1[Change]("entityChanged", "change")
	// EntitiesChanged is EntityChanged for each change, in order: one call, a frame each.
	EntitiesChanged = objects.DeclareProc1[[]Change]("entitiesChanged", "changes")
	// Publish is Broadcast that returns the message's number, and with a key sends it once.
	Publish = objects.Declare2[map[string]any, *PublishOptions, Published]("publish", "message", "options")
	// ReadHistory is a page of the log, of the messages that are for everybody. A nil is the last 100.
	ReadHistory = objects.Declare1[*HistoryOptions, HistoryPage]("history", "options")
	// Kick closes a session's socket with CloseKicked and ends the session, so that it cannot be resumed. Done is false if
	// there is none.
	Kick = objects.Declare2[string, string, bool]("kick", "session", "reason")
)

// Session is a connected client.
type Session struct {
	ID   string `js:"ws_session_id"`
	Room string `js:"room,omitempty"`
	Meta any    `js:"meta,omitempty"` // as Identity.Meta was, in JSON's types
}

// User is who is connected, over all tabs and devices.
type User struct {
	ID          string `js:"user_id"`
	Connections int64  `js:"num_connections"`
	Meta        any    `js:"meta,omitempty"` // of the oldest connection
}

// Actions of a Change.
const (
	Created = "created"
	Updated = "updated"
	Deleted = "deleted"
)

// Change is a change of an entity.
type Change struct {
	Action     string         `js:"action"` // Created, Updated or Deleted
	EntityType string         `js:"entity_type"`
	ID         any            `js:"id"`               // a string or a number
	Data       map[string]any `js:"data,omitempty"`   // the whole entity, unless it was deleted
	Sparse     map[string]any `js:"sparse,omitempty"` // what its search index holds
}
