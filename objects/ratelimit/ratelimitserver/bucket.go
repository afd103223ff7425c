package ratelimitserver

import "math"

// policy is how buckets of one object fill.
type policy struct {
	max      float64
	interval float64 // ms for one token
}

// bucket is the state of one key. since is when the interval that runs now began, in ms.
type bucket struct {
	tokens float64
	since  float64
}

// refill adds the whole intervals that have passed and keeps the rest of the running one.
func (b bucket) refill(p policy, now float64) bucket {
	if b.tokens >= p.max {
		return bucket{p.max, now}
	}
	n := math.Floor((now - b.since) / p.interval)
	if n <= 0 {
		return b
	}
	if b.tokens+n >= p.max {
		return bucket{p.max, now}
	}
	return bucket{b.tokens + n, b.since + n*p.interval}
}

// take removes cost tokens if there are enough; nothing is enough for a cost beyond the maximum.
func (b bucket) take(cost float64) (bucket, bool) {
	if cost > b.tokens {
		return b, false
	}
	b.tokens -= cost
	return b, true
}

// untilNext is how many ms are left until the next token; 0 when full.
func (b bucket) untilNext(p policy, now float64) float64 {
	if b.tokens >= p.max {
		return 0
	}
	return math.Max(0, b.since+p.interval-now)
}
