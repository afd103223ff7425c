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
	stmt    *sqlite3.Stmt
	trusted bool // SQLite prepares it again when the schema has changed, and asks the authorizer again
	cached  bool
	busy    bool
	reads   bool // does not write
	params  int
	width   int
}

// cacheKey keeps our own statements from being lent to an object that knows their text.
type cacheKey struct {
	text    string
	trusted bool
}

// Cursor steps through a result. The statement is at its first row already; Next moves to it first.
type Cursor struct {
	d       *Database
	conn    *sqlite3.Conn // the cursor ends with it
	s       *statement
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
	if s := d.cache[cacheKey{query, trusted}]; s != nil && !s.busy {
		return d.start(s, args)
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
			return nil, d.wrap(err, rest)
		}
		if stmt == nil {
			return nil, &Error{Message: "SQL code did not contain a statement."}
		}
		s := &statement{stmt: stmt, trusted: trusted, reads: stmt.ReadOnly(), params: stmt.BindCount(), width: stmt.ColumnCount()}
		if strings.TrimSpace(tail) == "" {
			if key := (cacheKey{query, trusted}); single && d.cache[key] == nil {
				if len(d.cache) >= maxCached {
					d.dropCache()
				}
				s.cached = true
				d.cache[key] = s
			}
			return d.start(s, args)
		}
		single = false
		if s.params > 0 {
			_ = stmt.Close()
			return nil, &Error{Message: "When executing multiple SQL statements in a single call, only the last statement can have parameters."}
		}
		c, err := d.start(s, nil)
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
	for _, s := range d.cache {
		s.cached = false // one that is busy is closed by its cursor
		if !s.busy {
			_ = s.stmt.Close()
		}
	}
	clear(d.cache)
}

func (d *Database) start(s *statement, args []Arg) (*Cursor, error) {
	c := &Cursor{d: d, conn: d.conn, s: s}
	d.cursors++
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
			return nil, d.wrap(err, "")
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
	c.d.trusted = c.s.trusted
	c.more = c.s.stmt.Step()
	c.d.trusted = false
	if !c.more {
		if err := c.s.stmt.Err(); err != nil {
			c.err = c.d.wrap(err, "")
		}
		return
	}
	c.read++
}

// Next moves to the next row and tells whether there is one.
func (c *Cursor) Next() bool {
	if c.done || c.d.conn != c.conn {
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
	if c.d.conn != c.conn {
		return
	}
	c.d.cursors--
	if c.s.busy {
		c.written = c.conn.TotalChanges() - c.before
	}
	c.s.busy = false
	if c.s.cached {
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
	if !c.done && c.d.conn == c.conn {
		return c.read, c.conn.TotalChanges() - c.before
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
