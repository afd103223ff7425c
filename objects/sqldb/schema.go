package sqldb

import (
	"strings"
	"sync"

	object "durago.example/objects/driver"
)

// schema has the declared types of columns, as far as they have been asked for.
type schema struct {
	names map[string]string // of tables and views as they are written, by their lower case

	mu     sync.Mutex                   // is not held while the database is asked, which may have to wait
	tables map[string]map[string]string // table → column → type, names in lower case
}

// types are the declared types of a result's columns.
func (c *conn) types(s *statement, columns []string) ([]string, error) {
	types, known := c.db.known(s)
	if len(types) == len(columns) {
		return types, nil
	}
	if known != nil {
		types, all, err := known.typesOf(c.sql(), s, columns)
		if err != nil || all {
			return c.db.learn(s, types, known), err
		}
	}
	// There is none yet, or perhaps it was changed by other means.
	fresh, err := readSchema(c.sql())
	if err != nil {
		return nil, err
	}
	types, _, err = fresh.typesOf(c.sql(), s, columns)
	return c.db.learn(s, types, fresh), err
}

func (d *database) known(s *statement) ([]string, *schema) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return s.types, d.schema
}

func (d *database) learn(s *statement, types []string, from *schema) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	s.types, d.schema = types, from
	return types
}

func readSchema(sql object.SQL) (*schema, error) {
	s := &schema{names: map[string]string{}, tables: map[string]map[string]string{}}
	err := each(sql, `SELECT name FROM sqlite_master WHERE type IN ('table', 'view')`, func(row object.Cursor) {
		name := string(row.Value(0).Bytes)
		s.names[strings.ToLower(name)] = name
	})
	return s, err
}

// typesOf are the types by the rule of the package comment; all tells whether each column has been found.
func (s *schema) typesOf(sql object.SQL, of *statement, columns []string) (types []string, all bool, err error) {
	types, all = make([]string, len(columns)), true
	found := make([]int, len(columns))
	for table := range of.words {
		declared, err := s.columns(sql, table)
		if err != nil {
			return nil, false, err
		}
		for i, name := range columns {
			t, ok := declared[strings.ToLower(name)]
			switch {
			case !ok:
				continue
			case found[i] == 0:
				types[i] = t
			case types[i] != t:
				types[i] = ""
			}
			found[i]++
		}
	}
	for _, n := range found {
		all = all && n > 0
	}
	return types, all, nil
}

// columns are those of a table, or none if the word is not the name of one.
func (s *schema) columns(sql object.SQL, table string) (map[string]string, error) {
	name, ok := s.names[table]
	if !ok {
		return nil, nil
	}
	s.mu.Lock()
	columns := s.tables[table]
	s.mu.Unlock()
	if columns != nil {
		return columns, nil
	}
	columns = map[string]string{}
	err := each(sql, `PRAGMA table_xinfo("`+strings.ReplaceAll(name, `"`, `""`)+`")`, func(row object.Cursor) {
		declared, _, _ := strings.Cut(string(row.Value(2).Bytes), "(")
		columns[strings.ToLower(string(row.Value(1).Bytes))] = strings.ToUpper(strings.TrimSpace(declared))
	})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tables[table] = columns
	return columns, nil
}

func each(sql object.SQL, query string, f func(object.Cursor)) error {
	cursor, err := sql.Open(query, nil, false)
	if err != nil {
		return err
	}
	defer cursor.Close()
	for {
		ok, err := cursor.Next()
		if err != nil || !ok {
			return err
		}
		f(cursor)
	}
}
