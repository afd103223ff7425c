package objects

import (
	"iter"

	"durago.example/objects/driver"
)

// SQL is an object's SQLite database. Statements run at once. Arguments are nil, bool (0 or 1), integers up to 2^53 in
// magnitude, floats, strings, []byte and time.Time (milliseconds); numbers bind as REAL, as on the platform. See
// https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/#exec.
type SQL struct{ db driver.SQL }

// Result says what a statement did.
type Result struct {
	RowsRead    int64
	RowsWritten int64
}

// Exec runs one or more statements; arguments belong to the last. Rows that it returns are stepped and dropped.
func (s *SQL) Exec(query string, args ...any) (Result, error) {
	read, written, err := s.db.Exec(query, args)
	return Result{read, written}, err
}

// DatabaseSize is the size of the database in bytes.
func (s *SQL) DatabaseSize() (int64, error) { return s.db.Size() }

// Query yields the rows of a query as they are stepped; leaving the loop closes the cursor. Row is a struct (columns by
// `sql` tag, else by field name without regard to case, those of structs that it embeds by value too), a single column's
// type, []any or map[string]any. An error ends the sequence.
//
//	for hit, err := range objects.Query[Hit](sql, `SELECT n, at FROM hits`) { … }
func Query[Row any](s *SQL, query string, args ...any) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		var row Row
		scan, columns := scannerOf[Row]()
		c, err := s.open(query, args, columns)
		if err != nil {
			yield(row, err)
			return
		}
		defer finish(c)
		for {
			ok, err := c.Next()
			if err == nil && !ok {
				return
			}
			var row Row
			if err == nil {
				err = scan(c, &row)
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// One returns the only row of a query: ErrNoRow if there is none, ErrManyRows if there are more.
func One[Row any](s *SQL, query string, args ...any) (row Row, err error) {
	switch p := any(&row).(type) { // neither leaves the stack
	case *int:
		err = s.one(query, args, false, func(c driver.Cursor) (err error) { *p, err = integer[int](c); return err })
		return row, err
	case *int64:
		err = s.one(query, args, false, func(c driver.Cursor) (err error) { *p, err = integer[int64](c); return err })
		return row, err
	}
	return oneOf[Row](s, query, args)
}

func oneOf[Row any](s *SQL, query string, args []any) (row Row, err error) {
	scan, columns := scannerOf[Row]()
	err = s.one(query, args, columns, func(c driver.Cursor) error { return scan(c, &row) })
	return row, err
}

// one calls scan with the only row of a query.
func (s *SQL) one(query string, args []any, columns bool, scan func(driver.Cursor) error) error {
	c, err := s.open(query, args, columns)
	if err != nil {
		return err
	}
	defer finish(c)
	ok, err := c.Next()
	if err != nil {
		return err
	}
	if !ok {
		return ErrNoRow
	}
	if err := scan(c); err != nil {
		return err
	}
	if ok, err = c.Next(); err == nil && ok {
		err = ErrManyRows
	}
	return err
}

// finish closes a cursor that nobody else has, or ever had.
func finish(c driver.Cursor) {
	c.Close()
	c.Recycle()
}

func (s *SQL) open(query string, args []any, columns bool) (driver.Cursor, error) {
	return s.db.Open(query, args, columns)
}
