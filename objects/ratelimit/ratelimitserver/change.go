package ratelimitserver

import (
	"context"
	"strconv"

	"durago.example/objects/ratelimit"
	"durago.example/objects/ratelimit/ratelimitserver/algorithm"
)

// change does something to all rows of a request and writes them.
func (s *Server) change(ctx context.Context, q ratelimit.Request, do func(r *row, now int64)) (d ratelimit.Decision, err error) {
	now := s.now()
	rows, err := s.open(q.Descriptors, q.Cost, now)
	if err != nil {
		return d, err
	}
	for i := range rows {
		do(&rows[i], now)
		rows[i].cost = 0 // what the answer is about: whether anything at all would pass
	}
	return answer(rows, decide(rows, now)), s.save(ctx, rows, now)
}

// Refund gives back what was used. What is held is released instead.
func (s *Server) Refund(ctx context.Context, q ratelimit.Request) (ratelimit.Decision, error) {
	return s.change(ctx, q, func(r *row, _ int64) {
		for _, m := range r.meters {
			if _, holds := m.(algorithm.Holder); !holds {
				m.Give(r.cost)
			}
		}
	})
}

// Penalize takes what there is, up to the cost, and locks out. A penalty never shortens an earlier one.
func (s *Server) Penalize(ctx context.Context, q ratelimit.Request) (d ratelimit.Decision, err error) {
	if q.LockMS < 0 || q.LockMS > algorithm.MaxPeriod {
		return d, badLock(q.LockMS)
	}
	return s.change(ctx, q, func(r *row, now int64) {
		for _, m := range r.meters {
			m.Take(r.cost)
		}
		if q.LockMS > 0 {
			r.locked = max(r.locked, now+q.LockMS)
		}
	})
}

// Deny puts keys on the deny list, or takes them off.
func (s *Server) Deny(ctx context.Context, q ratelimit.Request) (d ratelimit.Decision, err error) {
	if q.LockMS > algorithm.MaxPeriod {
		return d, badLock(q.LockMS)
	}
	return s.change(ctx, q, func(r *row, now int64) {
		switch {
		case q.LockMS < 0:
			r.denied = algorithm.MaxTime
		case q.LockMS == 0:
			r.denied = 0
		default:
			r.denied = now + q.LockMS
		}
	})
}

func badLock(ms int64) error {
	return refuse(ratelimit.InvalidRequest, "lock_ms must be between 0 and %d, got %d", int64(algorithm.MaxPeriod), ms)
}

// Clear makes keys as new.
func (s *Server) Clear(ctx context.Context, q ratelimit.Request) (ratelimit.Decision, error) {
	return s.change(ctx, q, func(r *row, now int64) { r.clear(now) })
}

// Renew has a lease last for another period.
func (s *Server) Renew(ctx context.Context, q ratelimit.Request) (ratelimit.Decision, error) {
	return s.lease(ctx, q, algorithm.Holder.Renew)
}

// Release ends a lease.
func (s *Server) Release(ctx context.Context, q ratelimit.Request) (ratelimit.Decision, error) {
	return s.lease(ctx, q, algorithm.Holder.Release)
}

// lease does something to what is held under a lease; it is allowed if anything was.
func (s *Server) lease(ctx context.Context, q ratelimit.Request, do func(h algorithm.Holder, id int64) bool) (d ratelimit.Decision, err error) {
	id, err := strconv.ParseInt(q.Lease, 36, 64)
	if err != nil || id < 1 || id > 1<<53 {
		return d, refuse(ratelimit.InvalidRequest, "%.80q is no lease: pass what take returned", q.Lease)
	}
	now := s.now()
	rows, err := s.open(q.Descriptors, 0, now)
	if err != nil {
		return d, err
	}
	found := false
	for i := range rows {
		rows[i].cost = 0
		for _, m := range rows[i].meters {
			if h, holds := m.(algorithm.Holder); holds && do(h, id) {
				found = true
			}
		}
	}
	d = answer(rows, verdict{})
	d.Allowed = found
	if !found {
		return d, nil
	}
	return d, s.save(ctx, rows, now)
}
