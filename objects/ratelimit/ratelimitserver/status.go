package ratelimitserver

import "durago.example/objects/ratelimit"

// answer is what a caller is told of rows before anything is taken from them.
func answer(rows []row, v verdict) ratelimit.Decision {
	n := 0
	for i := range rows {
		n += len(rows[i].meters)
	}
	d := ratelimit.Decision{Allowed: v.reason == "", Reason: v.reason, RetryInMS: v.retry, Limits: make([]ratelimit.LimitStatus, 0, n)}
	for i := range rows {
		r := &rows[i]
		for j, m := range r.meters {
			l := &r.rule.limits[j]
			d.Limits = append(d.Limits, ratelimit.LimitStatus{Rule: r.rule.name, Key: r.key, Name: l.name, Unit: l.unit,
				Quota: l.Capacity(), WindowMS: l.Window(), Exceeded: r.cost > m.Room(), Shadow: l.shadow})
		}
	}
	show(&d, rows)
	return d
}

// show fills in what is left.
func show(d *ratelimit.Decision, rows []row) {
	n := 0
	for i := range rows {
		for j := range rows[i].meters {
			d.Limits[n].Remaining, d.Limits[n].ResetInMS = rows[i].left(j)
			n++
		}
	}
}

// left is what a limit has left, and in how many ms it has more.
func (r *row) left(i int) (remaining, reset int64) {
	m := r.meters[i]
	remaining = m.Room()
	if remaining < r.rule.limits[i].Capacity() {
		reset, _ = m.Wait(remaining + 1)
	}
	return remaining, reset
}
