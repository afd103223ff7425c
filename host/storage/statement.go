package storage

import (
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// Arg is a value for a statement, and Value a value of its result: NULL, a number, TEXT or a BLOB.
type Arg = Value

// Value is one SQL value. Bytes of a result are valid until the cursor moves.
type Value struct {
	Kind  Kind
	Float float64
	Bytes []byte
}

// Kind is the type of a value; integers and reals are both numbers, as in JavaScript.
type Kind byte

// Kinds.
const (
	Null   Kind = 0
	Number Kind = 1
	Text   Kind = 2
	Blob   Kind = 3
)

type statement struct {
	stmt   *sqlite3.Stmt
	busy   bool
	reads  bool // does not write
	params int
	width  int
}

// Cursor steps through a result. The statement is at its first row already; Next moves to it first.
type Cursor struct {
	d       *Database
	s       *statement
	cached  bool
	first   bool
	more    bool
	done    bool
	err     error
	read    int64
	written int64
	before  int64
}

// Exec runs one or more statements; args belong to the last, whose result is returned.
func (d *Database) Exec(query string, args []Arg) (*Cursor, error) {
	if err := d.connect(); err != nil {
		return nil, err
	}
	return d.query(query, args, false)
}

func (d *Database) query(query string, args []Arg, trusted bool) (*Cursor, error) {
	if err := d.connect(); err != nil {
		return nil, err
	}
	if list := d.cache[query]; len(list) == 1 && !list[0].busy {
		return d.start(list[0], args, true)
	}
	return d.queryAll(query, args, trusted)
}

// queryAll prepares statement after statement, because a later one may depend on an earlier.
func (d *Database) queryAll(query string, args []Arg, trusted bool) (*Cursor, error) {
	rest, single := query, true
	for {
		d.trusted = trusted
		stmt, tail, err := d.conn.Prepare(rest)
		d.trusted = false
		if err != nil {
			return nil, d.wrap(err, len(query)-len(rest))
		}
		if stmt == nil {
			return nil, &Error{Message: "SQL code did not contain a statement."}
		}
		s := &statement{stmt: stmt, reads: stmt.ReadOnly(), params: stmt.BindCount(), width: stmt.ColumnCount()}
		if strings.TrimSpace(tail) == "" {
			cached := single && len(d.cache[query]) == 0
			if cached {
				if len(d.cache) >= maxCached {
					d.dropCache()
				}
				d.cache[query] = []*statement{s}
			}
			return d.start(s, args, cached)
		}
		single = false
		if s.params > 0 {
			_ = stmt.Close()
			return nil, &Error{Message: "When executing multiple SQL statements in a single call, only the last statement can have parameters."}
		}
		c, err := d.start(s, nil, false)
		if err != nil {
			return nil, err
		}
		for c.Next() {
		}
		if err := c.Close(); err != nil {
			return nil, err
		}
		rest = tail
	}
}

func (d *Database) dropCache() {
	for text, list := range d.cache {
		for _, s := range list {
			if !s.busy {
				_ = s.stmt.Close()
			}
		}
		delete(d.cache, text)
	}
}

func (d *Database) start(s *statement, args []Arg, cached bool) (*Cursor, error) {
	c := &Cursor{d: d, s: s, cached: cached}
	if len(args) != s.params {
		c.finish()
		return nil, &Error{Message: "Wrong number of parameter bindings for SQL query."}
	}
	for i, a := range args {
		var err error
		switch a.Kind {
		case Null:
			err = s.stmt.BindNull(i + 1)
		case Number:
			err = s.stmt.BindFloat(i+1, a.Float)
		case Text:
			err = s.stmt.BindRawText(i+1, a.Bytes)
		case Blob:
			err = s.stmt.BindBlob(i+1, a.Bytes)
		}
		if err != nil {
			c.finish()
			return nil, d.wrap(err, 0)
		}
	}
	if !s.reads && !d.writing && d.conn.GetAutocommit() {
		s.busy = true
		err := d.begin()
		s.busy = false
		if err != nil {
			c.finish()
			return nil, err
		}
	}
	s.busy = true
	d.open++
	c.before = d.conn.TotalChanges()
	c.step()
	c.first = true
	if c.err != nil {
		err := c.err
		c.finish()
		return nil, err
	}
	return c, nil
}

func (c *Cursor) step() {
	c.more = c.s.stmt.Step()
	if !c.more {
		if err := c.s.stmt.Err(); err != nil {
			c.err = c.d.wrap(err, 0)
		}
		return
	}
	c.read++
}

// Next moves to the next row and tells whether there is one.
func (c *Cursor) Next() bool {
	if c.done {
		return false
	}
	if c.first {
		c.first = false
	} else {
		c.step()
	}
	if !c.more {
		c.finish()
		return false
	}
	return true
}

// finish gives the statement back.
func (c *Cursor) finish() {
	if c.done {
		return
	}
	c.done = true
	if c.s.busy {
		c.d.open--
		c.written = c.d.conn.TotalChanges() - c.before
	}
	c.s.busy = false
	if c.cached && c.d.cache != nil {
		_ = c.s.stmt.Reset() // its error was reported by the step
		_ = c.s.stmt.ClearBindings()
		return
	}
	_ = c.s.stmt.Close()
}

// Close ends the cursor and returns the error that ended it, if any.
func (c *Cursor) Close() error {
	c.finish()
	return c.err
}

// Err is the error that ended the cursor, if any.
func (c *Cursor) Err() error { return c.err }

// Done tells whether all rows have been read.
func (c *Cursor) Done() bool { return c.done }

// Width is the number of columns.
func (c *Cursor) Width() int { return c.s.width }

// Column is a column's name.
func (c *Cursor) Column(i int) string { return c.s.stmt.ColumnName(i) }

// Counts are the rows that were read and written so far.
func (c *Cursor) Counts() (read, written int64) {
	if !c.done {
		return c.read, c.d.conn.TotalChanges() - c.before
	}
	return c.read, c.written
}

// Value is a value of the current row.
func (c *Cursor) Value(i int) Value {
	switch c.s.stmt.ColumnType(i) {
	case sqlite3.INTEGER, sqlite3.FLOAT:
		return Value{Kind: Number, Float: c.s.stmt.ColumnFloat(i)}
	case sqlite3.TEXT:
		return Value{Kind: Text, Bytes: c.s.stmt.ColumnRawText(i)}
	case sqlite3.BLOB:
		return Value{Kind: Blob, Bytes: c.s.stmt.ColumnRawBlob(i)}
	}
	return Value{}
}
