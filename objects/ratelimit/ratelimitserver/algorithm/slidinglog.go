package algorithm

// slidingLog remembers when each unit was taken: it counts for a period from then.
type slidingLog struct {
	l     Limit
	now   int64
	taken []entry // sorted by time
	units int64   // of all
}

// entry are units that were taken at one time.
type entry struct{ at, units int64 }

func (s *slidingLog) Room() int64 { return max(0, s.l.Quota-s.units) }

func (s *slidingLog) Take(cost int64) {
	if cost = min(cost, s.Room()); cost > 0 {
		s.add(entry{s.now, cost})
	}
}

// add adds what is latest.
func (s *slidingLog) add(x entry) {
	s.units += x.units
	if i := len(s.taken) - 1; i >= 0 && s.taken[i].at == x.at {
		s.taken[i].units += x.units
		return
	}
	s.taken = append(s.taken, x)
}

// Give takes back what was taken last.
func (s *slidingLog) Give(cost int64) {
	for cost > 0 && len(s.taken) > 0 {
		last := &s.taken[len(s.taken)-1]
		n := min(cost, last.units)
		last.units -= n
		s.units -= n
		cost -= n
		if last.units == 0 {
			s.taken = s.taken[:len(s.taken)-1]
		}
	}
}

func (s *slidingLog) Wait(cost int64) (int64, bool) {
	if cost > s.l.Quota {
		return 0, false
	}
	wait, excess := int64(0), s.units+cost-s.l.Quota
	for i := 0; excess > 0; i++ {
		wait = s.taken[i].at + s.l.Period - s.now
		excess -= s.taken[i].units
	}
	return wait, true
}

func (s *slidingLog) Full() int64 {
	if len(s.taken) == 0 {
		return s.now
	}
	return s.taken[len(s.taken)-1].at + s.l.Period
}

func (s *slidingLog) Append(to []byte) []byte {
	to = appendNumbers(append(to, byte(SlidingLog)), int64(len(s.taken)))
	last := int64(0)
	for _, x := range s.taken {
		to = appendNumbers(to, x.at-last, x.units)
		last = x.at
	}
	return to
}

func readLog(l Limit, r *reader, now int64) Meter {
	n, at := r.number(), int64(0)
	if r.bad = r.bad || n > MaxEntries; r.bad {
		return nil
	}
	s := &slidingLog{l: l, now: now, taken: make([]entry, 0, n+1)}
	for range n {
		at += r.number()
		units := r.number()
		if r.bad || at > MaxTime*2 || units < 1 || units > MaxEntries {
			r.bad = true
			return nil
		}
		if at > now-l.Period {
			s.add(entry{min(at, now), units}) // later is what a clock that was set back has left
		}
	}
	return s
}
