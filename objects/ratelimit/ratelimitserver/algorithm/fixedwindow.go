package algorithm

// window counts what was used since start.
type window struct {
	l           Limit
	now         int64
	start, used int64
}

func newWindow(l Limit, now int64) *window { return &window{l, now, now - now%l.Period, 0} }

func readWindow(l Limit, r *reader, now int64) Meter {
	start, used := r.number(), r.number()
	if l.Kind != FixedWindow {
		return nil
	}
	w := newWindow(l, now)
	if start >= w.start { // later: the clock was set back, or windows are longer now
		w.used = used
	}
	return w
}

func (w *window) Room() int64 { return max(0, w.l.Quota-w.used) }

func (w *window) Take(cost int64) { w.used += min(cost, w.Room()) }

func (w *window) Give(cost int64) { w.used -= min(cost, w.used) }

func (w *window) Wait(cost int64) (int64, bool) {
	switch {
	case cost > w.l.Quota:
		return 0, false
	case cost <= w.Room():
		return 0, true
	}
	return w.start + w.l.Period - w.now, true
}

func (w *window) Full() int64 {
	if w.used == 0 {
		return w.now
	}
	return w.start + w.l.Period
}

func (w *window) Append(to []byte) []byte {
	return appendNumbers(append(to, byte(FixedWindow)), w.start, w.used)
}
