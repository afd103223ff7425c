package algorithm

import "slices"

// leases are units that are held, each until a time, so that whoever dies holding one does not keep it.
type leases struct {
	l    Limit
	now  int64
	held entries // at is when it expires
}

var _ Holder = (*leases)(nil)

func (s *leases) Room() int64 { return max(0, s.l.Quota-s.held.total()) }

// Take holds units that nobody releases: they expire.
func (s *leases) Take(cost int64) { s.Hold(0, cost) }

func (s *leases) Hold(id, cost int64) {
	s.held = s.held.add(entry{s.now + s.l.Period, min(cost, s.Room()), id})
}

func (s *leases) Renew(id int64) bool {
	cost := s.release(id)
	s.held = s.held.add(entry{s.now + s.l.Period, cost, id})
	return cost > 0
}

func (s *leases) Release(id int64) bool { return s.release(id) > 0 }

func (s *leases) release(id int64) (cost int64) {
	s.held = slices.DeleteFunc(s.held, func(x entry) bool {
		if x.id == id {
			cost += x.cost
		}
		return x.id == id
	})
	return cost
}

// Give releases what would expire last.
func (s *leases) Give(cost int64) { s.held = s.held.drop(cost) }

func (s *leases) Wait(cost int64) (int64, bool) {
	if cost > s.l.Quota {
		return 0, false
	}
	excess := s.held.total() + cost - s.l.Quota
	if excess <= 0 {
		return 0, true
	}
	return s.held.after(excess) - s.now, true
}

func (s *leases) Full() int64 {
	if len(s.held) == 0 {
		return s.now
	}
	return s.held[len(s.held)-1].at
}

func (s *leases) Append(to []byte) []byte { return s.held.append(to, Concurrency) }
