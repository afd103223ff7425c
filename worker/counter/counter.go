// Package counter is the contract of the counter: what callers import. The object is in package counterserver, which they
// never link. An object is one counter.
package counter

import "durago.example/objects"

// The methods, callable from Go by type and from JavaScript by name.
var (
	// Increment counts up and answers with the new value.
	Increment = objects.Declare1[int, int]("increment", "by")
	// Get is the value.
	Get = objects.Declare0[int]("get")
	// ResetIn sets the counter to zero after a time in milliseconds.
	ResetIn = objects.DeclareProc1[int]("resetIn", "milliseconds")
	// LastBy is what the counter was last incremented by.
	LastBy = objects.Declare0[int]("lastBy")
)
