// Package abi is the wire contract between a compiled guest and what runs it: the host under wazero, or the shim on
// Workers. The three agree here only. It holds the names of imports and exports, the control block, operation and
// event codes, and the little-endian frames they carry. It knows no Go type of the author's API, no wazero and no
// JavaScript; the shim's copy of the numbers is checked against this package by a test.
//
// # Life of an event
//
// The runtime writes a frame to the guest's inbox (asking ExportAlloc for room first if it is larger), sets the
// current context in the control block, calls ExportEvent and then the Go runtime's own resume export, which runs
// goroutines until all are idle. While it runs the guest calls ImportCall; synchronous operations answer at once,
// asynchronous ones carry a token and complete later as an EventDone. The outcome of an event is itself an operation
// (OpReply, OpReturn or OpFail).
//
// # Contexts
//
// Every call names a context: an object, or a request to the front. Context ids are given by the runtime, are unique
// within one guest instance and never reused. A call is refused unless its context is the current one.
package abi

// Version of this contract. It is part of an export's name, so that a module can be refused before it runs.
const Version = 2

// Module is the name of the import module.
const Module = "durago"

// Imports of the guest.
const (
	// ImportCall is call(ctx, op, token, ptr, len i32) → i32: perform one operation with the frame at ptr.
	// A result n ≥ 0 is the length of the answer, a result n < 0 says that the answer is an Error frame of length -n.
	// An answer that fits is already in the inbox; a longer one is held until ImportTake or the next call.
	ImportCall = "call"
	// ImportTake is take(ptr, len i32): copy the answer that did not fit the inbox to ptr.
	ImportTake = "take"
)

// Exports of the guest, besides the Go runtime's run, resume, getsp and mem.
const (
	// ExportControl returns the address of the control block. Its name carries Version.
	ExportControl = "durago_abi_2"
	// ExportPrefix is what ExportControl begins with in every version.
	ExportPrefix = "durago_abi_"
	// ExportAlloc(n) makes the inbox hold at least n bytes; its address may move.
	ExportAlloc = "durago_alloc"
	// ExportEvent(kind, ctx, ev, n) delivers the event whose n-byte frame is in the inbox.
	ExportEvent = "durago_event"
	// ExportTransaction(token) runs the body of a TransactionSync from inside OpTransactionSync: 0 commits, 1 rolls
	// back. It stores token in ControlTransaction as its last act; without that it was left half-way.
	ExportTransaction = "durago_transaction"
	// ExportStat(which) returns a number about the guest, for tests and diagnosis.
	ExportStat = "durago_stat"
)

// Words of the control block, each a little-endian uint32.
const (
	ControlInbox       = 0 // address of the inbox
	ControlInboxSize   = 1 // its capacity in bytes
	ControlCurrent     = 2 // the current context, written by the runtime; 0 is none
	ControlTransaction = 3 // the token of the last transaction body that ran to its end
	ControlBegun       = 4 // the latest event whose handler began; those given together begin in their order
	ControlWords       = 8
)

// InboxSize is the inbox's capacity after start.
const InboxSize = 64 << 10

// MaxDepth bounds nesting in every decoder.
const MaxDepth = 256

// Which number ExportStat returns.
const (
	StatGoroutines = 0
	StatContexts   = 1
	StatParked     = 2 // goroutines that wait for their home context
	StatHeap       = 3 // bytes of live heap after a collection
	StatLent       = 4 // targets, callbacks and unread streams that are lent
)
