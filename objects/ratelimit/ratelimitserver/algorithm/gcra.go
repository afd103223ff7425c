package algorithm

// gcra is the generic cell rate algorithm of ITU-T I.371 in its form as a leaky bucket: debt is what was taken and has
// not leaked yet. A unit weighs Period and Quota leaks each millisecond, so that both are whole numbers. The
// theoretical arrival time of the other form is now + debt/Quota.
type gcra struct {
	l    Limit
	now  int64
	debt int64 // units × milliseconds
}

func readGCRA(l Limit, r *reader, now int64) Meter {
	at, debt, period := r.number(), r.number(), r.number()
	g := &gcra{l, now, 0}
	if l.Kind != GCRA || period == 0 {
		r.bad = r.bad || period == 0
		return g
	}
	if period != l.Period { // the limit has changed: a unit weighs something else
		debt = min(ceil(debt, period), l.Burst) * l.Period
	}
	g.debt = min(debt, l.Burst*l.Period)
	elapsed := max(0, now-at)
	if elapsed >= ceil(g.debt, l.Quota) {
		g.debt = 0
	} else {
		g.debt -= elapsed * l.Quota
	}
	return g
}

func (g *gcra) Room() int64 { return (g.l.Burst*g.l.Period - g.debt) / g.l.Period }

func (g *gcra) Take(cost int64) { g.debt += min(cost, g.Room()) * g.l.Period }

func (g *gcra) Give(cost int64) { g.debt -= min(g.debt, min(cost, g.l.Burst)*g.l.Period) }

func (g *gcra) Wait(cost int64) (int64, bool) {
	if cost > g.l.Burst {
		return 0, false
	}
	return min(MaxTime, ceil(max(0, g.debt-(g.l.Burst-cost)*g.l.Period), g.l.Quota)), true
}

func (g *gcra) Full() int64 { return min(MaxTime, g.now+ceil(g.debt, g.l.Quota)) }

func (g *gcra) Append(to []byte) []byte {
	return appendNumbers(append(to, byte(GCRA)), g.now, g.debt, g.l.Period)
}
