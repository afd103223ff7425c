package ratelimitserver

import (
	"fmt"
	"math"
	"strings"

	"durago.example/objects"
	"durago.example/objects/ratelimit"
	"durago.example/objects/ratelimit/ratelimitserver/algorithm"
)

// tables are those of the object, with their columns as PRAGMA table_info has them, and the statements that make them.
var tables = [...]struct{ name, columns, create string }{
	{"ratelimit_keys", "id TEXT, state BLOB, expires INTEGER", `CREATE TABLE ratelimit_keys (
		id      TEXT PRIMARY KEY, -- the rule's name, a slash, the key
		state   BLOB NOT NULL,    -- see row
		expires INTEGER NOT NULL  -- ms since 1970: the row says nothing from then on
	) WITHOUT ROWID`},
	{"ratelimit_rules", "name TEXT, rule BLOB", `CREATE TABLE ratelimit_rules (name TEXT PRIMARY KEY, rule BLOB NOT NULL) WITHOUT ROWID`},
	{"ratelimit_purge", "id INTEGER, last TEXT, seen INTEGER, keys INTEGER", `CREATE TABLE ratelimit_purge (
		id   INTEGER PRIMARY KEY CHECK (id = 1),
		last TEXT NOT NULL,    -- the row up to which the pass that runs has come
		seen INTEGER NOT NULL, -- rows that it has left
		keys INTEGER NOT NULL  -- as many rows as there are, or a few more
	)`},
}

// The first layout, of which nothing is written any more: a row for each bucket, and the options. An author's own tables
// of these names have other texts.
const (
	firstBuckets = `CREATE TABLE bucket (key TEXT PRIMARY KEY, tokens REAL NOT NULL, since REAL NOT NULL) WITHOUT ROWID`
	firstOptions = `CREATE TABLE options (id INTEGER PRIMARY KEY CHECK (id = 1), max REAL, interval REAL)`
)

// create makes the tables that are missing; first tells whether there are those of the first layout. It refuses tables
// that this program would misread, before anything is written.
func (t table) create() (first bool, err error) {
	found := map[string]string{}
	for cells, err := range objects.Query[[]any](t.sql, `SELECT name, sql FROM sqlite_master
		WHERE name IN ('ratelimit_keys', 'ratelimit_rules', 'ratelimit_purge', 'bucket', 'options')`) {
		if err != nil {
			return false, err
		}
		name, _ := cells[0].(string)
		found[name], _ = cells[1].(string)
	}
	var missing []string
	for _, is := range tables {
		switch found[is.name] {
		case is.create: // SQLite keeps the text
		case "":
			missing = append(missing, is.create)
		default:
			if err := t.check(is.name, is.columns); err != nil {
				return false, err
			}
		}
	}
	if len(missing) > 0 {
		_, err = t.sql.Exec(strings.Join(missing, ";\n"))
	}
	return found["bucket"] == firstBuckets && found["options"] == firstOptions, err
}

// check compares the columns of a table that another text made.
func (t table) check(name, want string) error {
	var got []string
	for cells, err := range objects.Query[[]any](t.sql, `PRAGMA table_info(`+name+`)`) {
		if err != nil {
			return err
		}
		got = append(got, fmt.Sprint(cells[1], " ", cells[2]))
	}
	if is := strings.Join(got, ", "); is != want {
		return fmt.Errorf("ratelimitserver: the table %s has the columns %s, but this program knows %s: deploy the program that made it, or a newer one", name, is, want)
	}
	return nil
}

// migrate moves what the first layout has into the tables of this one. It gives nobody more than there was: parts of
// tokens are dropped. Keys that no request can have any more are left out, as are full buckets.
func (s *Server) migrate() error {
	if err := s.migrateOptions(); err != nil {
		return err
	}
	r, now, last := s.rules[ratelimit.DefaultRule], s.now(), ""
	for more := true; more; {
		var rows []row
		more = false
		for cells, err := range objects.Query[[]any](s.table.sql, `SELECT key, tokens, since FROM bucket WHERE key > ? ORDER BY key LIMIT 512`, last) {
			if err != nil {
				return err
			}
			last, _ = cells[0].(string)
			more = true
			tokens, _ := cells[1].(float64)
			since, _ := cells[2].(float64)
			is := row{id: r.name + "/" + last, key: last, rule: r}
			if err := is.read(appendNumbers([]byte{version, 0, byte(algorithm.TokenBucket)}, whole(tokens, algorithm.MaxQuota), whole(since, algorithm.MaxTime)), now); err != nil {
				return err
			}
			if validKey(last) && is.expires(now) > now {
				rows = append(rows, is)
			}
		}
		s.purge.keys += int64(len(rows))
		for len(rows) > 0 {
			n := min(len(rows), maxDescriptors)
			if err := s.table.write(rows[:n], now); err != nil {
				return err
			}
			rows = rows[n:]
		}
	}
	s.purge.ahead = s.purge.keys
	if err := s.table.putPurge(&s.purge); err != nil {
		return err
	}
	_, err := s.table.sql.Exec(`DROP TABLE bucket; DROP TABLE options`)
	return err
}

// migrateOptions makes a rule of options that were set.
func (s *Server) migrateOptions() error {
	is := s.rules[ratelimit.DefaultRule].limits[0]
	for cells, err := range objects.Query[[]any](s.table.sql, `SELECT max, interval FROM options`) {
		if err != nil {
			return err
		}
		if tokens, ok := cells[0].(float64); ok {
			is.Burst = whole(tokens, algorithm.MaxQuota)
		}
		if interval, ok := cells[1].(float64); ok {
			is.Period = max(1, whole(math.Ceil(interval), algorithm.MaxPeriod))
		}
		r, err := newRule(ratelimit.DefaultRule, []limit{bucket(is.Burst, is.Period)}, 0, 0)
		if err != nil {
			return err
		}
		s.rules[r.name] = r
		if err := s.table.putRule(r); err != nil {
			return err
		}
	}
	return nil
}

// whole is a number between 0 and most, rounded down.
func whole(f float64, most int64) int64 { return int64(max(0, min(f, float64(most)))) }
