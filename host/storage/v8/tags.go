package v8

import "durago.example/wasm/value"

// Versions of the format.
const (
	versionTag     = 0xff
	version        = 15 // that Encode writes, and the newest that Decode reads
	oldestVersion  = 13
	flagsSince     = 14 // views carry flags
	maxSmi         = 1<<30 - 1
	minSmi         = -1 << 30
	maxIndex       = 1<<32 - 2 // the greatest index of an array
	maxDate        = 8.64e15   // ms; beyond it a Date is invalid
	lengthTracking = 1         // flags of a view
	resizable      = 2
)

// Tags of the format that this package writes or reads.
const (
	tagPadding      = 0
	tagObjectCount  = '?'
	tagHole         = '-'
	tagUndefined    = '_'
	tagNull         = '0'
	tagTrue         = 'T'
	tagFalse        = 'F'
	tagInt32        = 'I'
	tagUint32       = 'U'
	tagDouble       = 'N'
	tagBigInt       = 'Z'
	tagUTF8         = 'S'
	tagOneByte      = '"'
	tagTwoByte      = 'c'
	tagReference    = '^'
	tagObject       = 'o'
	tagObjectEnd    = '{'
	tagSparse       = 'a'
	tagSparseEnd    = '@'
	tagDense        = 'A'
	tagDenseEnd     = '$'
	tagDate         = 'D'
	tagTrueObject   = 'y'
	tagFalseObject  = 'x'
	tagNumberObject = 'n'
	tagBigIntObject = 'z'
	tagStringObject = 's'
	tagRegExp       = 'R'
	tagMap          = ';'
	tagMapEnd       = ':'
	tagSet          = '\''
	tagSetEnd       = ','
	tagBuffer       = 'B'
	tagResizable    = '~'
	tagView         = 'V'
	tagError        = 'r'
	tagHost         = '\\'
)

// unreadable are the tags for which Go has nothing. None of them survives in storage: they name what another thread
// of the same process holds.
var unreadable = map[byte]string{
	't': "a transferred ArrayBuffer", 'u': "a SharedArrayBuffer", 'p': "a shared object", 'w': "a WebAssembly.Module", 'm': "a WebAssembly.Memory",
}

// Tags of workerd's own objects, behind tagHost.
const (
	hostDOMException = 8
	hostError        = 10
)

// hosts are workerd's own objects for which Go has nothing.
var hosts = map[uint32]string{
	1: "an RPC stub", 2: "a WritableStream", 3: "a ReadableStream", 4: "Headers", 5: "a Request", 6: "a Response", 7: "a DOMException",
	9: "an AbortSignal", 11: "a service stub", 12: "a Durable Object class", 15: "a Blob",
}

// errorNames are workerd's numbers of the classes of Error; 0 is followed by a name.
var errorNames = [...]string{
	"", "Error", "TypeError", "RangeError", "ReferenceError", "SyntaxError", "WasmCompileError", "WasmLinkError", "WasmRuntimeError",
	"WasmSuspendError", "EvalError", "URIError", "AggregateError", "SuppressedError",
}

// prototypes are V8's own letters for the classes of Error.
var prototypes = map[byte]string{
	'E': "EvalError", 'R': "RangeError", 'F': "ReferenceError", 'S': "SyntaxError", 'T': "TypeError", 'U': "URIError",
}

// view is a class of views: V8's letter for it and the size of its elements in bytes.
type view struct {
	tag  byte
	size int
}

// views are the classes of views by their kind in package value.
var views = [...]view{
	value.ViewInt8: {'b', 1}, value.ViewUint8: {'B', 1}, value.ViewUint8Clamped: {'C', 1}, value.ViewInt16: {'w', 2}, value.ViewUint16: {'W', 2},
	value.ViewInt32: {'d', 4}, value.ViewUint32: {'D', 4}, value.ViewFloat32: {'f', 4}, value.ViewFloat64: {'F', 8}, value.ViewBigInt64: {'q', 8},
	value.ViewBigUint64: {'Q', 8}, value.ViewDataView: {'?', 1}, value.ViewFloat16: {'h', 2},
}

// regExpFlags are V8's bits of a regular expression's flags, in the order in which JavaScript writes them.
var regExpFlags = [...]regExpFlag{{'d', 128}, {'g', 1}, {'i', 2}, {'m', 4}, {'s', 32}, {'u', 16}, {'v', 256}, {'y', 8}}

type regExpFlag struct {
	letter byte
	bit    uint64
}
