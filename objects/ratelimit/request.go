package ratelimit

// Descriptor is a key under a rule. Of what JavaScript has in strings, half a surrogate pair arrives as U+FFFD.
type Descriptor struct {
	Rule string `js:"rule"`
	Key  string `js:"key"`            // up to 1,024 bytes of UTF-8; not empty
	Cost *int64 `js:"cost,omitempty"` // in place of the Request's
}

// Request is about one to eight different descriptors, together.
type Request struct {
	Descriptors []Descriptor `js:"descriptors"`
	Cost        int64        `js:"cost"`              // units, 0 to 10^12
	Loan        int64        `js:"loan,omitempty"`    // units to borrow besides, with Take
	Lease       string       `js:"lease,omitempty"`   // what Decision.Lease was, for Renew and Release
	LockMS      int64        `js:"lock_ms,omitempty"` // milliseconds, for Penalize and Deny
}

// Reasons why a Request was refused.
const (
	Exceeded = "exceeded" // a limit has not enough left
	Locked   = "locked"   // a penalty locks the key out
	Denied   = "denied"   // the key is on the deny list
)

// Decision answers a Request.
type Decision struct {
	Allowed bool   `js:"allowed"`
	Reason  string `js:"reason,omitempty"`
	// RetryInMS is when the same request can succeed, if nobody else takes anything: 0 if it was allowed, -1 if never.
	RetryInMS int64 `js:"retry_in_ms"`
	// Limits are those of the descriptors, in order.
	Limits []LimitStatus `js:"limits"`
	// Loan is how many units were lent, for LoanMS milliseconds from when the request was sent.
	Loan   int64 `js:"loan,omitempty"`
	LoanMS int64 `js:"loan_ms,omitempty"`
	// Lease names what is held from now on of limits with Concurrency; Renew and Release take it.
	Lease string `js:"lease,omitempty"`
}

// LimitStatus is the state of one limit of one key.
type LimitStatus struct {
	Rule      string `js:"rule"`
	Key       string `js:"key"`
	Name      string `js:"name"`
	Unit      string `js:"unit,omitempty"` // empty for requests
	Quota     int64  `js:"quota"`          // the most that can be left
	WindowMS  int64  `js:"window_ms"`      // in which all of it comes back; 0 if there is no such time
	Remaining int64  `js:"remaining"`
	ResetInMS int64  `js:"reset_in_ms"` // until Remaining grows next; 0 when nothing is used
	Exceeded  bool   `js:"exceeded,omitempty"`
	Shadow    bool   `js:"shadow,omitempty"`
}
