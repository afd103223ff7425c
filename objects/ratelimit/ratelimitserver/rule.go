package ratelimitserver

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"durago.example/objects"
	"durago.example/objects/ratelimit"
	"durago.example/objects/ratelimit/ratelimitserver/algorithm"
)

// Bounds of rules.
const (
	maxRules  = 64
	maxLimits = 8
	maxName   = 64 // bytes
)

// limit is one of a rule.
type limit struct {
	algorithm.Limit
	name   string
	unit   string
	shadow bool
}

// rule is a ratelimit.Rule that is valid. loan, if it has a quota, bounds what is lent: half of what may be out at a time
// in each window as long as a loan lasts, so that of the two windows that a moment's loans can be from there is never
// more than the whole.
type rule struct {
	name   string
	limits []limit
	loan   algorithm.Limit
}

// refuse is an error with a code; it arrives in JavaScript as a RangeError.
func refuse(code, format string, args ...any) error {
	return &objects.Error{Name: "RangeError", Message: fmt.Sprintf(format, args...), Props: map[string]any{"code": code}}
}

var kinds = map[string]algorithm.Kind{
	ratelimit.TokenBucket: algorithm.TokenBucket, ratelimit.GCRA: algorithm.GCRA, ratelimit.FixedWindow: algorithm.FixedWindow,
	ratelimit.Month: algorithm.Month, ratelimit.SlidingLog: algorithm.SlidingLog, ratelimit.SlidingWindow: algorithm.SlidingWindow,
	ratelimit.Concurrency: algorithm.Concurrency,
}

const concurrent = "concurrent-requests"

// bucket is the original's limit: one token back each interval, in milliseconds.
func bucket(tokens, interval int64) limit {
	return limit{Limit: algorithm.Limit{Kind: algorithm.TokenBucket, Quota: 1, Period: interval, Burst: tokens}}
}

// compile is the rule that a caller means.
func compile(r ratelimit.Rule) (*rule, error) {
	limits := make([]limit, len(r.Limits))
	for i, g := range r.Limits {
		l := limit{algorithm.Limit{Kind: kinds[g.Algorithm], Quota: g.Quota, Period: g.PeriodMS, Burst: g.Burst}, g.Name, g.Unit, g.Shadow}
		if (l.Kind == algorithm.TokenBucket || l.Kind == algorithm.GCRA) && l.Burst == 0 {
			l.Burst = l.Quota
		}
		switch {
		case l.Kind == 0:
			return nil, refuse(ratelimit.InvalidRule, "rule %s: there is no algorithm %q", r.Name, g.Algorithm)
		case l.Kind == algorithm.Concurrency && (l.unit == "" || l.unit == concurrent):
			l.unit = concurrent
		case l.unit == "requests":
			l.unit = ""
		case l.unit != "" && l.unit != "content-bytes" || l.Kind == algorithm.Concurrency:
			return nil, refuse(ratelimit.InvalidRule, "rule %s: %s cannot count %q", r.Name, g.Algorithm, g.Unit)
		}
		limits[i] = l
	}
	if r.Loan > 0 && r.LoanMS == 0 {
		r.LoanMS = 10_000
	}
	return newRule(r.Name, limits, r.Loan, r.LoanMS)
}

// newRule checks what it is given, and names the limits that have no name.
func newRule(name string, limits []limit, loan, loanMS int64) (*rule, error) {
	bad := func(format string, args ...any) (*rule, error) {
		return nil, refuse(ratelimit.InvalidRule, "rule "+name+": "+format, args...)
	}
	if !validName(name) {
		return nil, refuse(ratelimit.InvalidRule, "the name of a rule must be 1 to %d letters, digits, -, _ and ., got %.80q", maxName, name)
	}
	if len(limits) > maxLimits {
		return bad("at most %d limits, got %d", maxLimits, len(limits))
	}
	taken := map[string]bool{}
	for i := range limits {
		l := &limits[i]
		if err := l.Validate(); err != nil {
			return bad("%v", err)
		}
		if l.name == "" {
			l.name = name
			if i > 0 {
				l.name += "-" + strconv.Itoa(i+1)
			}
		}
		if !validName(l.name) || taken[l.name] {
			return bad("the name of a limit must be 1 to %d letters, digits, -, _ and . that no other has, got %.80q", maxName, l.name)
		}
		taken[l.name] = true
		if loan != 0 && l.Kind == algorithm.Concurrency {
			return bad("what is held cannot be lent: leave out loan or the limit %s", l.name)
		}
	}
	r := &rule{name: name, limits: limits}
	if loan != 0 || loanMS != 0 {
		r.loan = algorithm.Limit{Kind: algorithm.FixedWindow, Quota: loan / 2, Period: loanMS}
		if err := r.loan.Validate(); err != nil || loan < 2 {
			return bad("loan must be at least 2 units, and loan_ms between 1 and 10^12, got %d and %d", loan, loanMS)
		}
	}
	return r, nil
}

func validName(name string) bool {
	return name != "" && len(name) <= maxName && !strings.ContainsFunc(name, func(c rune) bool {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		return !letter && c != '-' && c != '_' && c != '.'
	})
}

// append encodes a rule but for its name.
func (r *rule) append(b []byte) []byte {
	b = append(b, byte(len(r.limits)))
	for i := range r.limits {
		l := &r.limits[i]
		b = append(b, byte(l.Kind), flags(l.shadow))
		b = appendNumbers(b, l.Quota, l.Period, l.Burst, int64(len(l.name)))
		b = appendNumbers(append(b, l.name...), int64(len(l.unit)))
		b = append(b, l.unit...)
	}
	return appendNumbers(b, r.loan.Quota, r.loan.Period)
}

// rule reads what append wrote.
func (d *decoder) rule(name string) *rule {
	r := &rule{name: name, limits: make([]limit, min(d.byte(), maxLimits))}
	for i := range r.limits {
		l := &r.limits[i]
		l.Kind, l.shadow = algorithm.Kind(d.byte()), d.byte() != 0
		l.Quota, l.Period, l.Burst = d.number(), d.number(), d.number()
		l.name, l.unit = d.text(), d.text()
		d.bad = d.bad || l.Validate() != nil
	}
	r.loan = algorithm.Limit{Kind: algorithm.FixedWindow, Quota: d.number(), Period: d.number()}
	d.bad = d.bad || r.loan.Quota > 0 && r.loan.Validate() != nil
	return r
}

// SetRule makes, replaces or ends a rule, or a key's own.
func (s *Server) SetRule(ctx context.Context, given ratelimit.Rule) error {
	r, err := compile(given)
	if err != nil {
		return err
	}
	if given.Key != "" {
		return s.setOwn(ctx, r, given.Key)
	}
	if len(r.limits) == 0 {
		if err := s.table.deleteRule(r.name); err != nil {
			return err
		}
		delete(s.rules, r.name)
		if c := s.config[r.name]; c != nil {
			s.rules[r.name] = c
		}
		return nil
	}
	if s.rules[r.name] == nil && len(s.rules) >= maxRules {
		return refuse(ratelimit.InvalidRule, "an object has at most %d rules: end one before adding %s", maxRules, r.name)
	}
	if err := s.table.putRule(r); err != nil {
		return err
	}
	s.rules[r.name] = r
	return nil
}

// setOwn gives a key a rule of its own, or ends that if r has no limits.
func (s *Server) setOwn(ctx context.Context, r *rule, key string) error {
	now := s.now()
	rows, err := s.open([]ratelimit.Descriptor{{Rule: r.name, Key: key}}, 0, now)
	if err != nil {
		return err
	}
	rows[0].own = r
	if len(r.limits) == 0 {
		rows[0].own = nil
	}
	return s.save(ctx, rows, now)
}
