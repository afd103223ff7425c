package algorithm

// slidingWindow counts what was used in the fixed window that runs and in the one before. Of the latter counts the part
// that a window of the same length, ending now, still covers; a part of a unit counts as one.
type slidingWindow struct {
	l            Limit
	now          int64
	start        int64
	used, before int64
}

func newSlidingWindow(l Limit, now int64) *slidingWindow {
	return &slidingWindow{l, now, now - now%l.Period, 0, 0}
}

func readSlidingWindow(l Limit, r *reader, now int64) Meter {
	start, used, before := r.number(), r.number(), r.number()
	if l.Kind != SlidingWindow {
		return nil
	}
	w := newSlidingWindow(l, now)
	switch {
	case start >= w.start: // later: the clock was set back, or windows are longer now
		w.used, w.before = used, before
	case start >= w.start-l.Period:
		w.before = used
	}
	return w
}

// left is how much of the window before is still covered, in milliseconds.
func (w *slidingWindow) left() int64 { return w.start + w.l.Period - w.now }

func (w *slidingWindow) Room() int64 {
	return max(0, w.l.Quota-w.used-partUp(w.before, w.left(), w.l.Period))
}

func (w *slidingWindow) Take(cost int64) { w.used += min(cost, w.Room()) }

func (w *slidingWindow) Give(cost int64) { w.used -= min(cost, w.used) }

func (w *slidingWindow) Wait(cost int64) (int64, bool) {
	if cost > w.l.Quota {
		return 0, false
	}
	if cost <= w.Room() {
		return 0, true
	}
	// 1. In this window: before×left/Period may be what cost and used leave of the quota.
	if spare := w.l.Quota - w.used - cost; spare >= 0 {
		return w.left() - part(w.l.Period, spare, w.before), true
	}
	// 2. In the next: used takes the place of before.
	return w.left() + w.l.Period - part(w.l.Period, w.l.Quota-cost, w.used), true
}

func (w *slidingWindow) Full() int64 {
	switch {
	case w.used > 0:
		return w.start + 2*w.l.Period
	case w.before > 0:
		return w.start + w.l.Period
	}
	return w.now
}

func (w *slidingWindow) Append(to []byte) []byte {
	return appendNumbers(append(to, byte(SlidingWindow)), w.start, w.used, w.before)
}
