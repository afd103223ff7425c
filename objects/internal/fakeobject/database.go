package fakeobject

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ncruces/go-sqlite3"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
)

// Database is SQLite in memory, which says what a runtime says. The rows that statements read are not counted. Its methods may
// be called concurrently; its fields are set, and Conn is used, while none of them runs.
type Database struct {
	Conn *sqlite3.Conn
	Fail map[string]error                // of statements with that in their texts; empty is all, and the size
	Ran  func(query string, writes bool) // if not nil, it is told each statement before it runs

	mu   sync.Mutex
	idle map[string]*sqlite3.Stmt // prepared, as runtimes keep them
	lent int                      // cursors
}

var _ driver.SQL = (*Database)(nil)

func open() (*Database, error) {
	conn, err := sqlite3.Open(":memory:")
	return &Database{Conn: conn, idle: map[string]*sqlite3.Stmt{}}, err
}

// Close ends the database. It fails if a cursor is open.
func (d *Database) Close() (err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lent > 0 {
		err = fmt.Errorf("fakeobject: %d cursors are open", d.lent)
	}
	for _, s := range d.idle {
		err = errors.Join(err, s.Close())
	}
	return errors.Join(err, d.Conn.Close())
}

// Script runs statements on behalf of nobody: Fail and Ran are not for them.
func (d *Database) Script(text string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.Conn.Exec(text)
}

func (d *Database) Size() (int64, error) { return 4096, d.Fail[""] }

func (d *Database) Exec(query string, args []any) (read, written int64, err error) {
	before := d.changes()
	c, err := d.Open(query, args, false)
	if err != nil {
		return 0, 0, err
	}
	defer c.Close()
	for more := true; more && err == nil; {
		more, err = c.Next()
	}
	return 0, d.changes() - before, err
}

func (d *Database) changes() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.Conn.TotalChanges()
}

// Open runs one statement after the other. The cursor is that of the last.
func (d *Database) Open(query string, args []any, columns bool) (driver.Cursor, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for part, err := range d.Fail {
		if strings.Contains(query, part) {
			return nil, err
		}
	}
	for {
		stmt, tail, err := d.prepare(query)
		if err != nil {
			return nil, err
		}
		if d.Ran != nil {
			d.Ran(query[:len(query)-len(tail)], !stmt.ReadOnly())
		}
		if tail = strings.TrimSpace(tail); tail == "" {
			c := &cursor{db: d, query: query, stmt: stmt, columns: columns}
			if err := c.begin(args); err != nil {
				_ = stmt.Close() // it says the same again
				return nil, err
			}
			d.lent++
			return c, nil
		}
		if stmt.BindCount() > 0 {
			_ = stmt.Close()
			return nil, platform("When executing multiple SQL statements in a single call, only the last statement can have parameters.")
		}
		err = stmt.Exec()
		_ = stmt.Close()
		if err != nil {
			return nil, failed(err)
		}
		query = tail
	}
}

// prepare returns the first statement of a text, which is the caller's, and the rest.
func (d *Database) prepare(query string) (stmt *sqlite3.Stmt, tail string, err error) {
	if stmt = d.idle[query]; stmt != nil {
		delete(d.idle, query)
		return stmt, "", nil
	}
	stmt, tail, err = d.Conn.Prepare(query)
	if err != nil {
		return nil, "", failed(err)
	}
	if stmt == nil {
		return nil, "", platform("SQL code did not contain a statement.")
	}
	return stmt, tail, nil
}

func platform(text string) error { return &driver.Error{Name: "Error", Message: text} }

func failed(err error) error {
	text := err.Error()
	for _, noise := range []string{"sqlite3: ", "SQL logic error: ", "constraint failed: "} {
		text = strings.TrimPrefix(text, noise)
	}
	return platform(text)
}

// bind does as the adapter does: numbers are REAL, times milliseconds.
func bind(stmt *sqlite3.Stmt, i int, a any) error {
	switch v := a.(type) {
	case nil:
		return stmt.BindNull(i)
	case bool:
		if v {
			return stmt.BindFloat(i, 1)
		}
		return stmt.BindFloat(i, 0)
	case int:
		return bind(stmt, i, int64(v))
	case int64:
		if v > 1<<53 || v < -1<<53 {
			return fmt.Errorf("%d is beyond 2^53 and would lose digits: bind it as a string", v)
		}
		return stmt.BindFloat(i, float64(v))
	case float64:
		return stmt.BindFloat(i, v)
	case string:
		return stmt.BindText(i, v)
	case []byte:
		if v == nil {
			return stmt.BindNull(i)
		}
		return stmt.BindBlob(i, v)
	case time.Time:
		return stmt.BindFloat(i, float64(v.UnixMilli()))
	}
	return fmt.Errorf("fakeobject: cannot bind a %T", a)
}

// cursor stands at its first row when it is made, as a runtime's does.
type cursor struct {
	db      *Database
	query   string
	stmt    *sqlite3.Stmt
	columns bool
	begun   bool
	more    bool
	closed  bool
}

func (c *cursor) begin(args []any) error {
	if c.stmt.BindCount() != len(args) {
		return platform("Wrong number of parameter bindings for SQL query.")
	}
	for i, a := range args {
		if err := bind(c.stmt, i+1, a); err != nil {
			return fmt.Errorf("objects: argument %d: %w", i+1, err)
		}
	}
	c.more = c.stmt.Step()
	if err := c.stmt.Err(); err != nil {
		return failed(err)
	}
	return nil
}

func (c *cursor) Columns() (names []string) {
	for i := range c.stmt.ColumnCount() {
		if c.columns {
			names = append(names, c.stmt.ColumnName(i))
		}
	}
	return names
}

func (*cursor) Recycle()     {}
func (c *cursor) Width() int { return c.stmt.ColumnCount() }

func (c *cursor) Next() (bool, error) {
	c.db.mu.Lock()
	defer c.db.mu.Unlock()
	if c.begun && c.more {
		c.more = c.stmt.Step()
	}
	c.begun = true
	if err := c.stmt.Err(); err != nil {
		return false, failed(err)
	}
	return c.more, nil
}

func (c *cursor) Value(i int) driver.Value {
	switch c.stmt.ColumnType(i) {
	case sqlite3.INTEGER, sqlite3.FLOAT:
		return driver.Value{Kind: abi.SQLNumber, Float: c.stmt.ColumnFloat(i)}
	case sqlite3.TEXT:
		return driver.Value{Kind: abi.SQLText, Bytes: c.stmt.ColumnRawText(i)}
	case sqlite3.BLOB:
		return driver.Value{Kind: abi.SQLBlob, Bytes: c.stmt.ColumnRawBlob(i)}
	}
	return driver.Value{}
}

// Close gives the statement back, unless another of the same text has come first.
func (c *cursor) Close() {
	c.db.mu.Lock()
	defer c.db.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	c.db.lent--
	if c.db.idle[c.query] != nil || c.stmt.Reset() != nil {
		_ = c.stmt.Close()
		return
	}
	c.db.idle[c.query] = c.stmt
}
