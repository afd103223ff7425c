package websocketserver_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/stretchr/testify/require"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
)

// database is SQLite in memory.
type database struct {
	db    *sqlite3.Conn
	stmts map[string]*sqlite3.Stmt
}

func newDatabase(t testing.TB) *database {
	db, err := sqlite3.Open(":memory:")
	require.NoError(t, err)
	d := &database{db, map[string]*sqlite3.Stmt{}}
	t.Cleanup(func() {
		for _, s := range d.stmts {
			_ = s.Close()
		}
		require.NoError(t, db.Close())
	})
	return d
}

func (d *database) exec(t testing.TB, query string) {
	_, _, err := fakeSQL{d}.Exec(query, nil)
	require.NoError(t, err, query)
}

// texts are the rows of a query with one column.
func (d *database) texts(t testing.TB, query string) (list []string) {
	s, _, err := d.db.Prepare(query)
	require.NoError(t, err)
	defer s.Close()
	for s.Step() {
		list = append(list, s.ColumnText(0))
	}
	return list
}

type fakeSQL struct{ d *database }

func (q fakeSQL) Size() (int64, error) { return 0, errors.ErrUnsupported }

func (q fakeSQL) Exec(query string, args []any) (read, written int64, err error) {
	c, err := q.Open(query, args, false)
	if err != nil {
		return 0, 0, err
	}
	defer c.Close()
	for more := true; more && err == nil; {
		more, err = c.Next()
	}
	return 0, q.d.db.Changes(), err
}

// Open keeps statements, as the runtimes do. A script of several statements is run at once.
func (q fakeSQL) Open(query string, args []any, _ bool) (driver.Cursor, error) {
	stmt := q.d.stmts[query]
	if stmt == nil {
		s, rest, err := q.d.db.Prepare(query)
		if err != nil {
			return nil, &driver.Error{Name: "Error", Message: strings.TrimPrefix(err.Error(), "sqlite3: SQL logic error: ")}
		}
		if rest != "" {
			_ = s.Close()
			return &fakeCursor{}, q.d.db.Exec(query)
		}
		stmt, q.d.stmts[query] = s, s
	}
	for i, a := range args {
		var err error
		switch v := a.(type) {
		case int:
			err = stmt.BindFloat(i+1, float64(v)) // as the platform does
		case int64:
			err = stmt.BindFloat(i+1, float64(v))
		case string:
			err = stmt.BindText(i+1, v)
		case []byte:
			err = stmt.BindBlob(i+1, v)
		default:
			err = fmt.Errorf("fake: cannot bind a %T", a)
		}
		if err != nil {
			return nil, err
		}
	}
	return &fakeCursor{stmt: stmt}, nil
}

type fakeCursor struct {
	stmt  *sqlite3.Stmt
	names []string
}

func (c *fakeCursor) Columns() []string {
	if c.names == nil {
		for i := range c.stmt.ColumnCount() {
			c.names = append(c.names, c.stmt.ColumnName(i))
		}
	}
	return c.names
}
func (*fakeCursor) Recycle()     {}
func (c *fakeCursor) Width() int { return c.stmt.ColumnCount() }
func (c *fakeCursor) Next() (bool, error) {
	if c.stmt == nil {
		return false, nil
	}
	return c.stmt.Step(), c.stmt.Err()
}
func (c *fakeCursor) Close() {
	if c.stmt != nil {
		_ = c.stmt.Reset()
	}
}
func (c *fakeCursor) Value(i int) driver.Value {
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
