// Package algorithm has the rules by which a limiter counts, each as arithmetic on whole numbers: a token bucket, GCRA,
// a fixed window, a calendar month, a sliding window as a log and as two counters, and leases.
//
// A Meter is the state of one limit of one key, brought to a point in time. It is read from bytes, asked, changed, and
// written back:
//
//	m, rest, err := algorithm.Read(limit, row, now)
//	if cost <= m.Room() {
//		m.Take(cost)
//	}
//	row = m.Append(row[:0])
//
// # Numbers
//
// Times are milliseconds since 1970, periods are milliseconds, and everything else counts units. All are int64 between
// 0 and the bounds that Limit.Validate holds, which are such that no product overflows; what a day is short of a whole
// unit is kept as a remainder, so that nothing drifts. A wait that would be longer than MaxTime is MaxTime.
//
// # Clocks
//
// A time that was written and is later than now says that the clock was set back. It is taken for now: a window begins
// again with what was used in it, an interval of a bucket starts over. So a step back never gives units, and costs at
// most one period.
//
// The package knows neither keys nor storage nor the clock, and keeps nothing. A Meter belongs to one goroutine.
package algorithm
