package durable

import (
	"errors"

	"durago.example/host/gate"
)

// Error is an exception of the platform, or one that leaves an object.
type Error struct {
	Name, Message                        string
	Remote, Retryable, Overloaded, Reset bool
	ObjectID                             string
	Stack                                string // for the log
	Props                                []byte // encoded own properties
}

func (e *Error) Error() string {
	if e.Name == "" || e.Name == "Error" {
		return e.Message
	}
	return e.Name + ": " + e.Message
}

// asReset is err as the callers of an object see it that was reset because of it.
func asReset(err error) *Error {
	e, ok := err.(*Error)
	if !ok {
		return &Error{Name: "Error", Message: err.Error(), Reset: true}
	}
	c := *e
	c.Reset = true
	return &c
}

// Why an object is overloaded, in the platform's words. See
// https://developers.cloudflare.com/durable-objects/observability/troubleshooting/.
const (
	tooMany = "Too many requests queued."
	tooMuch = "Too much data queued."
	tooLong = "Requests queued for too long."
)

func overloaded(reason string) error {
	return &Error{Name: "Error", Message: "Durable Object is overloaded. " + reason, Overloaded: true}
}

// broken is why a gate broke, as a script sees it.
func broken(reason error) error {
	switch {
	case errors.Is(reason, gate.ErrTooDeep):
		return &Error{Name: "Error", Message: "blockConcurrencyWhile() calls are nested too deeply."}
	case errors.Is(reason, gate.ErrTooLong):
		return &Error{Name: "Error", Overloaded: true, Message: "A call to blockConcurrencyWhile() in a Durable Object waited for too long. The call was canceled and the Durable Object was reset."}
	}
	return reason
}
