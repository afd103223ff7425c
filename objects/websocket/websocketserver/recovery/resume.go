package recovery

// Log says what a room's log holds: the messages from First to Head. First is Head+1 if it holds none.
type Log struct{ First, Head int64 }

// Gap is a run of messages, both ends included, that cannot be sent again.
type Gap struct{ From, To int64 }

// Resume is what a client needs that has seen everything up to last: the messages after the result, and a report of the
// gap, if ok. A last that no message of this log can have had is the client's mistake: it gets nothing.
func (l Log) Resume(last int64) (after int64, gap Gap, ok bool) {
	if last >= l.Head {
		return l.Head, Gap{}, false
	}
	if last+1 < l.First {
		return l.First - 1, Gap{last + 1, l.First - 1}, true
	}
	return last, Gap{}, false
}

// Lost is the gap of a client that cannot resume, if it has seen anything.
func (l Log) Lost(last int64) (gap Gap, ok bool) {
	return Gap{last + 1, l.Head}, last > 0 && last < l.Head
}

// Verdict is about a numbered message.
type Verdict int

// Verdicts.
const (
	New   Verdict = iota // handle it, and remember its number with what the handler writes
	Again                // it was handled: acknowledge it
	Ahead                // one before it has not arrived: refuse it
)

// Judge compares a message's number with that of the last that was handled.
func Judge(handled, n int64) Verdict {
	switch {
	case n <= handled:
		return Again
	case n == handled+1:
		return New
	}
	return Ahead
}
