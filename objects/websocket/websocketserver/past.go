package websocketserver

import (
	"context"
	"fmt"
	"slices"

	"durago.example/objects/websocket"
)

// maxScan bounds how many messages of the log are looked at for a page.
const maxScan = 2000

// pastPage is a page of the log.
type pastPage struct {
	list []entry
	seq  int64 // the newest
	more bool
	next int64
	gap  *websocket.Gap
}

// readPast reads a page, of what is for a session, or, if that is nil, of what is for everybody.
func (s *Server) readPast(ctx context.Context, q websocket.HistoryOptions, to *Session) (p pastPage, err error) {
	if s.log == nil {
		return p, refused(websocket.NoLog, "this room keeps no log: set Config.Recovery")
	}
	for _, n := range []int64{q.Before, q.Limit} {
		if n < 0 || n > websocket.MaxNumber {
			return p, refused(websocket.InvalidQuery, "before and limit are whole numbers from 0 on, got %d", n)
		}
	}
	if q.After != nil && (*q.After < 0 || *q.After > websocket.MaxNumber) {
		return p, refused(websocket.InvalidQuery, "after is a whole number from 0 on, got %d", *q.After)
	}
	if len(q.Events) > websocket.MaxEvents {
		return p, refused(websocket.InvalidQuery, "events are up to %d names, got %d", websocket.MaxEvents, len(q.Events))
	}
	s.flush(ctx)
	if err := s.log.load(); err != nil {
		return p, fmt.Errorf("websocketserver: history: %w", err)
	}
	if q.Limit == 0 || q.Limit > websocket.MaxHistory {
		q.Limit = websocket.MaxHistory
	}
	is := s.log.is
	p.seq = is.Head
	after, before := int64(0), is.Head+1
	if q.Before > 0 {
		before = min(q.Before, before)
	}
	if q.After != nil {
		after = *q.After
		if last := min(is.First, before) - 1; after < last {
			p.gap = &websocket.Gap{From: after + 1, To: last}
		}
	}
	p.next = after
	if q.After == nil {
		p.next = before
	}
	logged, bytes, seen := false, 0, 0
	for e, err := range s.log.between(after, before, q.After == nil) {
		if err != nil {
			return p, fmt.Errorf("websocketserver: history: %w", err)
		}
		mine := e.matches(q.Events)
		if to == nil {
			mine = mine && e.only == ""
		} else {
			mine = mine && s.visible(ctx, &e.post, to, &logged)
		}
		if mine {
			bytes += len(e.text)
		}
		if mine && (int64(len(p.list)) >= q.Limit || bytes > maxHistoryBytes && len(p.list) > 0) || seen == maxScan {
			p.more = true
			break
		}
		seen++
		p.next = e.seq
		if mine {
			p.list = append(p.list, e)
		}
	}
	if q.After == nil {
		slices.Reverse(p.list)
		if last := min(is.First, before) - 1; !p.more && last > 0 && int64(len(p.list)) < q.Limit {
			p.gap = &websocket.Gap{From: 1, To: last}
		}
	}
	return p, nil
}

func (s *Server) readHistory(ctx context.Context, o *websocket.HistoryOptions) (page websocket.HistoryPage, err error) {
	if o == nil {
		o = &websocket.HistoryOptions{}
	}
	p, err := s.readPast(ctx, *o, nil)
	if err != nil {
		return page, err
	}
	page = websocket.HistoryPage{Messages: []map[string]any{}, Seq: p.seq, More: p.more, Next: p.next, Gap: p.gap}
	for _, e := range p.list {
		m, err := websocket.ParseMessage(numbered(e.text, e.seq))
		var fields map[string]any
		if err == nil {
			err = m.Decode(&fields)
		}
		if err != nil {
			return page, fmt.Errorf("websocketserver: history: message %d: %w", e.seq, err)
		}
		page.Messages = append(page.Messages, fields)
	}
	return page, nil
}
