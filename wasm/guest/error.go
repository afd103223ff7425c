package guest

import (
	"context"
	"errors"
	"fmt"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
	"durago.example/wasm/value"
)

// Errors that package objects names to authors.
var (
	errGone      = fmt.Errorf("objects: the object or request that owned this operation is gone: %w", context.Canceled)
	errWouldWait = errors.New("objects: this operation would wait, which TransactionSync does not allow; use Transaction")
)

// Errors of transactions that begin and end apart.
var (
	errNested = errors.New("objects: a transaction that was begun here is still open: end it first, or nest with Storage.Transaction")
	errWithin = errors.New("objects: a transaction or critical section within this transaction is still open: end it first")
	errUndone = errors.New("objects: the transaction ended inside of one that began within it, and was undone: end the inner one first")
	errOver   = errors.New("objects: the transaction is over")
)

func readError(b []byte) error {
	w, err := abi.ReadError(b)
	if err != nil {
		return &driver.Error{Name: "Error", Message: "durago: the runtime sent a malformed error"}
	}
	e := &driver.Error{Name: w.Name, Message: w.Message, ObjectID: w.ObjectID, Stack: w.Stack,
		Remote: w.Flags&abi.ErrorRemote != 0, Retryable: w.Flags&abi.ErrorRetryable != 0,
		Overloaded: w.Flags&abi.ErrorOverloaded != 0, Reset: w.Flags&abi.ErrorReset != 0}
	if len(w.Props) > 0 {
		_ = value.Unmarshal(w.Props, &e.Props) // properties that do not decode are dropped, the error is not
	}
	return e
}

// appendError appends err as an Error frame.
func appendError(b []byte, err error, stack string) []byte {
	w := abi.Error{Name: "Error", Stack: stack}
	var e *driver.Error
	if errors.As(err, &e) {
		w.Name, w.Message, w.ObjectID = e.Name, e.Message, e.ObjectID
		if text := err.Error(); text != e.Error() { // wrapped on the way: keep the words around it
			w.Message = text
		}
		for _, f := range [...]struct {
			set bool
			bit byte
		}{{e.Remote, abi.ErrorRemote}, {e.Retryable, abi.ErrorRetryable}, {e.Overloaded, abi.ErrorOverloaded}, {e.Reset, abi.ErrorReset}} {
			if f.set {
				w.Flags |= f.bit
			}
		}
		if len(e.Props) > 0 {
			if p, err := value.Marshal(nil, e.Props); err == nil {
				w.Props = p
			}
		}
	} else {
		w.Message = err.Error()
	}
	if w.Name == "" {
		w.Name = "Error"
	}
	return w.Append(b)
}
