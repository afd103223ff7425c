package storage

import (
	"strings"

	"github.com/ncruces/go-sqlite3"

	"durago.example/host/storage/textdecoder"
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
	alters  bool // a table
	looks   bool // into a table
	params  int
	width   int // as of the last step
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
	before  int64 // changes of the connection
}

// Exec runs one or more statements; args belong to the last, whose result is returned.
func (d *Database) Exec(query string, args []Arg) (*Cursor, error) {
	d.limit.renew()
	return d.query(query, args, false)
}

func (d *Database) query(query string, args []Arg, trusted bool) (*Cursor, error) {
	if err := d.connect(); err != nil {
		return nil, err
	}
	if s := d.cache[cacheKey{query, trusted}]; s != nil && !s.busy && (trusted || !d.readOnly) {
		return d.start(s, args)
	}
	return d.queryAll(query, args, trusted)
}

// queryAll prepares statement after statement, because a later one may depend on an earlier.
func (d *Database) queryAll(query string, args []Arg, trusted bool) (*Cursor, error) {
	rest, single := query, true
	for {
		s, tail, err := d.prepareOne(rest, trusted)
		if err != nil {
			return nil, err
		}
		if s == nil {
			return nil, &Error{Message: "SQL code did not contain a statement."}
		}
		if tail = strings.TrimLeft(tail, " \t\n\v\f\r"); tail == "" {
			if key := (cacheKey{query, trusted}); single && d.cache[key] == nil && (trusted || !d.readOnly) {
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
			_ = s.stmt.Close()
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

// prepareOne prepares the first statement of a text; nil if there is none.
func (d *Database) prepareOne(query string, trusted bool) (s *statement, tail string, err error) {
	defer d.contain(&err)
	d.trusted, d.altering, d.looking = trusted, false, false
	stmt, tail, err := d.conn.Prepare(query)
	d.trusted = false
	if err != nil {
		return nil, "", d.wrap(err, query)
	}
	if stmt == nil {
		return nil, "", nil
	}
	return &statement{stmt: stmt, trusted: trusted, reads: stmt.ReadOnly(), alters: d.altering && !trusted, looks: d.looking,
		params: stmt.BindCount(), width: stmt.ColumnCount()}, tail, nil
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
	if d.readOnly && !s.reads && !s.trusted {
		c.finish()
		return nil, ErrLook
	}
	for i, a := range args {
		var err error
		switch a.Kind {
		case Null:
			err = s.stmt.BindNull(i + 1)
		case Number:
			err = s.stmt.BindFloat(i+1, a.Float)
		case Text:
			if !s.trusted { // a bound of ours may end within a character
				a.Bytes = textdecoder.WellFormed(a.Bytes)
			}
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
	if !s.reads && !d.loose {
		d.confirmed = true
	}
	s.busy = true
	if !s.reads {
		c.before = d.conn.TotalChanges()
	}
	if s.alters {
		if err := d.guardNames(c.step); err != nil {
			c.err = err
		}
	} else {
		c.step()
	}
	c.first = true
	if c.err != nil {
		err := c.err
		c.finish()
		return nil, err
	}
	s.width = s.stmt.ColumnCount() // the schema may have changed since it was prepared
	return c, nil
}

func (c *Cursor) step() {
	c.more = false
	defer c.d.contain(&c.err)
	c.d.trusted = c.s.trusted
	if !c.s.trusted {
		c.d.limit.begin()
	}
	c.more = c.s.stmt.Step()
	if !c.s.trusted {
		c.d.limit.end()
	}
	c.d.trusted = false
	if !c.more {
		if err := c.s.stmt.Err(); err != nil {
			c.err = c.d.wrap(err, "")
		}
	}
}

// Renew gives the rows to come a limit of their own: the object's code has run in between, which has one too.
func (c *Cursor) Renew() { c.d.limit.renew() }

// Next moves to the next row and tells whether there is one.
func (c *Cursor) Next() bool {
	if c.done || c.d.conn != c.conn || c.d.ruined {
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
	if c.d.conn != c.conn || c.d.ruined {
		return
	}
	c.d.cursors--
	if c.s.busy {
		c.read, c.written = c.counts(true)
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

// ReadOnly tells whether the statement writes nothing.
func (c *Cursor) ReadOnly() bool { return c.s.reads }

// Width is the number of columns.
func (c *Cursor) Width() int { return c.s.width }

// Column is a column's name.
func (c *Cursor) Column(i int) string { return c.s.stmt.ColumnName(i) }

// Counts are the rows that were read and written so far. workerd counts operations of the bytecode, with a SQLite that is
// patched for it; this is what SQLite itself counts. Read are the steps of all loops and sorts, and one more if the
// statement looks into a table, which begins with a row that no step has found. Written are the rows that were inserted,
// updated and deleted.
func (c *Cursor) Counts() (read, written int64) {
	if c.done || c.d.conn != c.conn || c.d.ruined {
		return c.read, c.written
	}
	return c.counts(false)
}

// steps are SQLite's counters of a statement: of loops by a key, which has no name there, of scans, of rows that went into an
// index for the statement's own use, and of sorts.
var steps = [...]sqlite3.StmtStatus{0, sqlite3.STMTSTATUS_FULLSCAN_STEP, sqlite3.STMTSTATUS_AUTOINDEX, sqlite3.STMTSTATUS_SORT}

// counts also sets the counters back, if the statement ends.
func (c *Cursor) counts(ends bool) (read, written int64) {
	for _, counter := range steps {
		read += int64(c.s.stmt.Status(counter, ends))
	}
	if c.s.looks {
		read++
	}
	if !c.s.reads {
		written = c.conn.TotalChanges() - c.before
	}
	return read, written
}

// Value is a value of the current row.
func (c *Cursor) Value(i int) Value {
	switch c.s.stmt.ColumnType(i) {
	case sqlite3.INTEGER, sqlite3.FLOAT:
		return Value{Kind: Number, Float: c.s.stmt.ColumnFloat(i)}
	case sqlite3.TEXT:
		return Value{Kind: Text, Bytes: textdecoder.WellFormed(c.s.stmt.ColumnRawText(i))}
	case sqlite3.BLOB:
		return Value{Kind: Blob, Bytes: c.s.stmt.ColumnRawBlob(i)}
	}
	return Value{}
}
