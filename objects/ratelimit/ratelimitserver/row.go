package ratelimitserver

import (
	"encoding/binary"
	"errors"
	"fmt"

	"durago.example/objects/ratelimit/ratelimitserver/algorithm"
)

// row is a key under a rule, as it is in the table: a version, what follows, and the states of its meters.
type row struct {
	id     string // in the table
	key    string
	cost   int64
	fresh  bool  // it is not in the table
	size   int   // of what is in the table, in bytes
	own    *rule // the key's own rule, or nil
	rule   *rule // what it is held to
	denied int64 // until when it is on the deny list; 0 if it is not
	locked int64 // until when a penalty locks it out
	meters []algorithm.Meter
	loan   algorithm.Meter // nil if the rule has no loans
}

const (
	version    = 1
	hasOwn     = 1
	hasDenied  = 2
	hasLocked  = 4
	hasLoan    = 8
	knownFlags = hasOwn | hasDenied | hasLocked | hasLoan
)

var errRow = errors.New("ratelimitserver: a key's row is malformed")

// read fills a row of its rule from b, which is empty for a new key, and brings it to now. An error leaves it unusable.
func (r *row) read(b []byte, now int64) error {
	has := byte(0)
	r.size = len(b)
	d := &decoder{b: b}
	if len(b) > 0 {
		if v := d.byte(); v > version {
			return fmt.Errorf("ratelimitserver: a key's row has version %d, but this program knows %d: deploy the program that wrote it, or a newer one", v, version)
		} else if v != version {
			return errRow
		}
		has = d.byte()
	}
	if has&hasOwn != 0 {
		r.own = d.rule(r.rule.name)
		r.rule = r.own
	}
	if has&hasDenied != 0 {
		r.denied = d.number()
	}
	if has&hasLocked != 0 {
		r.locked = d.number()
	}
	if d.bad || has&^knownFlags != 0 {
		return errRow
	}
	if r.rule.loan.Quota > 0 {
		r.loan = algorithm.New(r.rule.loan, now)
		if has&hasLoan != 0 {
			r.loan = d.meter(r.rule.loan, now)
		}
	} else if has&hasLoan != 0 {
		d.meter(algorithm.Limit{Kind: algorithm.FixedWindow, Period: 1}, now)
	}
	r.meters = make([]algorithm.Meter, len(r.rule.limits))
	for i := range r.meters {
		if len(d.b) == 0 {
			r.meters[i] = algorithm.New(r.rule.limits[i].Limit, now)
		} else {
			r.meters[i] = d.meter(r.rule.limits[i].Limit, now)
		}
	}
	if d.bad {
		return errRow
	}
	return nil
}

func (r *row) append(b []byte) []byte {
	b = append(b, version, flags(r.own != nil, r.denied > 0, r.locked > 0, r.loan != nil))
	if r.own != nil {
		b = r.own.append(b)
	}
	if r.denied > 0 {
		b = appendNumbers(b, r.denied)
	}
	if r.locked > 0 {
		b = appendNumbers(b, r.locked)
	}
	if r.loan != nil {
		b = r.loan.Append(b)
	}
	for _, m := range r.meters {
		b = m.Append(b)
	}
	return b
}

// expires is when the row says nothing any more.
func (r *row) expires(now int64) int64 {
	if r.own != nil {
		return algorithm.MaxTime
	}
	at := max(now, r.denied, r.locked)
	for _, m := range r.meters {
		at = max(at, m.Full())
	}
	if r.loan != nil {
		at = max(at, r.loan.Full())
	}
	return at
}

// clear makes the meters those of a new key, and ends the lock-out.
func (r *row) clear(now int64) {
	r.locked = 0
	for i := range r.meters {
		r.meters[i] = algorithm.New(r.rule.limits[i].Limit, now)
	}
}

// blocked is until when everything is refused, if it is.
func (r *row) blocked() int64 { return max(r.denied, r.locked) }

// flags are the bits of those that are set, the first the lowest.
func flags(set ...bool) (f byte) {
	for i, b := range set {
		if b {
			f |= 1 << i
		}
	}
	return f
}

func appendNumbers(b []byte, numbers ...int64) []byte {
	for _, n := range numbers {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

// decoder reads what rows and rules are stored as. After an error everything is zero.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) number() int64 {
	n, size := binary.Uvarint(d.b)
	if size <= 0 || n > algorithm.MaxTime {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[size:]
	return int64(n)
}

func (d *decoder) text() string {
	n := d.number()
	if n > int64(len(d.b)) {
		d.bad, d.b = true, nil
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

func (d *decoder) meter(l algorithm.Limit, now int64) algorithm.Meter {
	m, rest, err := algorithm.Read(l, d.b, now)
	if err != nil {
		d.bad, d.b = true, nil
		return algorithm.New(l, now)
	}
	d.b = rest
	return m
}
