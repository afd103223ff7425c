package algorithm

import (
	"errors"
	"fmt"
)

// Kind is the algorithm of a limit. The values are stored: they stay.
type Kind byte

// The algorithms.
const (
	// TokenBucket holds Burst units, and gets Quota back at the end of each Period that began when it was last full.
	TokenBucket Kind = iota + 1
	// GCRA lets Burst units pass at once and Quota in a Period, evenly: a unit is back each Period/Quota.
	GCRA
	// FixedWindow lets Quota units pass in each Period; periods are counted from 1970.
	FixedWindow
	// Month lets Quota units pass in each month of UTC, and remembers what the month before used.
	Month
	// SlidingLog lets Quota units pass in any Period: it remembers each.
	SlidingLog
	// SlidingWindow is SlidingLog with two counters instead of a log: it takes what the window before used to have been
	// spread evenly.
	SlidingWindow
	// Concurrency lets Quota units be held at once, each for Period at most.
	Concurrency
	// batched is no algorithm: it begins the state of Concurrency. That began with Concurrency, and had each lease by
	// itself, once.
	batched
)

// Bounds of a Limit and of what a Meter returns.
const (
	MaxQuota   = 1_000_000_000_000 // units
	MaxPeriod  = 1_000_000_000_000 // milliseconds: 31 years
	MaxEntries = 4096              // units of a Limit that remembers each: SlidingLog and Concurrency
	MaxTime    = 1 << 52           // milliseconds
)

// maxDebt bounds Burst × Period of GCRA, so that two of them can be added.
const maxDebt = 1 << 61

// Limit is what a Meter holds a key to.
type Limit struct {
	Kind   Kind
	Quota  int64 // units
	Period int64 // milliseconds; 0 for Month
	Burst  int64 // units; of TokenBucket and GCRA alone
}

// Capacity is the most units that can ever be taken at once.
func (l Limit) Capacity() int64 {
	if l.Kind == TokenBucket || l.Kind == GCRA {
		return l.Burst
	}
	return l.Quota
}

// Window is the time in which the whole capacity comes back, between 1 and MaxTime milliseconds; 0 where months differ
// or nothing comes back by itself.
func (l Limit) Window() int64 {
	switch l.Kind {
	case TokenBucket:
		return max(1, product(ceil(l.Burst, l.Quota), l.Period))
	case GCRA:
		return min(MaxTime, max(1, ceil(l.Burst*l.Period, l.Quota)))
	case Month, Concurrency:
		return 0
	}
	return l.Period
}

// Validate says what is wrong with a limit, in a sentence about one of its fields.
func (l Limit) Validate() error {
	rate := l.Kind == TokenBucket || l.Kind == GCRA
	switch {
	case l.Kind < TokenBucket || l.Kind > Concurrency:
		return errors.New("algorithm must be one of the known ones")
	case l.Quota < 0 || l.Quota > MaxQuota:
		return fmt.Errorf("quota must be between 0 and %d units, got %d", int64(MaxQuota), l.Quota)
	case rate && l.Quota == 0:
		return errors.New("quota must be at least 1 unit where units come back over time, got 0")
	case l.Kind == Month && l.Period != 0:
		return fmt.Errorf("period must be left out of a month, got %d ms", l.Period)
	case l.Kind != Month && (l.Period < 1 || l.Period > MaxPeriod):
		return fmt.Errorf("period must be between 1 and %d ms, got %d", int64(MaxPeriod), l.Period)
	case !rate && l.Burst != 0:
		return fmt.Errorf("burst is for token_bucket and gcra alone, got %d", l.Burst)
	case l.Burst < 0 || l.Burst > MaxQuota:
		return fmt.Errorf("burst must be between 0 and %d units, got %d", int64(MaxQuota), l.Burst)
	case l.Kind == GCRA && l.Burst > maxDebt/l.Period:
		return fmt.Errorf("burst times period must be at most 2^61 in gcra, got %d and %d ms", l.Burst, l.Period)
	case (l.Kind == SlidingLog || l.Kind == Concurrency) && l.Quota > MaxEntries:
		return fmt.Errorf("quota must be at most %d units where each is remembered, got %d: use sliding_window", MaxEntries, l.Quota)
	}
	return nil
}
