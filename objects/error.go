package objects

import (
	"context"
	"errors"
	"fmt"

	"durago.example/objects/driver"
)

// Error is an exception of the platform or of another object, with its flags. Return one to decide the JavaScript
// class that a caller sees; any other Go error arrives as an Error with its text. See
// https://developers.cloudflare.com/durable-objects/best-practices/error-handling/.
type Error = driver.Error

// InvalidArgument is the property "code" of the TypeError with which a method refuses what it cannot read as its argument:
// a fraction for an int, a number for a string, or nothing.
const InvalidArgument = "INVALID_ARGUMENT"

// Errors of this package that code compares with errors.Is.
var (
	// ErrNoRow is returned by One when the query has no result.
	ErrNoRow = errors.New("objects: no row")
	// ErrManyRows is returned by One when the query has more than one result.
	ErrManyRows = errors.New("objects: more than one row")
	// ErrGone says that the object or request that owned the operation is gone. It wraps context.Canceled.
	ErrGone = fmt.Errorf("objects: the object or request that owned this operation is gone: %w", context.Canceled)
	// ErrWouldWait says that an operation inside TransactionSync would have had to wait.
	ErrWouldWait = errors.New("objects: this operation would wait, which TransactionSync does not allow; use Transaction")
)
