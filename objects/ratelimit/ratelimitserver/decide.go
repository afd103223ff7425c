package ratelimitserver

import (
	"context"
	"math"
	"strconv"
	"unicode/utf8"

	"durago.example/objects/ratelimit"
	"durago.example/objects/ratelimit/ratelimitserver/algorithm"
)

// Bounds of requests.
const (
	maxDescriptors = 8
	maxKey         = 1024 // bytes
)

// open reads the rows of descriptors. Nothing has been written when it fails.
func (s *Server) open(list []ratelimit.Descriptor, cost, now int64) ([]row, error) {
	if len(list) == 0 || len(list) > maxDescriptors {
		return nil, refuse(ratelimit.InvalidRequest, "a request must have 1 to %d descriptors, got %d", maxDescriptors, len(list))
	}
	rows := make([]row, len(list))
	for i, d := range list {
		r := &rows[i]
		if r.rule = s.rules[d.Rule]; r.rule == nil {
			return nil, refuse(ratelimit.UnknownRule, "there is no rule %.80q: make it with setRule", d.Rule)
		}
		if !validKey(d.Key) {
			return nil, refuse(ratelimit.InvalidKey, "a key must be 1 to %d bytes of UTF-8, got %d bytes: %.80q", maxKey, len(d.Key), d.Key)
		}
		if r.cost = cost; d.Cost != nil {
			r.cost = *d.Cost
		}
		if r.cost < 0 || r.cost > algorithm.MaxQuota {
			return nil, refuse(ratelimit.InvalidCost, "cost must be between 0 and %d, got %d", int64(algorithm.MaxQuota), r.cost)
		}
		r.id, r.key = r.rule.name+"/"+d.Key, d.Key
		for _, other := range rows[:i] {
			if other.id == r.id {
				return nil, refuse(ratelimit.InvalidRequest, "the descriptors of a request must differ, got %.80q twice", r.id)
			}
		}
	}
	return rows, s.table.read(rows, now)
}

func validKey(key string) bool { return key != "" && len(key) <= maxKey && utf8.ValidString(key) }

// save writes rows, and sees to it that they will be purged.
func (s *Server) save(ctx context.Context, rows []row, now int64) error {
	fresh := int64(0)
	for i := range rows {
		if rows[i].fresh {
			fresh++
		}
	}
	if fresh > 0 {
		if err := s.admit(fresh); err != nil {
			return err
		}
	}
	if err := s.table.write(rows, now); err != nil {
		return err
	}
	return s.armPurge(ctx)
}

// verdict is what is decided about rows.
type verdict struct {
	reason string
	retry  int64 // ms; -1 is never
}

// decide tells whether every row has its cost left.
func decide(rows []row, now int64) (v verdict) {
	for i := range rows {
		r := &rows[i]
		if until := r.blocked(); until > now {
			if v.reason = ratelimit.Locked; r.denied > now {
				v.reason = ratelimit.Denied
			}
			v.wait(until-now, until < algorithm.MaxTime)
		}
		for j, m := range r.meters {
			if !r.rule.limits[j].shadow && r.cost > m.Room() {
				if v.reason == "" {
					v.reason = ratelimit.Exceeded
				}
				v.wait(m.Wait(r.cost))
			}
		}
	}
	return v
}

func (v *verdict) wait(ms int64, ever bool) {
	switch {
	case !ever:
		v.retry = -1
	case v.retry >= 0:
		v.retry = max(v.retry, ms)
	}
}

// take takes its cost from every row, what is held under a lease. A shadow that has less takes nothing, as if it had
// refused.
func take(rows []row, lease int64) {
	for i := range rows {
		r := &rows[i]
		for _, m := range r.meters {
			switch h, holds := m.(algorithm.Holder); {
			case r.cost > m.Room():
			case holds:
				h.Hold(lease, r.cost)
			default:
				m.Take(r.cost)
			}
		}
	}
}

// lend takes up to units from every row for a loan, and tells how many, and for how long in ms. Rules without loans lend
// nothing.
func lend(rows []row, units int64) (lent, ms int64) {
	lent, ms = units, math.MaxInt64
	for i := range rows {
		r := &rows[i]
		if r.loan == nil {
			return 0, 0
		}
		lent, ms = min(lent, r.loan.Room()), min(ms, r.rule.loan.Period)
		for j, m := range r.meters {
			if !r.rule.limits[j].shadow {
				lent = min(lent, m.Room())
			}
		}
	}
	if lent <= 0 {
		return 0, 0
	}
	for i := range rows {
		rows[i].loan.Take(lent)
		for _, m := range rows[i].meters {
			m.Take(lent)
		}
	}
	return lent, ms
}

// Take takes from all or from none.
func (s *Server) Take(ctx context.Context, q ratelimit.Request) (d ratelimit.Decision, err error) {
	if q.Loan < 0 || q.Loan > algorithm.MaxQuota {
		return d, refuse(ratelimit.InvalidCost, "loan must be between 0 and %d, got %d", int64(algorithm.MaxQuota), q.Loan)
	}
	now := s.now()
	rows, err := s.open(q.Descriptors, q.Cost, now)
	if err != nil {
		return d, err
	}
	v := decide(rows, now)
	d = answer(rows, v) // what a shadow would have refused shows before anything is taken
	if v.reason != "" {
		return d, nil
	}
	lease := int64(0)
	if holds(rows) {
		lease = s.newLease(now)
		d.Lease = strconv.FormatInt(lease, 36)
	}
	take(rows, lease)
	if q.Loan > 0 {
		d.Loan, d.LoanMS = lend(rows, q.Loan)
	}
	if d.Loan == 0 && free(rows) {
		return d, nil
	}
	show(&d, rows)
	return d, s.save(ctx, rows, now)
}

// Peek tells what Take would.
func (s *Server) Peek(_ context.Context, q ratelimit.Request) (d ratelimit.Decision, err error) {
	now := s.now()
	rows, err := s.open(q.Descriptors, q.Cost, now)
	if err != nil {
		return d, err
	}
	return answer(rows, decide(rows, now)), nil
}

// holds tells whether rows take something that is held.
func holds(rows []row) bool {
	for i := range rows {
		for _, m := range rows[i].meters {
			if _, ok := m.(algorithm.Holder); ok && rows[i].cost > 0 {
				return true
			}
		}
	}
	return false
}

// free tells whether rows take nothing.
func free(rows []row) bool {
	for i := range rows {
		if rows[i].cost > 0 {
			return false
		}
	}
	return true
}
