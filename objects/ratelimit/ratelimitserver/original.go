package ratelimitserver

import (
	"context"
	"math"

	"durago.example/objects/ratelimit"
	"durago.example/objects/ratelimit/ratelimitserver/algorithm"
)

// standard reads a key under the rule of the original's methods.
func (s *Server) standard(key string, cost float64, now int64) ([]row, error) {
	if !(cost >= 0) {
		return nil, refuse(ratelimit.InvalidCost, "cost must be a number of at least 0, got %v", cost)
	}
	units := int64(math.Min(cost, algorithm.MaxQuota+1)) // more than that is never there
	if float64(units) != cost && cost < algorithm.MaxQuota {
		return nil, refuse(ratelimit.InvalidCost, "cost must be a whole number, got %v", cost)
	}
	rows, err := s.open([]ratelimit.Descriptor{{Rule: ratelimit.DefaultRule, Key: key}}, 0, now)
	if err == nil {
		rows[0].cost = units
	}
	return rows, err
}

// Check tells whether Consume would succeed, and takes nothing.
func (s *Server) Check(_ context.Context, key string, cost float64) (bool, error) {
	now := s.now()
	rows, err := s.standard(key, cost, now)
	return err == nil && (cost == 0 || decide(rows, now).reason == ""), err
}

// Consume takes cost tokens and returns true, or takes none and returns false.
func (s *Server) Consume(ctx context.Context, key string, cost float64) (bool, error) {
	_, v, err := s.consume(ctx, key, cost, s.now())
	return err == nil && v.reason == "", err
}

// consume takes from a key unless the verdict has a reason not to. Nothing is always there.
func (s *Server) consume(ctx context.Context, key string, cost float64, now int64) (rows []row, v verdict, err error) {
	rows, err = s.standard(key, cost, now)
	if err != nil || cost == 0 {
		return rows, v, err
	}
	if v = decide(rows, now); v.reason != "" {
		return rows, v, nil
	}
	lease := int64(0)
	if holds(rows) {
		lease = s.newLease(now)
	}
	take(rows, lease)
	return rows, v, s.save(ctx, rows, now)
}

// GetStatus is the state of a key: of the limit that has least left, if there are several.
func (s *Server) GetStatus(_ context.Context, key string) (ratelimit.Status, error) {
	rows, err := s.standard(key, 0, s.now())
	if err != nil {
		return ratelimit.Status{}, err
	}
	return rows[0].status(), nil
}

func (r *row) status() (out ratelimit.Status) {
	for i := range r.meters {
		remaining, reset := r.left(i)
		if i == 0 || float64(remaining) < out.Remaining {
			out = ratelimit.Status{Remaining: float64(remaining), Limit: float64(r.rule.limits[i].Capacity()), ResetInMS: float64(reset)}
		}
	}
	return out
}

// Reset fills a key up.
func (s *Server) Reset(ctx context.Context, key string) error {
	_, err := s.Clear(ctx, ratelimit.Request{Descriptors: []ratelimit.Descriptor{{Rule: ratelimit.DefaultRule, Key: key}}})
	return err
}

// SetOptions changes what is given of the bucket under the rule "default"; the rest stays. If that rule has become
// another, it is a bucket again.
func (s *Server) SetOptions(_ context.Context, o ratelimit.Options) error {
	r := s.rules[ratelimit.DefaultRule]
	was := r.limits[0]
	if len(r.limits) != 1 || was.Kind != algorithm.TokenBucket || was.Quota != 1 {
		was = bucket(10, 10_000)
	}
	is := bucket(was.Burst, was.Period)
	if o.MaxTokens != nil {
		if !(*o.MaxTokens >= 0) {
			return refuse(ratelimit.InvalidRule, "max_tokens must be a number of at least 0, got %v", *o.MaxTokens)
		}
		if *o.MaxTokens > algorithm.MaxQuota || *o.MaxTokens != math.Trunc(*o.MaxTokens) {
			return refuse(ratelimit.InvalidRule, "max_tokens must be a whole number of at most %d, got %v", int64(algorithm.MaxQuota), *o.MaxTokens)
		}
		is.Burst = int64(*o.MaxTokens)
	}
	if o.RefillEverySeconds != nil {
		ms := math.Round(*o.RefillEverySeconds * 1000)
		if !(*o.RefillEverySeconds > 0) {
			return refuse(ratelimit.InvalidRule, "refill_every_seconds must be a number above 0, got %v", *o.RefillEverySeconds)
		}
		if ms < 1 || ms > algorithm.MaxPeriod {
			return refuse(ratelimit.InvalidRule, "refill_every_seconds must be between 0.001 and %d, got %v", int64(algorithm.MaxPeriod/1000), *o.RefillEverySeconds)
		}
		is.Period = int64(ms)
	}
	if len(r.limits) == 1 && r.limits[0].Limit == is.Limit {
		return nil // callers set it before each request
	}
	changed, err := newRule(ratelimit.DefaultRule, []limit{is}, 0, 0)
	if err != nil {
		return err
	}
	if err := s.table.putRule(changed); err != nil {
		return err
	}
	s.rules[changed.name] = changed
	return nil
}
