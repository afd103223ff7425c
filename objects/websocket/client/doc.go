// Package client has the source of the client for browsers, room.ts: an ES module with its types, which needs nothing
// but WebSocket. Its test compiles it, and has it talk to a compiled room.
package client
