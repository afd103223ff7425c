package algorithm

import (
	"encoding/binary"
	"errors"
)

// Meter is the state of one limit of one key at one time.
type Meter interface {
	// Room is how many units can be taken now.
	Room() int64
	// Take takes cost units, or as many as there are.
	Take(cost int64)
	// Give gives cost units back, or as many as fit. A window gets back only what it has used itself.
	Give(cost int64)
	// Wait is how long it is until cost units can be taken if nobody else takes any, in milliseconds; ok is false if
	// they never can.
	Wait(cost int64) (ms int64, ok bool)
	// Full is the time from which the state is that of a new key, so that it can be forgotten; now if it is already.
	Full() int64
	// Append adds the state to b; Read reads it.
	Append(b []byte) []byte
}

// Holder is a Meter whose units are held rather than used: that of Concurrency.
type Holder interface {
	Meter
	// Hold takes cost units, or as many as there are, under an id.
	Hold(id, cost int64)
	// Renew has what is held under an id last for another period from now, and tells whether anything is.
	Renew(id int64) bool
	// Release gives back what is held under an id, and tells whether anything was.
	Release(id int64) bool
}

// ErrState is returned by Read for bytes that no Meter wrote.
var ErrState = errors.New("algorithm: malformed state")

// New is the meter of a key that was never used. The limit is valid.
func New(l Limit, now int64) Meter {
	switch l.Kind {
	case TokenBucket:
		return &tokenBucket{l, now, l.Burst, now}
	case GCRA:
		return &gcra{l, now, 0}
	case FixedWindow:
		return newWindow(l, now)
	case Month:
		return newMonth(l, now)
	case SlidingLog:
		return &slidingLog{l: l, now: now}
	case SlidingWindow:
		return newSlidingWindow(l, now)
	}
	return &leases{l: l, now: now}
}

// Read reads what Append wrote, for a limit that may have changed since, and brings it to now; rest is what follows. A
// state of another algorithm is forgotten. The bytes stay as they are, and have to for as long as m is used.
func Read(l Limit, b []byte, now int64) (m Meter, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, ErrState
	}
	r, k := &reader{b: b[1:]}, Kind(b[0])
	switch k {
	case TokenBucket:
		m = readTokenBucket(l, r, now)
	case GCRA:
		m = readGCRA(l, r, now)
	case FixedWindow:
		m = readWindow(l, r, now)
	case Month:
		m = readMonth(l, r, now)
	case SlidingLog:
		m = readLog(l, r, now)
	case SlidingWindow:
		m = readSlidingWindow(l, r, now)
	case Concurrency, batched:
		m = readLeases(l, r, now, k)
		k = Concurrency
	default:
		return nil, nil, ErrState
	}
	if r.bad {
		return nil, nil, ErrState
	}
	if k != l.Kind {
		m = New(l, now)
	}
	return m, r.b, nil
}

// reader reads numbers between 0 and 2^62.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) number() int64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || n > 1<<62 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return int64(n)
}

// bytes are the next n.
func (r *reader) bytes(n int64) []byte {
	if n > int64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func appendNumbers(b []byte, numbers ...int64) []byte {
	for _, n := range numbers {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}
