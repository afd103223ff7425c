package objects

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// RetryOptions say how often Retry tries and how long it waits between two tries. The zero value is the default of each.
type RetryOptions struct {
	Attempts int           // in all; default 3
	Base     time.Duration // upper bound of the first wait, doubled for each next; default 100 ms
	Max      time.Duration // upper bound of every wait; default 3 s
}

// Retry calls f with a new stub of the object, and again with another while the platform says that this helps: the error
// is Retryable and not Overloaded. It waits in between, for a random part of a time that doubles. The last error is
// returned as it is; the end of ctx ends the waiting, and is returned with that error.
//
// f may have taken effect although it failed: let it do what may be done twice. See
// https://developers.cloudflare.com/durable-objects/best-practices/error-handling/.
func (n *Namespace) Retry(ctx context.Context, id ID, o *RetryOptions, f func(ctx context.Context, stub *Stub) error) error {
	r := o.defaults()
	for attempt := 1; ; attempt++ {
		err := f(ctx, n.Get(id))
		if attempt >= r.Attempts || !worthRetrying(err) {
			return err
		}
		bound := min(r.Base<<(attempt-1), r.Max)
		select {
		case <-time.After(rand.N(bound) + 1):
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		}
	}
}

func (o *RetryOptions) defaults() RetryOptions {
	r := RetryOptions{3, 100 * time.Millisecond, 3 * time.Second}
	if o == nil {
		return r
	}
	if o.Attempts > 0 {
		r.Attempts = o.Attempts
	}
	if o.Base > 0 {
		r.Base = o.Base
	}
	if o.Max > 0 {
		r.Max = o.Max
	}
	return r
}

func worthRetrying(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Retryable && !e.Overloaded
}
