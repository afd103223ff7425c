// Package websocket is the contract of realtime rooms: what callers import. The object is in package websocketserver,
// which they never link. One object is one room; its clients are sessions, one for each socket.
//
// # In front of a room
//
// Handler answers /api/websocket?room=… in the app worker. It decides who may come in, and hands the upgrade to the
// room's object with metadata that clients can neither see nor set:
//
//	mux.Handle("/api/websocket", websocket.Handler(websocket.Options{
//		Authenticate: func(r *http.Request) (*websocket.Identity, error) {
//			u := signedIn(r)
//			return &websocket.Identity{Room: u.Org, Meta: websocket.UserMeta{UserID: u.ID, UserName: u.Name}}, nil
//		},
//	}))
//
// Capabilities of an Identity narrow what a client may send and is sent. A client that has no cookie comes in with a join
// token, which a backend has minted for it, with JoinTokens; TokenProtocol says how it is offered. Who mints names the
// room, the user, what the user may do there, and until when:
//
//	text, err := tokens.Mint(websocket.JoinToken{Identity: websocket.Identity{
//		Room: "acme", Meta: websocket.UserMeta{UserID: u.ID}, Expires: time.Now().Add(15 * time.Minute),
//		Capabilities: &websocket.Capabilities{Publish: []string{"cursor:"}, Subscribe: []string{"*"}, Presence: true},
//	}})
//
// # Without a socket
//
// The same handler has doors for clients that have no socket, if it is mounted at its path with a slash too:
//
//	mux.Handle("/api/websocket", rooms)
//	mux.Handle("/api/websocket/", rooms)
//
//	POST /api/websocket/messages?room=   publishes the body, a frame as a socket would send it
//	GET  /api/websocket/history?room=    a page of the room's log: after, before, limit, events
//	GET  /api/websocket/events?room=     its messages as they come, as server-sent events: after or rewind, events
//	GET  /api/websocket/poll?room=       the same for who cannot read a stream: after or rewind, wait, events
//
// Who may use them, and in which room, is asked as for the upgrade; a join token is a header here, Authorization: Bearer, of who
// is nobody to Authenticate. Pages of allowed origins may read the answers (CORS);
// with an origin that only "*" allows, without cookies. All but the first need a log, which is Config.Recovery: else 501.
//
// A message over HTTP is a client's, as if a socket of its had sent it: OnMessage decides what becomes of it, presence is
// not among it, and it takes a token, of a bucket for each user, or for each address of who is nobody. The answer is 200
// with {"seq":…,"reply":…}: the number of the last message that OnMessage has published, if any, and what it has returned.
// With an Idempotency-Key of up to MaxKey bytes a message is handled once for each user (those who are nobody share theirs): the answer to the same one again
// has "again":true, and with another message there is 422. The room's other statuses: 400 for what is no message, 413 for
// one that is too long, 429 with Retry-After, what a Refusal says, and 500. What another object publishes, with Publish, is
// the application's own: no hook is asked, and no token taken.
//
// An event of a stream has the message, as a recoverable client sees it, for data, and its number for id. Who comes back
// with Last-Event-ID, as browsers do, or with after, gets what came meanwhile, in order and once, or a SessionGap that says
// what cannot be had any more; the number alone says where it was, so that nothing is kept for who is away. Comments keep
// the connection alive; it ends after an hour, so that who comes back is authenticated anew. What is ephemeral, and
// who is there, needs a socket. FilterEntityChange is asked as for a session.
//
// Behind a stream, and a poll while it waits, is a socket between this handler and the room, which hibernates under it: a
// stream costs the room what a silent client does. They count to Config.MaxSessions (503 beyond) and are in no list of
// sessions or users. A client that is slow has at most Recovery.Window messages, or 256 KiB, under way; then the room waits for
// it, and goes on out of the log. One that takes nothing at all the runtime cuts off: on the durago host after a minute.
//
// A poll waits for up to wait seconds, 25 at first and 60 at most, and answers {"messages":[…],"seq":…,"gap":{…}}; seq is
// after of the next. Without after or rewind it is told at once where to begin.
//
// # Large rooms
//
// A room of thousands is one object that sends each frame to all. Options.Leaves spreads its sockets over others, and
// nothing else changes: see package websocketserver.
//
// # From other objects
//
// The methods of a room are called over RPC. A database tells its room what has changed:
//
//	room := objects.NamespaceOf(ctx, "WEBSOCKET").GetByName(org)
//	err := websocket.EntityChanged.Call(ctx, room, websocket.Change{Action: websocket.Created, EntityType: "post", ID: "p1"})
//	p, err := websocket.Publish.Call(ctx, room, map[string]any{"event": "billed"}, &websocket.PublishOptions{Key: invoice})
//
// A message that is published with a key is in the room once, however often it is; ReadHistory reads the log by pages.
//
// # The wire
//
// A frame is the text of a JSON object with the field event. The server's own events are the constants below; all others
// are the application's; a client that sends one of the server's is refused. What is wrong with a client's frame is answered
// by an Error frame, and the socket stays open.
// A binary frame is the application's altogether: a room refuses it, unless it is configured to take some, and then adds
// nothing to it. It may be lost with a connection.
// The client keeps a connection alive with PingFrame, which is answered with PongFrame without waking the object.
//
// A client that offers the subprotocol Recoverable speaks a little more, which the constants say too: its session
// outlives the connection, what it missed is sent again in order, and what it sends is handled once. See package
// websocketserver for what is promised.
//
// The package keeps no state. Everything in it may be used from any goroutine.
package websocket
