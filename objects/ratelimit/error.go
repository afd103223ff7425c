package ratelimit

import (
	"errors"

	"durago.example/objects"
)

// Codes of errors.
const (
	InvalidCost    = "INVALID_COST"    // not a whole number of units between 0 and 10^12
	InvalidKey     = "INVALID_KEY"     // empty, too long, or no UTF-8
	InvalidRequest = "INVALID_REQUEST" // no descriptors, too many, or two of the same; a lease or a time that is none
	InvalidRule    = "INVALID_RULE"    // a rule or an option that is out of bounds or contradicts itself
	UnknownRule    = "UNKNOWN_RULE"    // no rule has this name
	// InvalidArgument is for what is no request at all, such as a cost of 1.5, NaN or 1e300 in one, or a number for a key.
	InvalidArgument = objects.InvalidArgument
	Full            = "FULL" // the object has as many keys as it may, and this one would be new
)

// Code is the code of an error of the limiter, or empty.
func Code(err error) string {
	var e *objects.Error
	if !errors.As(err, &e) {
		return ""
	}
	code, _ := e.Props["code"].(string)
	return code
}
