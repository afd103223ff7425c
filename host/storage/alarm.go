package storage

import (
	"sync"
	"time"
)

// An object's alarm is a row of its own database, the truth; _cf_ALARM of the namespace's metadata.sqlite is what the
// scheduler reads at start.

const (
	// As workerd writes it, to the space.
	createMetadata = `CREATE TABLE IF NOT EXISTS _cf_METADATA (
        key INTEGER PRIMARY KEY,
        value BLOB
      )`
	createAlarm = `CREATE TABLE IF NOT EXISTS _cf_ALARM (actor_id TEXT PRIMARY KEY, scheduled_time INTEGER, actor_name TEXT) WITHOUT ROWID`
)

// Alarm is the object's alarm; ok is false if none is set.
func (d *Database) Alarm() (at time.Time, ok bool, err error) {
	if ok, err := d.has(&d.hasMeta, "_cf_METADATA"); !ok {
		return time.Time{}, false, err
	}
	c, err := d.query(`SELECT value / 1000000 FROM _cf_METADATA WHERE key = 1 AND value IS NOT NULL`, nil, true)
	if err != nil {
		return time.Time{}, false, err
	}
	if ok = c.Next(); ok {
		at = time.UnixMilli(int64(c.Value(0).Float))
	}
	return at, ok, c.Close()
}

// SetAlarm sets the object's alarm, in whole milliseconds; nil removes it.
func (d *Database) SetAlarm(at *time.Time) error {
	if at == nil {
		if ok, err := d.has(&d.hasMeta, "_cf_METADATA"); !ok {
			return err
		}
	}
	if err := d.ensure(&d.hasMeta, createMetadata); err != nil {
		return err
	}
	v := Arg{}
	if at != nil {
		v = Arg{Kind: Number, Float: float64(at.UnixMilli())}
	}
	c, err := d.query(`INSERT INTO _cf_METADATA VALUES (1, CAST(? AS INTEGER) * 1000000) ON CONFLICT (key) DO UPDATE SET value = excluded.value`, []Arg{v}, true)
	if err != nil {
		return err
	}
	return c.Close()
}

// Alarms is the scheduler's table of one namespace. It may be used from any goroutine.
type Alarms struct {
	mu sync.Mutex
	d  *Database
	// While a checkpoint has the table, changes wait here and not on the loops that make them: as many as there are
	// commits meanwhile. nil is no checkpoint.
	waiting *[]change
	given   sync.Cond // it has given the table back
}

// change is a row to write or to delete.
type change struct {
	query  string
	args   []Arg
	report func(error)
}

// AlarmRow is one alarm.
type AlarmRow struct {
	ID    string
	At    time.Time
	Name  string
	Named bool
}

// Alarms opens the table of a namespace.
func (s *Store) Alarms(uniqueKey string) *Alarms {
	a := &Alarms{d: s.database(uniqueKey, "metadata")}
	a.given.L = &a.mu
	return a
}

// Load reads all alarms.
func (a *Alarms) Load() ([]AlarmRow, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ok, err := a.d.has(&a.d.hasMeta, "_cf_ALARM"); !ok { // a database that was made, and no more
		return nil, err
	}
	if err := a.addName(); err != nil {
		return nil, err
	}
	c, err := a.d.query(`SELECT actor_id, scheduled_time / 1000000, actor_name FROM _cf_ALARM`, nil, true)
	if err != nil {
		return nil, err
	}
	var out []AlarmRow
	for c.Next() {
		name := c.Value(2)
		out = append(out, AlarmRow{string(c.Value(0).Bytes), time.UnixMilli(int64(c.Value(1).Float)), string(name.Bytes), name.Kind == Text})
	}
	return out, c.Close()
}

// addName adds what a table of an older workerd does not have.
func (a *Alarms) addName() error {
	n, err := a.d.number(`SELECT count(*) FROM pragma_table_info('_cf_ALARM') WHERE name = 'actor_name'`)
	if err != nil || n > 0 {
		return err
	}
	if err := a.d.own(`ALTER TABLE _cf_ALARM ADD COLUMN actor_name TEXT`); err != nil {
		return err
	}
	_, err = a.d.Commit(func(error) {})
	return err
}

// Put sets an alarm and has report called once that is durable. A name that is not given stays.
func (a *Alarms) Put(r AlarmRow, report func(error)) error {
	name := Arg{}
	if r.Named {
		name = text(r.Name)
	}
	return a.write(`INSERT INTO _cf_ALARM VALUES (?, CAST(? AS INTEGER) * 1000000, ?) ON CONFLICT (actor_id) DO UPDATE SET scheduled_time = excluded.scheduled_time, actor_name = coalesce(excluded.actor_name, actor_name)`,
		[]Arg{text(r.ID), {Kind: Number, Float: float64(r.At.UnixMilli())}, name}, report)
}

// Delete removes an alarm.
func (a *Alarms) Delete(id string, report func(error)) error {
	return a.write(`DELETE FROM _cf_ALARM WHERE actor_id = ?`, []Arg{text(id)}, report)
}

func (a *Alarms) write(query string, args []Arg, report func(error)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := change{query, args, report}
	if a.waiting != nil {
		*a.waiting = append(*a.waiting, c)
		return nil
	}
	err := a.change(c)
	if a.d.Due(true) {
		a.waiting = new([]change)
		a.d.Checkpoint(a.resume)
	}
	return err
}

func (a *Alarms) change(c change) error {
	if err := a.d.ensure(&a.d.hasMeta, createAlarm); err != nil {
		return err
	}
	cursor, err := a.d.query(c.query, c.args, true)
	if err != nil {
		return err
	}
	if err := cursor.Close(); err != nil {
		return err
	}
	committed, err := a.d.Commit(c.report)
	if err == nil && !committed {
		c.report(nil)
	}
	return err
}

// resume makes the changes that waited for a checkpoint.
func (a *Alarms) resume() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range *a.waiting {
		if err := a.change(c); err != nil {
			c.report(err)
		}
	}
	a.waiting = nil
	a.given.Broadcast()
}

// Close closes the table.
func (a *Alarms) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.waiting != nil {
		a.given.Wait()
	}
	return a.d.Close()
}
