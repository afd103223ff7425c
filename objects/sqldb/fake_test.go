package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/stretchr/testify/require"

	"durago.example/objects"
	"durago.example/objects/driver"
	"durago.example/objects/sqldb"
	"durago.example/wasm/abi"
)

// fakeScope is an object with a real database in memory. What is not here panics.
type fakeScope struct {
	driver.Scope
	ctx  context.Context
	gone context.CancelFunc
	turn chan struct{} // holds who is in a transaction

	mu    sync.Mutex // of the database: database/sql has goroutines of its own
	db    *sqlite3.Conn
	texts []string         // that ran
	open  int              // cursors
	fail  map[string]error // of statements with that in their texts
}

func newScope() *fakeScope {
	db, err := sqlite3.Open(":memory:")
	must(err)
	s := &fakeScope{db: db, turn: make(chan struct{}, 1)}
	s.ctx, s.gone = context.WithCancel(context.WithValue(context.Background(), driver.ScopeKey, driver.Scope(s)))
	return s
}

func (s *fakeScope) Context() context.Context { return s.ctx }
func (s *fakeScope) SQL() driver.SQL          { return fakeSQL{s} }
func (s *fakeScope) Storage() driver.Storage  { return fakeStorage{fakeScope: s} }

func (s *fakeScope) exec(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.db.Exec(text)
}

// fakeStorage has Begin alone.
type fakeStorage struct {
	driver.Storage
	*fakeScope
}

func (s fakeStorage) Begin(ctx context.Context) (driver.Tx, error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return &fakeTx{s.fakeScope, false}, s.exec(`SAVEPOINT tx`)
}

type fakeTx struct {
	s    *fakeScope
	over bool
}

func (t *fakeTx) SQL() driver.SQL { return fakeSQL{t.s} }

func (t *fakeTx) Commit() error   { return t.end(`RELEASE tx`) }
func (t *fakeTx) Rollback() error { return t.end(`ROLLBACK TO tx; RELEASE tx`) }

func (t *fakeTx) end(text string) error {
	if t.over {
		return errors.New("fake: the transaction is over")
	}
	t.over = true
	defer func() { <-t.s.turn }()
	return t.s.exec(text)
}

type fakeSQL struct{ s *fakeScope }

func (q fakeSQL) Size() (int64, error) { return 4096, q.s.fail[""] }

func (q fakeSQL) Exec(query string, args []any) (read, written int64, err error) {
	c, err := q.Open(query, args, false)
	if err != nil {
		return 0, 0, err
	}
	defer c.Close()
	for more := true; more && err == nil; {
		more, err = c.Next()
	}
	return 0, 0, err
}

// Open prepares statement after statement, as a runtime does.
func (q fakeSQL) Open(query string, args []any, columns bool) (driver.Cursor, error) {
	s := q.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for part, err := range s.fail {
		if strings.Contains(query, part) {
			return nil, err
		}
	}
	s.texts = append(s.texts, query)
	for {
		stmt, tail, err := s.db.Prepare(query)
		if err != nil {
			return nil, failed(err)
		}
		if stmt == nil {
			return nil, platform("SQL code did not contain a statement.")
		}
		if query = strings.TrimSpace(tail); query != "" {
			if stmt.BindCount() > 0 {
				_ = stmt.Close()
				return nil, platform("When executing multiple SQL statements in a single call, only the last statement can have parameters.")
			}
			err := stmt.Exec()
			_ = stmt.Close() // it says the same again
			if err != nil {
				return nil, failed(err)
			}
			continue
		}
		if stmt.BindCount() != len(args) {
			return nil, errors.Join(platform("Wrong number of parameter bindings for SQL query."), stmt.Close())
		}
		for i, a := range args {
			if err := bind(stmt, i+1, a); err != nil {
				return nil, errors.Join(fmt.Errorf("objects: argument %d: %w", i+1, err), stmt.Close())
			}
		}
		c := &fakeCursor{s: s, stmt: stmt, columns: columns}
		if c.more = stmt.Step(); stmt.Err() != nil { // it stands at its first row already
			err := failed(stmt.Err())
			_ = stmt.Close()
			return nil, err
		}
		s.open++
		return c, nil
	}
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
	return fmt.Errorf("fake: cannot bind a %T", a)
}

type fakeCursor struct {
	s       *fakeScope
	stmt    *sqlite3.Stmt
	columns bool
	begun   bool
	more    bool
	closed  bool
}

func (c *fakeCursor) Columns() (names []string) {
	for i := range c.stmt.ColumnCount() {
		if c.columns {
			names = append(names, c.stmt.ColumnName(i))
		}
	}
	return names
}

func (*fakeCursor) Recycle()     {}
func (c *fakeCursor) Width() int { return c.stmt.ColumnCount() }

func (c *fakeCursor) Next() (bool, error) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.begun && c.more {
		c.more = c.stmt.Step()
	}
	c.begun = true
	if err := c.stmt.Err(); err != nil {
		return false, failed(err)
	}
	return c.more, nil
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

func (c *fakeCursor) Close() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if !c.closed {
		c.closed = true
		c.s.open--
		_ = c.stmt.Close()
	}
}

// start has a runtime make an object.
func start[T any](s driver.Scope, open func(*objects.State) (*T, error)) (object *T, err error) {
	c := objects.NewClass("C", func(state *objects.State) (_ *T, err error) {
		object, err = open(state)
		return object, err
	})
	_, err = objects.Program{Classes: []*objects.Class{c}}.Driver().Classes[0].New(s, driver.ID{})
	return object, err
}

// openDB is the database of a new object; when the test ends nothing of it may be open.
func openDB(t *testing.T, schema string) (*fakeScope, *sql.DB) {
	t.Helper()
	s := newScope()
	db, err := start(s, func(state *objects.State) (*sql.DB, error) { return sqldb.Open(state), nil })
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, db.Close())
		s.gone()
		require.Zero(t, s.open, "cursors are open")
		require.NoError(t, s.db.Close())
	})
	if schema != "" {
		_, err = db.Exec(schema)
		require.NoError(t, err)
	}
	return s, db
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
