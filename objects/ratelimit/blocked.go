package ratelimit

import (
	"sync"
	"time"
)

// blocked remembers refusals until the time that they named, so that a client which does not wait costs no call. What
// is changed at the object meanwhile, by a refund or a reset, is seen after maxBlocked.
type blocked struct {
	mu   sync.Mutex
	most int
	list map[string]refusal
}

type refusal struct {
	until time.Time
	cost  int64
	d     Decision
}

const maxBlocked = 10 * time.Second

// find is the refusal that answers a request of that cost, with what is left of the wait.
func (b *blocked) find(key string, cost int64, now time.Time) (d Decision, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.list[key]
	if !ok || cost < r.cost || !now.Before(r.until) {
		return d, false
	}
	d = r.d
	passed := now.Sub(r.until.Add(-blockedFor(&d))).Milliseconds()
	if d.RetryInMS > 0 {
		d.RetryInMS = max(1, d.RetryInMS-passed)
	}
	d.Limits = append([]LimitStatus(nil), d.Limits...)
	for i := range d.Limits {
		if l := &d.Limits[i]; l.ResetInMS > 0 {
			l.ResetInMS = max(1, l.ResetInMS-passed)
		}
	}
	return d, true
}

// blockedFor is how long a refusal holds.
func blockedFor(d *Decision) time.Duration {
	if d.RetryInMS < 0 {
		return maxBlocked
	}
	return min(maxBlocked, time.Duration(d.RetryInMS)*time.Millisecond)
}

// add remembers a refusal that was asked for at a time. When there is no room, those that are over make some; if none
// are, it is not remembered.
func (b *blocked) add(key string, cost int64, d Decision, asked time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.list == nil {
		b.list = map[string]refusal{}
	}
	if _, known := b.list[key]; !known && len(b.list) >= b.most {
		for k, r := range b.list {
			if !asked.Before(r.until) {
				delete(b.list, k)
			}
		}
		if len(b.list) >= b.most {
			return
		}
	}
	b.list[key] = refusal{asked.Add(blockedFor(&d)), cost, d}
}
