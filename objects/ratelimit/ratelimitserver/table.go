package ratelimitserver

import (
	"errors"
	"fmt"

	"durago.example/objects"
)

// table is the object's part of the database. There is no index by expiry: it would be a second write for each decision.
type table struct{ sql *objects.SQL }

// statement texts by the number of rows, so that the runtime knows them again.
var (
	reads  = repeated(`SELECT id, state FROM ratelimit_keys WHERE id IN (`, `?`, `)`)
	writes = repeated(`INSERT INTO ratelimit_keys VALUES `, `(?, ?, ?)`, ` ON CONFLICT (id) DO UPDATE SET state = excluded.state, expires = excluded.expires`)
)

func repeated(before, each, after string) (texts [maxDescriptors]string) {
	for i := range texts {
		before += each
		texts[i] = before + after
		before += ", "
	}
	return texts
}

const readOne = `SELECT state FROM ratelimit_keys WHERE id = ?`

// read fills rows, which have ids and rules.
func (t table) read(rows []row, now int64) error {
	if len(rows) == 1 { // the common case, without a list of values
		state, err := objects.One[[]byte](t.sql, readOne, rows[0].id)
		rows[0].fresh = errors.Is(err, objects.ErrNoRow)
		if err != nil && !rows[0].fresh {
			return err
		}
		return rows[0].read(state, now)
	}
	ids := make([]any, len(rows))
	for i := range rows {
		ids[i], rows[i].fresh = rows[i].id, true
	}
	for cells, err := range objects.Query[[]any](t.sql, reads[len(rows)-1], ids...) {
		if err != nil {
			return err
		}
		id, _ := cells[0].(string)
		state, _ := cells[1].([]byte)
		for i := range rows {
			if rows[i].id == id {
				rows[i].fresh = false
				if err := rows[i].read(state, now); err != nil {
					return err
				}
			}
		}
	}
	for i := range rows {
		if rows[i].fresh {
			if err := rows[i].read(nil, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// write writes all rows, or none.
func (t table) write(rows []row, now int64) error {
	args := make([]any, 0, 3*len(rows))
	for i := range rows {
		args = append(args, rows[i].id, rows[i].append(make([]byte, 0, rows[i].size+32)), rows[i].expires(now))
	}
	_, err := t.sql.Exec(writes[len(rows)-1], args...)
	return err
}

func (t table) loadRules(into map[string]*rule) error {
	for cells, err := range objects.Query[[]any](t.sql, `SELECT name, rule FROM ratelimit_rules`) {
		if err != nil {
			return err
		}
		name, _ := cells[0].(string)
		b, _ := cells[1].([]byte)
		d := &decoder{b: b}
		r := d.rule(name)
		if d.bad {
			return fmt.Errorf("ratelimitserver: the stored rule %s is malformed", name)
		}
		into[name] = r
	}
	return nil
}

func (t table) putRule(r *rule) error {
	_, err := t.sql.Exec(`INSERT INTO ratelimit_rules VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET rule = excluded.rule`, r.name, r.append(nil))
	return err
}

func (t table) deleteRule(name string) error {
	_, err := t.sql.Exec(`DELETE FROM ratelimit_rules WHERE name = ?`, name)
	return err
}
