// Package ratelimit is the contract of the rate limiter: what callers import. The object is in package
// ratelimitserver. One object limits any number of keys; the usual arrangement is an object per key or tenant.
//
//	limiter := objects.NamespaceOf(ctx, "RATE_LIMITER").GetByName(user)
//	ok, err := ratelimit.Consume.Call(ctx, limiter, "login", 1)
package ratelimit

import "durago.example/objects"

// Options of one object, shared by its keys; a nil field is left as it is.
type Options struct {
	MaxTokens          *float64 `js:"max_tokens,omitempty"`           // default 10
	RefillEverySeconds *float64 `js:"refill_every_seconds,omitempty"` // one token each; default 10
}

// Status is the state of a key.
type Status struct {
	Remaining float64 `js:"remaining"`
	Limit     float64 `js:"limit"`
	ResetInMS float64 `js:"reset_in_ms"` // until the next token; 0 when full
}

// The methods of the object.
var (
	// Check tells whether Consume would succeed, and takes nothing.
	Check = objects.Declare2[string, float64, bool]("check", "key", "cost")
	// Consume takes cost tokens and returns true, or takes none and returns false.
	Consume = objects.Declare2[string, float64, bool]("consume", "key", "cost")
	// GetStatus is the state of a key.
	GetStatus = objects.Declare1[string, Status]("getStatus", "key")
	// Reset fills a key up.
	Reset = objects.DeclareProc1[string]("reset", "key")
	// SetOptions changes what is given.
	SetOptions = objects.DeclareProc1[Options]("setOptions", "options")
)
