package websocketserver

import (
	"encoding/json"
	"slices"

	"durago.example/objects"
	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver/recovery"
)

// Session is a client in the room. It belongs to the room's object; a hook may keep it, and finds it without effect when
// the client has left.
type Session struct {
	ID      string
	Room    string          // as the handler has it
	Meta    json.RawMessage // what the handler has said of the client; nil if nothing
	Resumed bool            // it has had a connection before

	conn        string // names the connection, and is its socket's tag: two may be of one session while one replaces the other
	ws          wire
	recoverable bool
	open        bool // a recoverable one has sent its first frame
	user        string
	standard    bucket
	ephemeral   bucket
	heard       int64    // when it last sent a message, in milliseconds
	presence    []string // the presence ids that are its own
	since       int64    // when it connected, in milliseconds
	window      recovery.Window
	can         *websocket.Capabilities // nil is everything
	expires     int64                   // in milliseconds, 0 is never
	tokenID     string
	listening   *listening // of one that only hears
}

// DecodeMeta reads Meta into v, a pointer.
func (m *Session) DecodeMeta(v any) error { return json.Unmarshal(m.Meta, v) }

// User is whom the session is counted under.
func (m *Session) User() string { return m.user }

func userID(m *Session) string {
	var meta struct {
		UserID string `json:"user_id"`
	}
	_ = json.Unmarshal(m.Meta, &meta) // of another type it is nobody's
	return meta.UserID
}

// attachment is a session as its socket keeps it over hibernation: at most 8 KiB of metadata and capabilities, and 2 KiB
// besides.
type attachment struct {
	ID          string   `js:"ws_session_id"`
	Conn        string   `js:"conn"`
	Room        string   `js:"room"`
	Meta        string   `js:"meta"`
	Recoverable bool     `js:"recoverable"`
	Open        bool     `js:"open"`
	Standard    bucket   `js:"standard"`
	Ephemeral   bucket   `js:"ephemeral"`
	Heard       int64    `js:"heard"`
	Presence    []string `js:"presence"`
	Gone        bool     `js:"gone,omitempty"` // it has left, and its socket is still being closed
	Can         string   `js:"can,omitempty"`  // as JSON
	Expires     int64    `js:"expires,omitempty"`
	TokenID     string   `js:"token_id,omitempty"`
	Since       int64    `js:"since,omitempty"`

	Listen *listenState `js:"listen,omitempty"`
}

func (m *Session) save() error {
	return m.ws.SetAttachment(attachment{m.ID, m.conn, m.Room, string(m.Meta), m.recoverable, m.open, m.standard, m.ephemeral, m.heard, m.presence, false,
		m.capabilities(), m.expires, m.tokenID, m.since, m.listening.state()})
}

// discard has the socket stand for nobody, should the object sleep before it is closed.
func (m *Session) discard() {
	_ = m.ws.SetAttachment(attachment{ID: m.ID, Conn: m.conn, Gone: true}) // one that is closed needs it no more
}

// restore is the session of a socket, nil if it has left; ok is false if it cannot be read.
func restore(ws *objects.WebSocket) (m *Session, ok bool) {
	var a attachment
	if there, err := ws.Attachment(&a); err != nil || !there {
		return nil, false
	}
	return a.session(ws)
}

// session is restore's, of what was kept.
func (a *attachment) session(ws wire) (m *Session, ok bool) {
	if a.ID == "" || a.Conn == "" {
		return nil, false
	}
	if a.Gone {
		return nil, true
	}
	m = &Session{ID: a.ID, Room: a.Room, conn: a.Conn, ws: ws, recoverable: a.Recoverable, open: a.Open, standard: a.Standard,
		ephemeral: a.Ephemeral, heard: a.Heard, presence: a.Presence, expires: a.Expires, tokenID: a.TokenID, since: a.Since,
		listening: a.Listen.listening()}
	var err error
	if m.can, err = websocket.ReadCapabilities([]byte(a.Can)); err != nil {
		return nil, false
	}
	if a.Meta != "" {
		m.Meta = json.RawMessage(a.Meta)
	}
	return m, true
}

// info is the session as callers see it.
func (m *Session) info() websocket.Session {
	s := websocket.Session{ID: m.ID, Room: m.Room}
	_ = json.Unmarshal(m.Meta, &s.Meta) // it was read before
	return s
}

// members are the connections of a room. Those that are not open yet are known by their connection alone.
type members struct {
	list   []*Session // those that are open, the oldest first
	byID   map[string]*Session
	byConn map[string]*Session
	users  map[string]int
}

func newMembers() members {
	return members{byID: map[string]*Session{}, byConn: map[string]*Session{}, users: map[string]int{}}
}

// add adds an open session, and tells whether it is its user's first.
func (k *members) add(m *Session) (first bool) {
	k.list = append(k.list, m)
	k.byID[m.ID], k.byConn[m.conn] = m, m
	if m.user == "" {
		return false
	}
	k.users[m.user]++
	return k.users[m.user] == 1
}

// remove removes a connection; was is false if it was not an open session, last tells whether it was its user's last.
func (k *members) remove(m *Session) (was, last bool) {
	if k.byConn[m.conn] == m {
		delete(k.byConn, m.conn)
		if r, ok := m.ws.(*remote); ok {
			r.branch.count--
		}
	}
	i := slices.Index(k.list, m)
	if i < 0 {
		return false, false
	}
	k.list = slices.Delete(k.list, i, i+1)
	if k.byID[m.ID] == m {
		delete(k.byID, m.ID)
	}
	if m.user == "" {
		return true, false
	}
	k.users[m.user]--
	if k.users[m.user] > 0 {
		return true, false
	}
	delete(k.users, m.user)
	return true, true
}
