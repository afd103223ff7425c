package driver

import "fmt"

// Error is an exception of the platform, or one that crosses to a caller.
type Error struct {
	Name    string // the JavaScript class: "Error", "TypeError", "RangeError", …
	Message string

	Remote     bool // it was thrown on the other side of a stub
	Retryable  bool // the call may be tried again on a new stub
	Overloaded bool // the object is overloaded: do not try again at once
	Reset      bool // the object was reset; this stub stays broken

	ObjectID string         // the object that threw it, 64 hex digits, or empty
	Props    map[string]any // other own properties, as wasm/value reads them
	Stack    string         // the Go stack, for the log; it never leaves the runtime
}

// Error returns the message as the platform prints it, name first.
func (e *Error) Error() string {
	if e.Name == "" || e.Name == "Error" {
		return e.Message
	}
	return e.Name + ": " + e.Message
}

// CloseError says how a socket ended. Code is 1005 if the other side gave none, 1006 if it vanished; Clean says that there
// was a closing handshake.
type CloseError struct {
	Code   int
	Reason string
	Clean  bool
}

// Error says why and how.
func (e *CloseError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("the socket was closed: %d", e.Code)
	}
	return fmt.Sprintf("the socket was closed: %d %s", e.Code, e.Reason)
}
