package ratelimitserver

import (
	"context"
	"errors"
	"time"

	"durago.example/objects"
	"durago.example/objects/alarms"
	"durago.example/objects/ratelimit"
)

// A pass of the purge goes over all rows in the order of their ids, a batch for each alarm: its cost in one turn is
// bounded, whatever the number of keys, and no decision pays for an index by expiry.
const (
	purgeAlarm = "ratelimit-purge"
	batchRows  = 512
	batchPause = 50 * time.Millisecond
	reserve    = 256 // keys that are counted ahead, so that one write serves that many
)

// purge is where a pass is, and the count of keys, which the object keeps to bound them. keys is counted up as rows are
// made, and set right at the end of a pass that this instance of the object has seen from its beginning.
type purge struct {
	last  string
	seen  int64 // rows of this pass that stayed
	keys  int64 // at least as many as there are
	added int64 // of keys, since the pass began
	ahead int64 // up to where keys are counted in the table
	whole bool  // this instance has seen the pass begin
	armed bool  // the alarm is set
}

func (t table) loadPurge() (p purge, err error) {
	cells, err := objects.One[[]any](t.sql, `SELECT last, seen, keys FROM ratelimit_purge`)
	if errors.Is(err, objects.ErrNoRow) {
		return purge{whole: true}, nil
	}
	if err != nil {
		return p, err
	}
	p.last, _ = cells[0].(string)
	p.seen, p.keys = integer(cells[1]), integer(cells[2])
	p.ahead = p.keys
	return p, nil
}

func (t table) putPurge(p *purge) error {
	_, err := t.sql.Exec(`INSERT INTO ratelimit_purge VALUES (1, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET last = excluded.last, seen = excluded.seen, keys = excluded.keys`,
		p.last, p.seen, p.ahead)
	return err
}

// admit counts new keys, or refuses them when the object is full.
func (s *Server) admit(fresh int64) error {
	p := &s.purge
	if p.keys+fresh > s.maxKeys {
		return refuse(ratelimit.Full, "the object has %d keys, and none more until some are purged", p.keys)
	}
	p.keys += fresh
	p.added += fresh
	if p.keys <= p.ahead {
		return nil
	}
	p.ahead = p.keys + reserve
	return s.table.putPurge(p)
}

// armPurge sets the alarm, once for each instance of the object.
func (s *Server) armPurge(ctx context.Context) error {
	if s.purge.armed {
		return nil
	}
	s.purge.armed = true // what follows may wait, and others come by
	_, set, err := s.mux.Next(purgeAlarm)
	if err == nil && !set {
		err = s.mux.At(ctx, purgeAlarm, time.Now().Add(s.every))
	}
	if err != nil {
		s.purge.armed = false
	}
	return err
}

// runPurge deletes what a batch of rows has that says nothing any more.
func (s *Server) runPurge(ctx context.Context, _ alarms.Run) error {
	p, now := &s.purge, s.now()
	if p.last == "" {
		p.seen, p.added, p.whole = 0, 0, true
	}
	rows, due, last, err := s.table.batch(p.last, now)
	if err != nil {
		return err
	}
	if due > 0 {
		if err := s.table.deleteBatch(p.last, last, now); err != nil {
			return err
		}
	}
	p.seen += rows - due
	p.keys = max(0, p.keys-due)
	pause := batchPause
	if p.last = last; rows < batchRows {
		if p.whole {
			p.keys = p.seen + p.added
		}
		p.last, pause = "", s.every
	}
	p.ahead = p.keys
	if err := s.table.putPurge(p); err != nil {
		return err
	}
	if p.keys == 0 && p.last == "" {
		p.armed = false // the next key sets it
		return nil
	}
	return s.mux.At(ctx, purgeAlarm, time.Now().Add(pause))
}

// batch is how many rows follow an id, up to a batch, how many of them are due, and the id of the last.
func (t table) batch(after string, now int64) (rows, due int64, last string, err error) {
	cells, err := objects.One[[]any](t.sql, `SELECT count(*), sum(expires <= ?1), max(id)
		FROM (SELECT id, expires FROM ratelimit_keys WHERE id > ?2 ORDER BY id LIMIT ?3)`, now, after, batchRows)
	if err != nil {
		return 0, 0, "", err
	}
	last, _ = cells[2].(string)
	return integer(cells[0]), integer(cells[1]), last, nil
}

// integer is a cell of a result; NULL is 0.
func integer(cell any) int64 {
	f, _ := cell.(float64)
	return int64(f)
}

func (t table) deleteBatch(after, last string, now int64) error {
	_, err := t.sql.Exec(`DELETE FROM ratelimit_keys WHERE id > ? AND id <= ? AND expires <= ?`, after, last, now)
	return err
}
