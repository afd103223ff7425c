package abi

// Event is the kind of an event, the first argument of ExportEvent.
type Event uint32

// Events that a handler answers with OpReply, OpReturn or OpFail.
const (
	EventConstruct     Event = 1  // class str, id str, u8 named, name str: the context is this object
	EventFetch         Event = 2  // Request
	EventRPC           Event = 3  // method str, value (array of arguments)
	EventAlarm         Event = 4  // scheduled f64 ms, retry u32
	EventSocketMessage Event = 5  // socket u32, text u8, bytes
	EventSocketClose   Event = 6  // socket u32, code u16, clean u8, reason str
	EventSocketError   Event = 7  // socket u32, message str
	EventScheduled     Event = 8  // cron str, time f64 ms
	EventBlock         Event = 9  // body u32: run the body of OpBlock or OpTransaction
	EventTarget        Event = 10 // target u32, method str (empty for a callback), value (array of arguments)
	EventService       Event = 11 // entrypoint str, props str (a value), u8 0 and Request or 1, method str and value
)

// Events that nobody answers.
const (
	EventWake   Event = 20 // goroutines that wait for this context may go on
	EventDone   Event = 21 // ev: token; ok u8, then the answer or an Error
	EventGone   Event = 22 // the context is gone: its goroutines end with context.Canceled
	EventCancel Event = 23 // ev: the event whose caller went away
	EventExpire Event = 24 // ev: the event that has taken too long; the guest fails it and says what it waits for
	EventUnlent Event = 25 // ev: a target that nobody can call any more

	// EventManifest has the guest answer with OpManifest before it returns. Its context is 0.
	EventManifest Event = 30
)
