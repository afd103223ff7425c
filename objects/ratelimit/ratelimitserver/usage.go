package ratelimitserver

import (
	"context"
	"time"

	"durago.example/objects"
	"durago.example/objects/ratelimit"
	"durago.example/objects/ratelimit/ratelimitserver/algorithm"
)

const usagePage = 1000 // rows

// GetUsage reads a page of keys in the order of their ids, and takes out what their months have counted.
func (s *Server) GetUsage(_ context.Context, q ratelimit.UsageQuery) (page ratelimit.UsagePage, err error) {
	known := s.rules[q.Rule]
	if known == nil {
		return page, refuse(ratelimit.UnknownRule, "there is no rule %.80q", q.Rule)
	}
	if q.Limit <= 0 || q.Limit > usagePage {
		q.Limit = usagePage
	}
	now, prefix, seen := s.now(), q.Rule+"/", 0
	// A slash is followed by 0, so that this range is that of the prefix.
	for cells, err := range objects.Query[[]any](s.table.sql, `SELECT id, state FROM ratelimit_keys WHERE id > ? AND id < ? ORDER BY id LIMIT ?`,
		prefix+q.After, q.Rule+"0", q.Limit) {
		if err != nil {
			return page, err
		}
		id, _ := cells[0].(string)
		state, _ := cells[1].([]byte)
		r := &row{id: id, key: id[len(prefix):], rule: known}
		if err := r.read(state, now); err != nil {
			return page, err
		}
		page.Usage = r.usage(page.Usage)
		if seen++; seen == q.Limit {
			page.Next = r.key
		}
	}
	return page, nil
}

func (r *row) usage(list []ratelimit.Usage) []ratelimit.Usage {
	for i, m := range r.meters {
		u, ok := m.(algorithm.Used)
		if !ok || r.rule.limits[i].Kind != algorithm.Month {
			continue
		}
		start, used, _, before := u.Used()
		if used > 0 || before > 0 {
			list = append(list, ratelimit.Usage{Key: r.key, Name: r.rule.limits[i].name, Quota: r.rule.limits[i].Quota,
				Month: time.UnixMilli(start).UTC().Format("2006-01"), Used: used, Before: before})
		}
	}
	return list
}
