package alarms

import (
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"durago.example/objects"
)

// Times are in milliseconds. There is no index by time: it would be a second write for each change, and an object has
// few schedules.
const create = `CREATE TABLE IF NOT EXISTS durago_alarms (
	name    TEXT PRIMARY KEY,
	at      INTEGER NOT NULL, -- when it was to run
	due     INTEGER NOT NULL, -- when it is to run: at, or the time of a retry
	every   INTEGER NOT NULL, -- 0 if it does not repeat
	tries   INTEGER NOT NULL, -- failures since at
	version INTEGER NOT NULL  -- of the row, random at first: a handler that changes its own schedule is noticed
) WITHOUT ROWID`

// row is one schedule.
type row struct {
	Name                    string
	At, Due, Every, Version int64
	Tries                   int
}

// missing tells whether there is no table yet, or none any more.
func missing(err error) bool {
	var e *objects.Error
	return errors.As(err, &e) && strings.HasPrefix(e.Message, "no such table: durago_alarms")
}

func (m *Mux) exec(query string, args ...any) error {
	_, err := m.sql.Exec(query, args...)
	return err
}

// get is the schedule of a name, or nil.
func (m *Mux) get(name string) (*row, error) {
	r, err := objects.One[row](m.sql, `SELECT * FROM durago_alarms WHERE name = ?`, name)
	if errors.Is(err, objects.ErrNoRow) || missing(err) {
		return nil, nil
	}
	return &r, err
}

// due are the schedules whose time has come: those that have failed come last.
func (m *Mux) due(now time.Time) (out []row, err error) {
	for r, err := range objects.Query[row](m.sql, `SELECT * FROM durago_alarms WHERE due <= ? ORDER BY tries, due, name`, now.UnixMilli()) {
		if missing(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// earliest is when the next schedule is due.
func (m *Mux) earliest() (at time.Time, ok bool, err error) {
	ms, err := objects.One[*int64](m.sql, `SELECT min(due) FROM durago_alarms`)
	if missing(err) || err == nil && ms == nil {
		return time.Time{}, false, nil
	}
	if err != nil {
		return time.Time{}, false, err
	}
	return time.UnixMilli(*ms), true, nil
}

// put writes a schedule; the table is made with the first.
func (m *Mux) put(name string, at time.Time, every time.Duration) error {
	const query = `INSERT INTO durago_alarms VALUES (?1, ?2, ?2, ?3, 0, ?4)
		ON CONFLICT (name) DO UPDATE SET at = excluded.at, due = excluded.due, every = excluded.every, tries = 0, version = excluded.version`
	args := []any{name, at.UnixMilli(), every.Milliseconds(), rand.Int64N(1 << 52)}
	err := m.exec(query, args...)
	if missing(err) {
		if err = m.exec(create); err == nil {
			err = m.exec(query, args...)
		}
	}
	return err
}

// retry, repeat and remove change a schedule, unless it has been changed since.

func (m *Mux) retry(r *row, due time.Time) error {
	return m.exec(`UPDATE durago_alarms SET due = ?, tries = tries + 1, version = version + 1 WHERE name = ? AND version = ?`, due.UnixMilli(), r.Name, r.Version)
}

func (m *Mux) repeat(r *row, at int64) error {
	return m.exec(`UPDATE durago_alarms SET at = ?1, due = ?1, tries = 0, version = version + 1 WHERE name = ?2 AND version = ?3`, at, r.Name, r.Version)
}

func (m *Mux) remove(r *row) error {
	return m.exec(`DELETE FROM durago_alarms WHERE name = ? AND version = ?`, r.Name, r.Version)
}
