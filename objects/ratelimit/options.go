package ratelimit

// DefaultRule is the name of the rule of Consume.
const DefaultRule = "default"

// Options change the rule "default", a token bucket that is shared by all keys; a nil field is left as it is.
type Options struct {
	MaxTokens          *float64 `js:"max_tokens,omitempty"`           // default 10; a whole number
	RefillEverySeconds *float64 `js:"refill_every_seconds,omitempty"` // one token each; default 10; rounded to milliseconds
}

// Status is the state of a key under the rule "default".
type Status struct {
	Remaining float64 `js:"remaining"`
	Limit     float64 `js:"limit"`
	ResetInMS float64 `js:"reset_in_ms"` // until the next token; 0 when full
}
