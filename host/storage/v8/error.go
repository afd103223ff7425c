package v8

import (
	"errors"
	"fmt"

	"durago.example/wasm/abi"
)

// Errors of Encode and Decode. Of each, the value cannot be translated, whatever is done.
var (
	// ErrMalformed says that the bytes are no value: they are damaged, or of another program.
	ErrMalformed = errors.New("malformed value")
	// ErrDepth says that a value is nested too deeply for the guest's codec.
	ErrDepth = fmt.Errorf("the value is nested deeper than %d: store its parts under keys of their own", abi.MaxDepth)
	// ErrCost says that views over one buffer copy it too often.
	ErrCost = errors.New("the value's views copy their buffer too often: store the buffer once")
)

// errIrregular has a translation start again in the careful mode.
var errIrregular = errors.New("irregular")

// UnreadableError is Decode's error for what JavaScript can store and Go has nothing for.
type UnreadableError struct {
	What string // "a Blob"
}

func (e *UnreadableError) Error() string {
	return fmt.Sprintf("the value holds %s, which Go has no type for: read it in a JavaScript class, or store the data it is made of", e.What)
}

// CloneError is Encode's error for what cannot be stored; the text is the platform's, where it is named DataCloneError.
type CloneError struct{ Message string }

func (e *CloneError) Error() string { return e.Message }
