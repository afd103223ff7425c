// Package ratelimit is the contract of the rate limiter: what callers import. The object is in package
// ratelimitserver, which they never link. One object limits any number of keys, exactly and durably; the usual
// arrangement is an object for each tenant or user.
//
// # The short way
//
// The rule "default" is a token bucket, which SetOptions changes:
//
//	limiter := objects.NamespaceOf(ctx, "RATE_LIMITER").GetByName(user)
//	ok, err := ratelimit.Consume.Call(ctx, limiter, "login", 1)
//
// # Rules
//
// A Rule has a name and up to eight limits, each with its algorithm. A key under a rule is a Descriptor. Take decides
// about all limits of all descriptors of a Request at once, and takes from all or from none:
//
//	err := ratelimit.SetRule.Call(ctx, limiter, ratelimit.Rule{Name: "api", Limits: []ratelimit.Limit{
//		{Algorithm: ratelimit.GCRA, Quota: 10, PeriodMS: 1000},
//		{Algorithm: ratelimit.Month, Quota: 100_000, Name: "plan"},
//	}})
//	d, err := ratelimit.Take.Call(ctx, limiter, ratelimit.Request{Descriptors: []ratelimit.Descriptor{{Rule: "api", Key: "ann"}}, Cost: 1})
//
// # In front of a handler
//
// Middleware does that for each request of an http.Handler, and speaks HTTP: the RateLimit fields, Retry-After, and a
// problem for the body of a refusal.
//
// # Leased allowance
//
// Where a key is so hot that one call for each request is too many, a front may borrow units along with a decision and
// spend them by itself: see Allowance, which states what that costs in exactness.
//
// # Numbers and errors
//
// Costs and quotas are whole units, times are whole milliseconds. What is out of bounds is refused with an
// *objects.Error whose code is returned by Code; nothing is taken then. Nothing is rounded or cut off but this: the
// interval of SetOptions is rounded to milliseconds, and Consume answers a cost above 10^12 with false, since so much is
// never there.
//
// # Other than the original
//
// The limiter of DelightStack, whose methods Consume and the like are, counts in floating point, takes fractions, and
// forgets. This one keeps what it knows, and refuses fractional costs and maxima: a cost of 0.1 would make two limiters
// with one rule disagree after a while. Who charges in tenths has a bucket of ten times as many tokens.
//
// The package keeps no state of its own. Middleware and Allowance may be used from any goroutine.
package ratelimit
