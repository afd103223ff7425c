package algorithm

import "time"

// month counts what was used in a month of UTC and in the one before, which stays known for a month: what is billed is
// read after the month has ended.
type month struct {
	l                     Limit
	now                   int64
	start                 int64
	used, before          int64 // in this month, and in the one before
	end, endNext, earlier int64 // of this month, of the next one; when the one before began
}

// Used is what a Month has counted.
type Used interface {
	Meter
	// Used is what was used in the month that began at start, and in the one before, which began at earlier; times in
	// milliseconds since 1970.
	Used() (start, used, earlier, before int64)
}

func newMonth(l Limit, now int64) *month {
	y, m, _ := time.UnixMilli(now).UTC().Date()
	first := func(add time.Month) int64 { return time.Date(y, m+add, 1, 0, 0, 0, 0, time.UTC).UnixMilli() }
	return &month{l: l, now: now, start: first(0), end: first(1), endNext: first(2), earlier: first(-1)}
}

func readMonth(l Limit, r *reader, now int64) Meter {
	start, used, before := r.number(), r.number(), r.number()
	if l.Kind != Month {
		return nil
	}
	m := newMonth(l, now)
	switch {
	case start >= m.start: // later: the clock was set back
		m.used, m.before = used, before
	case start == m.earlier:
		m.before = used
	}
	return m
}

func (m *month) Room() int64 { return max(0, m.l.Quota-m.used) }

func (m *month) Take(cost int64) { m.used += min(cost, m.Room()) }

func (m *month) Give(cost int64) { m.used -= min(cost, m.used) }

func (m *month) Wait(cost int64) (int64, bool) {
	switch {
	case cost > m.l.Quota:
		return 0, false
	case cost <= m.Room():
		return 0, true
	}
	return m.end - m.now, true
}

// Full is when nothing is left to tell: a month after the last that was used.
func (m *month) Full() int64 {
	switch {
	case m.used > 0:
		return m.endNext
	case m.before > 0:
		return m.end
	}
	return m.now
}

func (m *month) Used() (start, used, earlier, before int64) {
	return m.start, m.used, m.earlier, m.before
}

func (m *month) Append(to []byte) []byte {
	return appendNumbers(append(to, byte(Month)), m.start, m.used, m.before)
}
