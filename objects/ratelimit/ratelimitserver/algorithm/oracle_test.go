package algorithm_test

import (
	"math/big"
	"time"

	"durago.example/objects/ratelimit/ratelimitserver/algorithm"
)

// event is something that happened to a key: units taken, or given back if cost is negative, or, for leases, held under
// an id (kind 'h'), renewed ('n') or released ('r').
type event struct {
	at, cost int64
	kind     byte
	id       int64
}

// history is all events of a key since it was new. An oracle computes from it, and from nothing else, how many units can
// be taken at a time. It is as slow and as plain as can be: loops over milliseconds' ends, fractions, and units one by
// one.
type history []event

type oracle func(l algorithm.Limit, h history, now int64) int64

var oracles = map[algorithm.Kind]oracle{
	algorithm.TokenBucket:   bucketRoom,
	algorithm.GCRA:          gcraRoom,
	algorithm.FixedWindow:   windowRoom,
	algorithm.Month:         monthRoom,
	algorithm.SlidingLog:    logRoom,
	algorithm.SlidingWindow: twoRoom,
	algorithm.Concurrency:   leaseRoom,
}

// bucketRoom ticks: the clock of the intervals starts when the bucket is first not full, and stops when it is full.
func bucketRoom(l algorithm.Limit, h history, now int64) int64 {
	tokens, tick := l.Burst, int64(-1)
	until := func(t int64) {
		for tick >= 0 && tick <= t {
			tokens += l.Quota
			tick += l.Period
			if tokens >= l.Burst {
				tokens, tick = l.Burst, -1
			}
		}
	}
	for _, e := range h {
		until(e.at)
		tokens = min(l.Burst, tokens-e.cost)
		switch {
		case tokens == l.Burst:
			tick = -1
		case tick < 0:
			tick = e.at + l.Period
		}
	}
	until(now)
	return tokens
}

// gcraRoom is virtual scheduling, the other form of the algorithm, in fractions: tat is when the next cell would arrive
// if all came evenly.
func gcraRoom(l algorithm.Limit, h history, now int64) int64 {
	interval := big.NewRat(l.Period, l.Quota)
	tat := new(big.Rat)
	arrive := func(t int64) {
		if at := new(big.Rat).SetInt64(t); tat.Cmp(at) < 0 {
			tat = at
		}
	}
	for _, e := range h {
		arrive(e.at)
		tat.Add(tat, new(big.Rat).Mul(interval, new(big.Rat).SetInt64(e.cost)))
	}
	arrive(now)
	tolerance := new(big.Rat).Mul(interval, new(big.Rat).SetInt64(l.Burst))
	room := tolerance.Sub(tolerance.Add(tolerance, new(big.Rat).SetInt64(now)), tat)
	room.Quo(room, interval)
	return new(big.Int).Quo(room.Num(), room.Denom()).Int64()
}

// used adds up what was used in each window that label names. Less than nothing is nothing.
func used[W comparable](h history, label func(at int64) W) map[W]int64 {
	sums := map[W]int64{}
	for _, e := range h {
		w := label(e.at)
		sums[w] = max(0, sums[w]+e.cost)
	}
	return sums
}

func windowRoom(l algorithm.Limit, h history, now int64) int64 {
	number := func(at int64) int64 { return at / l.Period }
	return l.Quota - used(h, number)[number(now)]
}

func monthRoom(l algorithm.Limit, h history, now int64) int64 {
	name := func(at int64) string { return time.UnixMilli(at).UTC().Format("2006-01") }
	return l.Quota - used(h, name)[name(now)]
}

func twoRoom(l algorithm.Limit, h history, now int64) int64 {
	sums, n := used(h, func(at int64) int64 { return at / l.Period }), now/l.Period
	room := new(big.Rat).SetInt64(l.Quota - sums[n])
	covered := big.NewRat(l.Period-now%l.Period, l.Period)
	room.Sub(room, covered.Mul(covered, new(big.Rat).SetInt64(sums[n-1])))
	floor := new(big.Int)
	floor.Div(room.Num(), room.Denom())
	return max(0, floor.Int64())
}

// live are the units taken less than a period ago, each by itself.
func live(l algorithm.Limit, h history, now int64) (units []int64) {
	for _, e := range h {
		for len(units) > 0 && e.at-units[0] >= l.Period {
			units = units[1:]
		}
		for range e.cost {
			units = append(units, e.at)
		}
		units = units[:max(0, len(units)-int(max(0, -e.cost)))]
	}
	for len(units) > 0 && now-units[0] >= l.Period {
		units = units[1:]
	}
	return units
}

func logRoom(l algorithm.Limit, h history, now int64) int64 {
	return l.Quota - int64(len(live(l, h, now)))
}

type lease struct{ id, cost, end int64 }

// leaseRoom plays the events. Units that are given back are those that would be held longest.
func leaseRoom(l algorithm.Limit, h history, now int64) int64 {
	var held []lease
	expire := func(t int64) {
		var rest []lease
		for _, x := range held {
			if x.end > t {
				rest = append(rest, x)
			}
		}
		held = rest
	}
	for _, e := range h {
		expire(e.at)
		switch {
		case e.kind == 'n' || e.kind == 'r':
			var rest, same []lease
			for _, x := range held {
				if x.id == e.id {
					same = append(same, lease{x.id, x.cost, e.at + l.Period})
				} else {
					rest = append(rest, x)
				}
			}
			if held = rest; e.kind == 'n' {
				held = append(held, same...)
			}
		case e.cost > 0:
			held = append(held, lease{e.id, e.cost, e.at + l.Period})
		}
		for back := -e.cost; back > 0 && len(held) > 0; back-- {
			last := 0
			for i := range held {
				if held[i].end >= held[last].end {
					last = i
				}
			}
			if held[last].cost--; held[last].cost == 0 {
				held = append(held[:last], held[last+1:]...)
			}
		}
	}
	expire(now)
	room := l.Quota
	for _, x := range held {
		room -= x.cost
	}
	return room
}
