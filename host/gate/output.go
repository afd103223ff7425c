package gate

// Output is an object's output gate. The zero value is open.
type Output struct {
	taken   uint64 // holds so far
	holds   []*Hold
	waiting []passage
	broken  error
	busy    bool
}

// passage is something that waits for the first n holds.
type passage struct {
	n uint64
	f func(error)
}

// Hold keeps shut what comes after it.
type Hold struct {
	g      *Output
	n      uint64
	done   bool
	failed error
}

// Hold shuts the gate for what comes after, until it is released.
func (g *Output) Hold() *Hold {
	g.taken++
	h := &Hold{g: g, n: g.taken}
	g.holds = append(g.holds, h)
	return h
}

// Release opens the gate for what waits for this hold and those before it. With an error the gate is broken: what waits
// behind this hold gets the error when its turn comes, and so does all that comes later; what came before the hold still
// passes. A second call does nothing.
func (h *Hold) Release(failed error) {
	if h.done {
		return
	}
	h.done, h.failed = true, failed
	h.g.pass()
}

// Wait calls f once all holds so far are released: at once if they are. Calls come in the order of waiting; f gets the
// error of the first hold before it that failed.
func (g *Output) Wait(f func(broken error)) {
	if len(g.holds) == 0 && len(g.waiting) == 0 {
		f(g.broken)
		return
	}
	g.waiting = append(g.waiting, passage{g.taken, f})
	g.pass()
}

// pass drops the holds at the front that are released and lets pass what waited for them.
func (g *Output) pass() {
	if g.busy {
		return
	}
	g.busy = true
	defer func() { g.busy = false }()
	for {
		least := g.taken + 1 // the first hold that is not released
		if len(g.holds) > 0 {
			least = g.holds[0].n
		}
		switch {
		case len(g.waiting) > 0 && g.waiting[0].n < least:
			f := g.waiting[0].f
			g.waiting[0] = passage{}
			g.waiting = g.waiting[1:]
			f(g.broken)
		case len(g.holds) > 0 && g.holds[0].done:
			if g.broken == nil {
				g.broken = g.holds[0].failed
			}
			g.holds[0] = nil
			g.holds = g.holds[1:]
		default:
			if len(g.waiting) == 0 {
				g.waiting = nil
			}
			if len(g.holds) == 0 {
				g.holds = nil
			}
			return
		}
	}
}

// Break fails everything that waits, and all that comes later.
func (g *Output) Break(reason error) {
	if g.broken == nil {
		g.broken = reason
	}
	for _, h := range g.holds {
		h.done = true
	}
	g.pass()
}

// Broken is the error of a hold that failed, also while earlier ones are not released, or nil.
func (g *Output) Broken() error {
	if g.broken != nil {
		return g.broken
	}
	for _, h := range g.holds {
		if h.failed != nil {
			return h.failed
		}
	}
	return nil
}

// Idle tells whether nothing is held and nothing waits.
func (g *Output) Idle() bool { return len(g.holds) == 0 && len(g.waiting) == 0 }
