package algorithm

import "slices"

// entry is units that count until, or from, a time.
type entry struct{ at, cost, id int64 }

// entries are sorted by time. There are never more than MaxEntries of them: each has a unit at least.
type entries []entry

func (e entries) total() (sum int64) {
	for _, x := range e {
		sum += x.cost
	}
	return sum
}

// since are the entries later than a time; those later than latest, which a clock that was set back has left, count as
// of then.
func (e entries) since(time, latest int64) entries {
	e = slices.DeleteFunc(e, func(x entry) bool { return x.at <= time })
	for i := range e {
		e[i].at = min(e[i].at, latest)
	}
	return e
}

// add keeps the order. Units of the same time and id are one entry.
func (e entries) add(x entry) entries {
	if x.cost == 0 {
		return e
	}
	i := len(e)
	for i > 0 && e[i-1].at > x.at {
		i--
	}
	if i > 0 && e[i-1].at == x.at && e[i-1].id == x.id {
		e[i-1].cost += x.cost
		return e
	}
	return slices.Insert(e, i, x)
}

// drop removes cost units, or all, from the latest on.
func (e entries) drop(cost int64) entries {
	for cost > 0 && len(e) > 0 {
		last := &e[len(e)-1]
		n := min(cost, last.cost)
		last.cost -= n
		cost -= n
		if last.cost == 0 {
			e = e[:len(e)-1]
		}
	}
	return e
}

// after is the time of the entry with which as many units are gone.
func (e entries) after(units int64) int64 {
	for _, x := range e {
		if units -= x.cost; units <= 0 {
			return x.at
		}
	}
	return 0
}

func (e entries) append(b []byte, kind Kind) []byte {
	b = appendNumbers(append(b, byte(kind)), int64(len(e)))
	last := int64(0)
	for _, x := range e {
		b = appendNumbers(b, x.at-last, x.cost)
		if kind == Concurrency {
			b = appendNumbers(b, x.id)
		}
		last = x.at
	}
	return b
}

func (r *reader) entries(ids bool) entries {
	n, last := r.number(), int64(0)
	if n > MaxEntries {
		r.bad = true
		return nil
	}
	e := make(entries, 0, n)
	for range n {
		x := entry{at: last + r.number(), cost: r.number()}
		if ids {
			x.id = r.number()
		}
		if r.bad || x.at > MaxTime*2 || x.cost < 1 || x.cost > MaxEntries {
			r.bad = true
			return nil
		}
		e, last = append(e, x), x.at
	}
	return e
}
