package ratelimit

// The algorithms of a Limit.
const (
	// TokenBucket holds Burst units and gets Quota back each PeriodMS, at once. A bucket that is full waits: its period
	// begins when it is taken from.
	TokenBucket = "token_bucket"
	// GCRA lets Burst units pass at once, and Quota in PeriodMS evenly.
	GCRA = "gcra"
	// FixedWindow lets Quota units pass in each period of PeriodMS, counted from 1970.
	FixedWindow = "fixed_window"
	// SlidingLog lets Quota units, 4096 at most, pass in any PeriodMS.
	SlidingLog = "sliding_log"
	// SlidingWindow is SlidingLog with two counters instead of a log: it takes what the period before used to have been
	// spread evenly.
	SlidingWindow = "sliding_window"
	// Concurrency lets Quota units, 4096 at most, be held at once, each for PeriodMS unless it is released or renewed.
	Concurrency = "concurrency"
	// Month lets Quota units pass in each month of UTC, and keeps count for GetUsage.
	Month = "month"
)

// Limit is one of the limits of a Rule.
type Limit struct {
	// Name is that of the policy in the RateLimit fields; default the rule's, with -2, -3 … for further limits.
	Name      string `js:"name,omitempty"`
	Algorithm string `js:"algorithm"`
	Quota     int64  `js:"quota"`               // units, up to 10^12
	PeriodMS  int64  `js:"period_ms,omitempty"` // milliseconds, 1 to 10^12; none for Month
	Burst     int64  `js:"burst,omitempty"`     // units, of TokenBucket and GCRA; default Quota
	// Unit is what is counted: "requests", the default, or "content-bytes". Concurrency counts "concurrent-requests".
	Unit string `js:"unit,omitempty"`
	// Shadow has the limit count and tell, and refuse nothing.
	Shadow bool `js:"shadow,omitempty"`
}

// Rule is what keys are held to.
type Rule struct {
	Name string `js:"name"` // 1 to 64 letters, digits, -, _ and .
	// Key, if it is not empty, has the rule hold for that key alone, in place of the rule of the same name.
	Key string `js:"key,omitempty"`
	// Limits are at most eight. None ends a rule; for a key it ends its own.
	Limits []Limit `js:"limits"`
	// Loan is how many units of a key may be lent out at a time, for LoanMS each (default 10,000): see Allowance.
	Loan   int64 `js:"loan,omitempty"`
	LoanMS int64 `js:"loan_ms,omitempty"`
}

// UsageQuery selects a page of what keys have used under the Month limits of a rule.
type UsageQuery struct {
	Rule  string `js:"rule"`
	After string `js:"after,omitempty"` // the key after which the page begins
	Limit int    `js:"limit,omitempty"` // keys looked at; default and most 1,000
}

// UsagePage is what they have used.
type UsagePage struct {
	Usage []Usage `js:"usage"`
	Next  string  `js:"next,omitempty"` // for UsageQuery.After; empty after the last page
}

// Usage is what a key has used of a Month limit. Months are those of UTC, named as 2026-01.
type Usage struct {
	Key    string `js:"key"`
	Name   string `js:"name"` // of the limit
	Quota  int64  `js:"quota"`
	Month  string `js:"month"`
	Used   int64  `js:"used"`
	Before int64  `js:"before"` // in the month before
}
