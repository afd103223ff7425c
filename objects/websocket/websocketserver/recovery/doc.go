// Package recovery has the rules of sessions that outlive their connections, apart from sockets and tables: what is to
// be sent again, which message is new, who has become too slow, and what proves a session.
//
// A room numbers what it sends to all: 1, 2, 3 … A connection delivers in order or breaks, so that a client knows all it
// has missed by one number, the last that it saw. The room keeps the newest messages; Resume says from where it can go
// on, and which messages it cannot account for. The other way, a client numbers its messages within its session, and
// keeps each until it is acknowledged. The room keeps one number for each session, the last that was handled, and Judge
// tells a new message from one that is sent again. That bounds what must be remembered, however long it takes.
//
// The package is arithmetic alone: it knows no clock and keeps nothing. Its values belong to their caller.
package recovery
