// Package guest is the adapter compiled into the wasm: objects/driver over the frames of wasm/abi (hot path) and over
// github.com/syumai/workers (cold path: environment and Workers KV). Natively the harness of tests runs it (New), with the
// frames as slices.
//
// # Home context
//
// One Go instance serves many objects, but on Workers I/O belongs to one object or request at a time. So each of them
// is a scope, and every platform call first makes sure that its scope is the current one (scope.enter). If it is not,
// the goroutine parks and the runtime is asked to wake it when its scope is current (OpWake, EventWake). A goroutine's
// scope is its profiler label, which goroutines inherit; a handle knows its own.
//
// # Sections
//
// While a critical section or a transaction of a scope runs, platform calls of goroutines outside it park until it
// ends. Inside TransactionSync nothing may wait at all: the body runs re-entrantly, below the runtime's own call.
//
// Which goroutines are inside is in their labels too. A transaction of Begin has no function that all of it runs in:
// the goroutine that began it has the section's label, as do those that it starts (database/sql has one that rolls back
// when the context ends), and the handle serves all others. Its end takes the section out of that label, whoever has it.
//
// # Failure
//
// A panic in an event's goroutine fails that event, and the object's Go half is made anew by its next event. A scope
// that is gone wakes all its goroutines; their operations fail with ErrGone.
//
// # Turns
//
// A wasm instance is single-threaded and never preempted, so that plain variables need no lock; a goroutine may lose its
// turn only where it waits. Natively the guest's goroutines take turns (turn_notjs.go): code begins with take before it touches
// what the guest's goroutines share, waits with park alone, wakes with fire, and says settle where it has changed what is shared
// and goes back to an author's code without another call.
package guest
