package ratelimit

import (
	"context"
	"sync"
	"time"

	"durago.example/objects"
)

// Allowance is what a front has borrowed from objects: units that were counted there when they were lent, and are spent
// here without a call. A hot key then costs one call for each Units requests.
//
// # How exact it is
//
// In any stretch of time, all fronts together spend at most what the rule allows in that stretch, and Rule.Loan units
// more: those that were lent before it began and not spent yet. The object sees to it that there are never more of
// those, however many fronts there are, and a loan that is not spent within Rule.LoanMS is void. So a fixed window of
// 1,000 with a Loan of 100 lets at most 1,100 pass, and a bucket is at most 100 ahead.
//
// A front learns of a lock-out, a denial or a changed rule with its next call, at most LoanMS later.
//
// On the other side, what a front borrows and does not spend, because its requests end or it is evicted, is lost: at
// most Rule.Loan units in each LoanMS. A front's clock may differ from the object's; its speed may not.
//
// The zero value borrows nothing. It keeps as many loans as it may have keys, and decides exactly for others. An
// Allowance may be used from any goroutine; none waits for another.
type Allowance struct {
	Units int64 // to borrow at a time
	Keys  int   // most loans kept; default 1,024

	mu    sync.Mutex
	loans map[string]*loan
}

type loan struct {
	left  int64
	until time.Time
	d     Decision // with which it came
}

// Take is Take of the object behind to, which q's key belongs to, from what is borrowed if that is enough. Requests of
// several descriptors or with a Loan of their own are passed on as they are.
func (a *Allowance) Take(ctx context.Context, to objects.Caller, q Request) (Decision, error) {
	if a.Units <= 0 || len(q.Descriptors) != 1 || q.Loan != 0 || q.Cost < 1 || q.Descriptors[0].Cost != nil {
		return Take.Call(ctx, to, q)
	}
	key := q.Descriptors[0].Rule + "/" + q.Descriptors[0].Key
	asked := time.Now() // before the object's clock reads the loan's beginning, so that it ends no later here
	d, ok, room := a.spend(key, q.Cost, asked)
	if ok {
		return d, nil
	}
	if room {
		q.Loan = a.Units
	}
	d, err := Take.Call(ctx, to, q)
	if err == nil && d.Loan > 0 {
		a.keep(key, d, asked)
	}
	return d, err
}

// spend takes cost from a loan; room tells whether another can be kept.
func (a *Allowance) spend(key string, cost int64, now time.Time) (d Decision, ok, room bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.loans[key]
	if l != nil && !now.Before(l.until) {
		delete(a.loans, key)
		l = nil
	}
	if l == nil {
		return d, false, a.free(now)
	}
	if l.left < cost {
		return d, false, true
	}
	l.left -= cost
	d = l.d
	d.Limits = append([]LimitStatus(nil), l.d.Limits...)
	for i := range d.Limits {
		d.Limits[i].Remaining += l.left // what is left here is the caller's too
	}
	return d, true, true
}

// free tells whether there is room for one more loan.
func (a *Allowance) free(now time.Time) bool {
	most := a.Keys
	if most == 0 {
		most = 1024
	}
	if len(a.loans) < most {
		return true
	}
	for key, l := range a.loans {
		if !now.Before(l.until) {
			delete(a.loans, key)
		}
	}
	return len(a.loans) < most
}

// keep adds a loan to what is there. The sum lasts as long as the shorter of the two.
func (a *Allowance) keep(key string, d Decision, asked time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, l := time.Now(), &loan{d.Loan, asked.Add(time.Duration(d.LoanMS) * time.Millisecond), d}
	if !now.Before(l.until) || a.loans[key] == nil && !a.free(now) {
		return
	}
	if old := a.loans[key]; old != nil && now.Before(old.until) {
		l.left += old.left
		if old.until.Before(l.until) {
			l.until = old.until
		}
	}
	l.d.Loan, l.d.LoanMS = 0, 0
	if a.loans == nil {
		a.loans = map[string]*loan{}
	}
	a.loans[key] = l
}
