package value

// What JavaScript has and Go has not, as it is decoded into an any and encoded again.
type (
	// Map keeps the order of insertion.
	Map []Pair
	// Pair is one entry of a Map.
	Pair struct{ Key, Value any }
	// Set keeps the order of insertion.
	Set []any
	// RegExp is a regular expression as JavaScript writes it.
	RegExp struct{ Source, Flags string }
	// Sparse is an array with holes.
	Sparse struct {
		Length uint32
		Items  map[uint32]any
	}
	// Error is an exception that was stored or sent as a value.
	Error struct {
		Name, Message, Stack string
		Cause                any
		Props                map[string]any
	}
	// Handle names a stream, stub, target or callback of the runtime.
	Handle struct {
		Kind byte
		ID   uint32
	}
	// Undefined encodes as undefined; nil encodes as null.
	Undefined struct{}
)

func (e *Error) Error() string { return e.Name + ": " + e.Message }
