package abi

// Kinds of a value's handles. What the id is depends on who sends the value.
const (
	LinkStream   = 1 // bytes, which the sender produces; OpBodyRead, or OpBodyWrite of the guest's token
	LinkPass     = 2 // a stream that the receiver itself gave earlier, unread
	LinkStub     = 3 // something that can be called: a stub of the guest
	LinkTarget   = 4 // a target of the guest, which has methods
	LinkCallback = 5 // a target of the guest, which is a function
)

// FirstEvent is the number of the first event. Those of events have it set, and the guest's tokens are below LinkGiven: the body of
// a response is a stream by its event's number, and any other by a token. A runtime may give the body of a request the number of its
// event: then it ends with the event, and the guest does not cancel it.
const FirstEvent = 1 << 31

// LinkGiven is set in the handles of stubs that the runtime gives, so that they never are a token of the guest's.
const LinkGiven = 1 << 30

// MaxLinks is how many targets of its own, stubs that came in values, and streams a context may have at a time, each.
const MaxLinks = 10_000
