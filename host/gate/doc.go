// Package gate keeps one object's events, and what it sends, in order. It knows nothing of what passes: not wasm, not
// SQLite, not what an object is.
//
// # The input gate
//
// An object's code may assume that nothing happens to it between two of its own steps, although it shares a thread with
// others and waits for them. Input gives out locks, one at a time: an event is delivered with a lock, and the next one
// waits until that is released.
//
// A critical section is longer than a lock: it lasts while its body waits for the world outside. It holds a lock of the
// place where it began, so that nothing enters there, and gives out locks of its own to what it started. Sections nest:
// a Section is a gate within a gate. A section begins when the lock under which it was asked for is released, before
// the events that wait there; several begin one after another, in the order of asking. When a section has succeeded,
// what still waits in it, or holds a lock of it, belongs to the place around it: a section that outlives the one it
// began in still holds back what is outside both. A section that fails breaks the gate for good: whoever waits for it,
// now or later, gets the reason.
//
// A section has a limit of 30 seconds and may be nested 64 deep, as on the platform: what waits inside for something
// that can only happen outside would wait for ever.
//
// The gate governs the delivery of events and the operations of the platform, not code that runs already. A goroutine
// outside a section goes on while the section is open, and parks at its next platform operation: that is the guest's
// half, in wasm/guest.
//
// # The output gate
//
// A commit is durable only some time after it was made, and the code does not wait for that. Nobody else may see what
// follows from a write before it is durable: if the write were lost, they would know of something that never happened.
// So each write that must be confirmed takes a Hold of Output, and everything that leaves (responses, results,
// exceptions, messages of sockets, requests to others, writes to bindings, lines of the log) waits for the holds before
// it. Holds are released in any order; what waits passes in order. A hold that is released with an error breaks the gate:
// what waits behind it never leaves.
//
// # Who may call
//
// A gate belongs to the loop of its object: everything here is called on it, and calls back on it. What a gate lets pass
// runs before the call that let it pass returns, one after another and never one inside another. Only the limit of a
// section comes from elsewhere, through Options.Do.
package gate
