//go:build !js

// Package wsclient is a client of rooms for programs in Go that are no workers: services, bots, tests, load generators. It
// stays connected, resumes where it was, and has each message handled once, as the client for browsers does.
//
//	c, err := wsclient.Dial(ctx, "wss://app.example.com/api/websocket?room=lobby", &wsclient.Options{Header: header})
//	defer c.Close()
//	err = c.Send(ctx, "chat", map[string]any{"text": "hi"}) // returns when it was handled
//	for {
//		e, err := c.Next(ctx)
//		switch e := e.(type) {
//		case wsclient.Frame: // e.Decode(&v)
//		case wsclient.Gap: // e.From to e.To cannot be had any more
//		}
//	}
//
// # What is promised
//
// In a room that keeps sessions (the subprotocol durago.room.v1) frames with a number come in its order and once, over
// broken connections and restarts of the server, or a Gap says which cannot be had. A message of Post is handled once, in
// the order of the calls; if its session was lost meanwhile its error is ErrLost, and it may have been handled. In any
// other room the client connects again and no more: what was under way is lost, and there is Signal alone.
//
// # Bounds
//
// Events wait for Next in a queue of Options.Events. While it is full nothing is read: the room then holds what comes, and
// closes the connection of a client that leaves too much unacknowledged, who resumes. Messages wait in a queue of
// Options.Waiting, beyond which Post fails.
//
// A Client may be used from any goroutine. Its own end before Close returns.
//
// The package knows nothing of objects or hosts, and workers cannot link it: they have sockets of their own.
package wsclient
