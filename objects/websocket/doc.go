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
// # From other objects
//
// The methods of a room are called over RPC. A database tells its room what has changed:
//
//	room := objects.NamespaceOf(ctx, "WEBSOCKET").GetByName(org)
//	err := websocket.EntityChanged.Call(ctx, room, websocket.Change{Action: websocket.Created, EntityType: "post", ID: "p1"})
//
// # The wire
//
// A frame is the text of a JSON object with the field event. The server's own events are the constants below; all others
// are the application's; a client that sends one of the server's is refused. What is wrong with a client's frame is answered by an Error frame, and the socket stays open.
// The client keeps a connection alive with PingFrame, which is answered with PongFrame without waking the object.
//
// A client that offers the subprotocol Recoverable speaks a little more, which the constants say too: its session
// outlives the connection, what it missed is sent again in order, and what it sends is handled once. See package
// websocketserver for what is promised.
//
// The package keeps no state. Everything in it may be used from any goroutine.
package websocket
