package algorithm

import (
	"bytes"
	"slices"
)

// leases are units that are held, each until a time, so that whoever dies holding one does not keep it.
type leases struct {
	l     Limit
	now   int64
	held  []batch // sorted by time; what is added is the latest
	units int64   // of all; never more than MaxEntries
}

// batch are leases that expire at one time, have as many units each, and ids that differ in the low bits alone. A busy
// key has hundreds of leases, but a batch for each millisecond if ids of the same one are near each other: a decision
// copies ids without looking at them, and the row has three bytes of each.
type batch struct {
	at, cost, high int64
	low            []byte // lowBytes of each id; may be those of the row that was read
}

// LowBits are those by which the ids of a batch may differ.
const (
	LowBits  = 8 * lowBytes
	lowBytes = 3
)

var _ Holder = (*leases)(nil)

func split(id int64) (high int64, low [lowBytes]byte) {
	return id >> LowBits, [lowBytes]byte{byte(id), byte(id >> 8), byte(id >> 16)}
}

func (b *batch) units() int64 { return b.cost * int64(len(b.low)/lowBytes) }

func (s *leases) Room() int64 { return max(0, s.l.Quota-s.units) }

// Take holds units that nobody releases: they expire.
func (s *leases) Take(cost int64) { s.Hold(0, cost) }

func (s *leases) Hold(id, cost int64) {
	high, low := split(id)
	s.add(batch{s.now + s.l.Period, min(cost, s.Room()), high, low[:]})
}

// add adds what expires last.
func (s *leases) add(x batch) {
	if x.cost == 0 {
		return
	}
	s.units += x.units()
	if i := len(s.held) - 1; i >= 0 && s.held[i].at == x.at && s.held[i].cost == x.cost && s.held[i].high == x.high {
		s.held[i].low = append(slices.Clip(s.held[i].low), x.low...)
		return
	}
	s.held = append(s.held, x)
}

func (s *leases) Renew(id int64) bool {
	cost := s.release(id)
	high, low := split(id)
	s.add(batch{s.now + s.l.Period, cost, high, low[:]})
	return cost > 0
}

func (s *leases) Release(id int64) bool { return s.release(id) > 0 }

func (s *leases) release(id int64) (cost int64) {
	high, low := split(id)
	for i := range s.held {
		b := &s.held[i]
		if b.high != high {
			continue
		}
		var others []byte
		for x := range slices.Chunk(b.low, lowBytes) {
			if bytes.Equal(x, low[:]) {
				cost += b.cost
			} else {
				others = append(others, x...)
			}
		}
		b.low = others
	}
	s.held = slices.DeleteFunc(s.held, func(b batch) bool { return len(b.low) == 0 })
	s.units -= cost
	return cost
}

// Give releases what would expire last.
func (s *leases) Give(cost int64) {
	for cost > 0 && len(s.held) > 0 {
		b := &s.held[len(s.held)-1]
		last := *b
		rest := len(b.low) - lowBytes
		last.low = b.low[rest:]
		if b.low = b.low[:rest]; rest == 0 {
			s.held = s.held[:len(s.held)-1]
		}
		s.units -= last.cost
		n := min(cost, last.cost)
		last.cost -= n
		cost -= n
		s.add(last)
	}
}

func (s *leases) Wait(cost int64) (int64, bool) {
	if cost > s.l.Quota {
		return 0, false
	}
	wait, excess := int64(0), s.units+cost-s.l.Quota
	for i := 0; excess > 0; i++ {
		wait = s.held[i].at - s.now
		excess -= s.held[i].units()
	}
	return wait, true
}

func (s *leases) Full() int64 {
	if len(s.held) == 0 {
		return s.now
	}
	return s.held[len(s.held)-1].at
}

func (s *leases) Append(to []byte) []byte {
	to = appendNumbers(append(to, byte(batched)), int64(len(s.held)))
	last := int64(0)
	for i := range s.held {
		b := &s.held[i]
		to = appendNumbers(to, b.at-last, b.cost, b.high, int64(len(b.low)/lowBytes))
		to = append(to, b.low...)
		last = b.at
	}
	return to
}

// readLeases reads batches, or leases one by one.
func readLeases(l Limit, r *reader, now int64, form Kind) Meter {
	n, at, units := r.number(), int64(0), int64(0)
	if r.bad = r.bad || n > MaxEntries; r.bad {
		return nil
	}
	s := &leases{l: l, now: now, held: make([]batch, 0, n+1)}
	for range n {
		at += r.number()
		x := batch{at: min(at, now+l.Period), cost: r.number()} // later is what a clock that was set back has left
		if form == batched {
			x.high = r.number()
			x.low = r.bytes(lowBytes * min(r.number(), MaxEntries+1))
		} else {
			high, low := split(r.number())
			x.high, x.low = high, low[:]
		}
		if r.bad || at > MaxTime*2 || x.cost < 1 || x.cost > MaxEntries || len(x.low) == 0 {
			r.bad = true
			return nil
		}
		if units += x.units(); units > MaxEntries {
			r.bad = true
			return nil
		}
		if at > now {
			s.add(x)
		}
	}
	return s
}
