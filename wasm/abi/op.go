package abi

// Op is the code of an operation, the second argument of ImportCall. "→" gives the answer; an operation marked async
// answers nothing at once and completes as an EventDone whose ev is the call's token. Frames are in frame.go's terms:
// str is a length and bytes, value is wasm/value's codec to the end of the frame.
type Op uint32

// Outcomes of events; the token is the event.
const (
	OpReply  Op = 1 // Response: the answer of EventFetch
	OpReturn Op = 2 // value: the result of EventRPC; empty for events without one, and when the handler of one ends that was forwarded or accepted
	OpFail   Op = 3 // Error: the event failed
)

// Bodies. A stream is named by a handle that its producer gave.
const (
	OpBodyRead   Op = 10 // handle u32 → async: a chunk, empty at the end
	OpBodyCancel Op = 11 // token: handle
	OpBodyWrite  Op = 12 // stream u32, bytes → async: answered when there is room for more
	OpBodyEnd    Op = 13 // token: stream; frame: Error, or empty for a clean end
)

// SQL; statements are interned once per guest.
const (
	OpSQLIntern Op = 20 // token: statement id; frame: its text
	OpSQL       Op = 21 // token: statement id; flags u8, count u16, SQL values → Rows
	OpSQLNext   Op = 22 // token: cursor → Rows
	OpSQLClose  Op = 23 // token: cursor
	OpSQLSize   Op = 24 // → f64 bytes
)

// Key-value storage, synchronous and as promises; both see one table.
const (
	OpKVGet    Op = 30 // key → u8 found, value
	OpKVPut    Op = 31 // key str, value
	OpKVDelete Op = 32 // key → u8 existed
	OpKVList   Op = 33 // ListOptions → entries
	OpGet      Op = 34 // flags u8, count u32, key str… → async: entries
	OpPut      Op = 35 // flags u8, entries → async
	OpDelete   Op = 36 // flags u8, count u32, key str… → async: u32 existed
	OpList     Op = 37 // flags u8, ListOptions → async: entries
)

// The rest of storage.
const (
	OpAlarmGet        Op = 40 // → async: f64 ms since the epoch, NaN for none
	OpAlarmSet        Op = 41 // f64 ms, flags u8 or nothing → async
	OpAlarmDelete     Op = 42 // flags u8 or nothing → async
	OpSync            Op = 43 // → async
	OpDeleteAll       Op = 44 // → async
	OpTransactionSync Op = 45 // token: body; re-enters ExportTransaction → u8 0 committed, 1 rolled back
	OpTransaction     Op = 46 // token: body; outer u32 → async when ended. The body starts with EventBlock
	OpBookmark        Op = 47 // → async: str
	OpRollback        Op = 48 // token: event of the EventBlock of an OpTransaction, whose body goes on outside of it
)

// Lifecycle.
const (
	OpBlock     Op = 50 // token: body; outer u32 → async when ended. The body starts with EventBlock. outer is the event of the EventBlock in which it is called, or 0
	OpAbort     Op = 51 // token: AbandonAlarm or 0; Error; takes effect when the run ends
	OpWaitUntil Op = 52 // token: work until OpWorkDone; it keeps the context alive unless the frame is one zero byte
	OpWorkDone  Op = 53 // token of OpWaitUntil
	OpWake      Op = 54 // token: a context that has goroutines waiting to be current
	OpLog       Op = 55 // level u8, text; the token is the event, or 0
	OpManifest  Op = 56 // JSON of Manifest, the answer to EventManifest
)

// Ids, stubs and outgoing requests.
const (
	OpIDFromName Op = 60 // Namespace, name str → id str
	OpIDUnique   Op = 61 // Namespace, jurisdiction str → id str
	OpIDParse    Op = 62 // Namespace, hex str → id str
	OpStub       Op = 63 // token: new stub handle; Namespace, id str, u8 named, name str, location hint str
	OpStubDrop   Op = 64 // token: stub handle
	OpStubFetch  Op = 65 // stub u32, Request → async: Response
	OpStubCall   Op = 66 // stub u32, method str (empty for a callback), value (array of arguments) → async: value
	OpForward    Op = 67 // stub u32, event u32, then nothing or a Request that replaces the event's; → async: the event is answered
	OpFetch      Op = 68 // Request → async: Response
	OpFetchAbort Op = 69 // token of the OpStubFetch or OpFetch to give up
)

// Sockets. A handle is given by the runtime and is good while the context lives.
const (
	OpSocketAccept     Op = 70 // token: event; count u16, tag str… → socket u32. The event's Response names it
	OpSocketSend       Op = 71 // token: socket; text u8, bytes
	OpSocketClose      Op = 72 // token: socket; code u16 (0: none), reason str
	OpSockets          Op = 73 // u8 tagged, tag str → socket u32…
	OpSocketTags       Op = 74 // token: socket → count u16, tag str…
	OpSocketAttach     Op = 75 // token: socket; value
	OpSocketAttachment Op = 76 // token: socket → u8 set, value
	OpAutoResponse     Op = 77 // u8 set, request str, reply str
	OpSocketPinged     Op = 78 // token: socket → f64 ms of the last auto-response, NaN for none
	OpSocketState      Op = 79 // token: socket → u8 readyState
	OpSocketBroadcast  Op = 80 // text u8, count u32, socket u32…, bytes: the same message to many
)

// Ordinary sockets: the guest asks for what comes, and they last no longer than their context. A handle is given by OpConnAccept,
// or by the Response to a Request that has RequestUpgrade.
const (
	OpConnAccept  Op = 81 // token: event; Headers → socket u32. The event is answered; it ends with OpReturn or OpFail
	OpConnReceive Op = 82 // socket u32 → async: kind u8; ConnText, ConnBinary: bytes; ConnClosed: code u16, clean u8, reason str. One at a time
	OpConnSend    Op = 83 // token: socket; text u8, bytes
	OpConnClose   Op = 84 // token: socket; code u16 (0: none), reason str
	OpConnState   Op = 85 // token: socket → u8 readyState
	OpConnForget  Op = 86 // token: socket that the guest will not read any more
)

// Kinds of what OpConnReceive answers. After ConnClosed the handle is good no more.
const (
	ConnBinary = 0
	ConnText   = 1
	ConnClosed = 2
)

// What of a context others may call, and what it may call of others. Stubs of all kinds are in one table; a handle that the
// runtime gives has LinkGiven set.
const (
	OpTarget  Op = 90 // token: new target; class str, empty for a callback. A value may name it then
	OpStubDup Op = 91 // token: new stub handle; stub u32
	OpService Op = 92 // token: new stub handle; binding str
)

// Flags of OpSQL.
const (
	SQLColumns = 1 // the answer names the columns
	SQLDrop    = 2 // rows are stepped and dropped: the answer is read f64, written f64
)

// AbandonAlarm says that an alarm whose handler runs is not to be tried again.
const AbandonAlarm = 1

// Flags of OpGet, OpPut, OpDelete and OpList, and of alarms.
const (
	KVAllowConcurrency = 1
	KVAllowUnconfirmed = 2
	KVNoCache          = 4
)

// Levels of OpLog.
const (
	LogDebug = 0
	LogInfo  = 1
	LogWarn  = 2
	LogError = 3
)
