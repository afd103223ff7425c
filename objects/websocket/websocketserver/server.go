// Package websocketserver is the object of a room: everybody's sockets, and who may be told what.
//
// # Hibernation
//
// The object leaves memory while nobody says anything. What a session is, its token buckets among it, is in its socket's
// attachment; the constructor reads them all, and closes with 1011 a socket whose attachment cannot be read. Pings are
// answered by the runtime meanwhile.
//
// # What is promised
//
// To every client: frames in the order in which the room sent them. A connection that breaks loses what was under way.
//
// To a client that speaks websocket.Recoverable, in a room with Config.Recovery: a message of the room is in its log, with
// a number, before it leaves the object. A client that resumes gets what it has missed, in order and once, or a
// SessionGap that says what cannot be had any more. A message that the client numbers is handled once, and in order, over
// drops, eviction, the death of the isolate and restarts of the host: its number and all that its handler wrote commit
// together, and what the handler sent leaves after that. If the session cannot be resumed, the server says so, and what
// the client was not acknowledged is in doubt.
//
// Sessions, presence and what is ephemeral are not in the log: they are what is, not what was. Who resumes gets a new list.
//
// To a stream of events or polls: the same of what is in the log, by the number that they come back with. A message
// that is published with a key, by a client over HTTP or by another object, is handled once, while the room remembers the key:
// as many as Config.Keys, over eviction and restarts. A key and all that came of it commit together.
//
// # Who may do what
//
// What a client may send and is sent is with its session, see websocket.Capabilities: it is asked for each frame, each
// message that is sent again, and each page of history, as it is then. A session with an end is closed by then and
// websocket.ClockSkew, and what it sends later is not taken, be the alarm late; a client that sends a token of the same user
// for the same room before goes on as what that says. Who is banned is out, by Server.Ban, until the ban is over.
//
// # Bounds
//
// A room that was never written into leaves no database: each table is made when it is first written to.
//
// Of clients: Config has the length and the rate of messages, how many may be there, in all and of one user, how long they
// may be silent and how much they may leave unacknowledged. A frame that is refused costs a token as one that is not: one
// that is no JSON, has no event, is nested too deep, or has an event, or as an ephemeral one a number, that is the room's
// own, so that a handler may pass on what comes and nobody hears the room say what it has not. Presence: eight ids for
// each session, and a snapshot of 4 MiB. The log and the sessions that wait to be resumed: see Recovery.
//
// A client that is slow is held in the runtime's queue. A recoverable one is closed when it has Window messages
// unacknowledged, and is sent the rest when it comes back; for any other the runtime decides, which on the durago host
// ends a connection with too much queued or that has not taken a write for 30 seconds.
//
// # Leaves
//
// With websocket.Options.Leaves the sockets of a large room are spread over leaf objects, of the class that LeafClass
// makes. Sessions, hooks, presence, the log and all limits stay with the room; hooks cannot tell where a client is. What
// is promised holds as it does without: a frame of a client goes to the room in a call of its own, and what the room sends
// goes to a leaf in calls one after another, for all its sockets at once. Where it cannot be told what has arrived, because
// a call has failed or an isolate has ended in the middle of one, the sockets in question are closed with 1012, and
// recoverable clients resume. Only what is not in the log, frames of presence and of sessions, may be missing without that
// if the isolate of the room ends while it waits; in a room without Config.Recovery, that is everything.
//
// A leaf for which 8,192 frames wait, or 8 MiB of them, is too slow as a whole: all its sockets are closed with
// websocket.CloseSlow. To wait for it would have all others wait, and to leave out a frame would break what is promised. A
// client of whom 256 messages wait for the room is closed the same way. A leaf that the room does not reach is told
// again, three times and then by the alarm, and asks itself when it has heard nothing for five minutes, so that no socket
// outlives its session for long.
//
// A room that comes into memory first asks its leaves what they have, all at once, for five seconds at most: a leaf that
// does not answer is lost, and its sessions wait to be resumed.
//
// # Ghosts
//
// A client that vanishes without a word is gone for the others Config.SilentAfter after its last word, when the alarm runs
// that is set for just then, or at once if its connection is seen to break, as it is when only its process is killed. What
// may come to it: how late the runtime is with an alarm, and a numbered message that keeps the room waiting, 30 seconds at
// most. A user is there as long as one of the user's connections is.
//
// The package depends on the contract, never the reverse. A Server belongs to its object: the runtime calls it.
package websocketserver

import (
	"context"
	"time"

	"durago.example/objects"
	"durago.example/objects/alarms"
	"durago.example/objects/websocket"
)

// Server is the object.
type Server struct {
	state     *objects.State
	config    Config
	standard  rate
	ephemeral rate
	mux       *alarms.Mux
	armed     bool // the alarm is known to be set
	members   members
	listeners []*Session // those of members that only hear, the oldest first
	presence  presence
	log       *log      // nil without Config.Recovery
	dormant   *sessions // nil without Config.Recovery
	bans      bans
	holding   bool // within a numbered message: see once
	held      []func(ctx context.Context)
	published int64 // the number of the last message
	tables    bool  // those of doors are there
	tree      tree
}

var (
	_ objects.AlarmHandler   = (*Server)(nil)
	_ objects.MessageHandler = (*Server)(nil)
	_ objects.CloseHandler   = (*Server)(nil)
	_ objects.ErrorHandler   = (*Server)(nil)
)

// Class makes the class under the given name. config is called when an object starts and may be nil.
func Class(name string, config func(*objects.State) (Config, error)) *objects.Class {
	return objects.NewClass(name, func(s *objects.State) (*Server, error) {
		var c Config
		if config != nil {
			var err error
			if c, err = config(s); err != nil {
				return nil, err
			}
		}
		return New(s, c)
	}, Methods()...)
}

// Methods are the object's RPC methods, for a class that embeds Server.
func Methods() []objects.Method[Server] {
	return []objects.Method[Server]{
		objects.ImplProc2(websocket.Broadcast, (*Server).broadcast),
		objects.Impl2(websocket.Send, (*Server).send),
		objects.Impl0(websocket.GetActiveSessions, (*Server).getActiveSessions),
		objects.Impl0(websocket.GetUsers, (*Server).getUsers),
		objects.ImplProc1(websocket.EntityChanged, (*Server).entityChanged),
		objects.ImplProc1(websocket.EntitiesChanged, (*Server).entitiesChanged),
		objects.Impl2(websocket.Publish, (*Server).publishKeyed),
		objects.Impl1(websocket.ReadHistory, (*Server).readHistory),
		objects.Impl2(websocket.Kick, (*Server).kick),
		objects.Impl3(websocket.Ban, (*Server).ban),
		objects.Impl1(websocket.Unban, (*Server).unban),
		objects.Impl0(websocket.GetBans, (*Server).getBans),
		objects.Impl3(websocket.Place, (*Server).place),
		objects.Impl1(leafJoin, (*Server).leafJoin),
		objects.Impl1(leafMessage, (*Server).leafMessage),
		objects.Impl1(leafClose, (*Server).leafClose),
		objects.Impl1(leafCheck, (*Server).leafCheck),
	}
}

// New starts the object. An error is a Config that contradicts itself, or a database that cannot be read.
func New(state *objects.State, c Config) (*Server, error) {
	if err := c.defaults(); err != nil {
		return nil, err
	}
	s := &Server{state: state, config: c, members: newMembers(), presence: newPresence(), tree: newTree()}
	s.standard, s.ephemeral = c.rates()
	s.mux = alarms.New(state, alarms.Handlers{sweepAlarm: s.sweep})
	if err := state.SetAutoResponse(websocket.PingFrame, websocket.PongFrame); err != nil {
		return nil, err
	}
	s.bans = bans{state.Storage().SQL()}
	if err := s.wake(); err != nil {
		return nil, err
	}
	if err := s.regain(); err != nil {
		return nil, err
	}
	if err := s.startRecovery(); err != nil {
		return nil, err
	}
	s.dropQueued()
	return s, nil
}

// wake finds the sessions of the sockets that are there.
func (s *Server) wake() error {
	sockets, err := s.state.WebSockets()
	for i := len(sockets) - 1; i >= 0; i-- { // the oldest first
		m, ok := restore(sockets[i])
		if !ok {
			_ = sockets[i].Close(1011, "Invalid session state") // it may be closed already
			continue
		}
		if m == nil {
			continue
		}
		m.user = s.config.User(m)
		if m.listening != nil {
			s.members.byConn[m.conn] = m
			s.listeners = append(s.listeners, m)
			continue
		}
		if m.recoverable && !m.open {
			s.members.byConn[m.conn] = m
			continue
		}
		s.members.add(m)
		s.presence.own(m)
	}
	return err
}

// Alarm closes silent sockets and forgets old sessions. A class that embeds Server and has alarms of its own calls it
// from its Alarm.
func (s *Server) Alarm(ctx context.Context, info objects.AlarmInfo) error {
	return s.mux.Alarm(ctx, info)
}

func (s *Server) now() int64 { return s.config.Now().UnixMilli() }

// Sessions are those that are connected, the oldest first.
func (s *Server) Sessions() []*Session { return append([]*Session(nil), s.members.list...) }

// hook runs one of Config's, whose error is nobody's but the log's.
func (s *Server) hook(ctx context.Context, name string, f func(context.Context, *Server, *Session) error, m *Session) {
	if f == nil {
		return
	}
	if err := f(ctx, s, m); err != nil {
		s.state.Logf(ctx, "websocketserver: %s of session %s: %v", name, m.ID, err)
	}
}

func milliseconds(t int64) time.Time { return time.UnixMilli(t) }
