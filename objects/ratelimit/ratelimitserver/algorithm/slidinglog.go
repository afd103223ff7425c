package algorithm

// slidingLog remembers when each unit was taken: it counts for a period from then.
type slidingLog struct {
	l     Limit
	now   int64
	taken entries
}

func (s *slidingLog) Room() int64 { return max(0, s.l.Quota-s.taken.total()) }

func (s *slidingLog) Take(cost int64) {
	s.taken = s.taken.add(entry{at: s.now, cost: min(cost, s.Room())})
}

// Give takes back what was taken last.
func (s *slidingLog) Give(cost int64) { s.taken = s.taken.drop(cost) }

func (s *slidingLog) Wait(cost int64) (int64, bool) {
	if cost > s.l.Quota {
		return 0, false
	}
	excess := s.taken.total() + cost - s.l.Quota
	if excess <= 0 {
		return 0, true
	}
	return s.taken.after(excess) + s.l.Period - s.now, true
}

func (s *slidingLog) Full() int64 {
	if len(s.taken) == 0 {
		return s.now
	}
	return s.taken[len(s.taken)-1].at + s.l.Period
}

func (s *slidingLog) Append(to []byte) []byte { return s.taken.append(to, SlidingLog) }
