// Package objects is the author's API: Durable Objects written in Go.
//
// A class is a Go type with a constructor; its methods are called over RPC, and its abilities (HTTP, alarm, sockets)
// are one-method interfaces. A Program lists the classes and the front handler; Run hands it to the runtime and never
// returns. The same program runs on Cloudflare Workers and on the durago host.
//
//	type Counter struct{ state *objects.State }
//
//	func New(state *objects.State) (*Counter, error) { return &Counter{state}, nil }
//
//	func (c *Counter) increment(ctx context.Context, by int) (int, error) { … }
//
//	var Increment = objects.Method1("increment", (*Counter).increment, "by")
//	var Class = objects.NewClass("Counter", New, Increment)
//
// # Goroutines and waiting
//
// All objects of an isolate share one thread. SQL and synchronous KV return at once; what is a promise on the platform
// takes a context and may wait, and other events run meanwhile. A goroutine belongs to the object or request that
// started it; its platform operations run on that object's behalf, and fail with an error that wraps context.Canceled
// once the object is gone.
//
// # Sockets
//
// A WebSocket belongs to the runtime: it calls the object's handlers, and the object may leave memory under it. A Conn is read in
// a loop, and keeps the object in memory: Accept answers a client with one, Dial and Stub.Dial open one.
//
// # What is missing
//
// Facets (ctx.facets), containers and read replication of the platform have nothing here: what a program does not name it cannot
// use, and a data directory that holds facets is refused.
//
// The package compiles natively too, for tests and shared code; Run alone needs the runtime.
package objects
