package ratelimit

import "durago.example/objects"

// The methods of the original: one token bucket for each key, under the rule "default". A cost is a whole number of
// units; fractions, NaN and negative numbers are refused with InvalidCost.
var (
	// Check tells whether Consume would succeed, and takes nothing.
	Check = objects.Declare2[string, float64, bool]("check", "key", "cost")
	// Consume takes cost tokens and returns true, or takes none and returns false. A cost of 0 is always true.
	Consume = objects.Declare2[string, float64, bool]("consume", "key", "cost")
	// GetStatus is the state of a key.
	GetStatus = objects.Declare1[string, Status]("getStatus", "key")
	// Reset fills a key up, and ends its lock-out.
	Reset = objects.DeclareProc1[string]("reset", "key")
	// SetOptions changes what is given.
	SetOptions = objects.DeclareProc1[Options]("setOptions", "options")
)

// The methods about a Request. Each answers with the state of its limits afterwards.
var (
	// Take takes Cost from every limit of every descriptor, or from none. It may lend Loan more.
	Take = objects.Declare1[Request, Decision]("take", "request")
	// Peek tells what Take would, and takes nothing.
	Peek = objects.Declare1[Request, Decision]("peek", "request")
	// Refund gives Cost back, or as much as was used: of a window that has ended nothing.
	Refund = objects.Declare1[Request, Decision]("refund", "request")
	// Penalize takes Cost, or what is left, and refuses everything for LockMS.
	Penalize = objects.Declare1[Request, Decision]("penalize", "request")
	// Deny refuses everything for LockMS, or for good if that is negative. 0 ends it.
	Deny = objects.Declare1[Request, Decision]("deny", "request")
	// Clear makes keys as new: it ends a lock-out, but neither a denial nor a rule of the key's own.
	Clear = objects.Declare1[Request, Decision]("clear", "request")
	// Renew has what is held under Lease last for another period; Allowed is false if it has expired.
	Renew = objects.Declare1[Request, Decision]("renew", "request")
	// Release gives back what is held under Lease; Allowed is false if it has expired.
	Release = objects.Declare1[Request, Decision]("release", "request")
)

// The methods about rules.
var (
	// SetRule makes or replaces a rule, or gives a key one of its own. It counts from the next decision on.
	SetRule = objects.DeclareProc1[Rule]("setRule", "rule")
	// GetUsage is what the keys of a rule have used in this month and in the one before, a page at a time.
	GetUsage = objects.Declare1[UsageQuery, UsagePage]("getUsage", "query")
)
