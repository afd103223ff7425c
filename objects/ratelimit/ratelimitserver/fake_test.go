package ratelimitserver_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/stretchr/testify/require"

	"durago.example/objects"
	"durago.example/objects/driver"
	"durago.example/objects/ratelimit/ratelimitserver"
	"durago.example/wasm/abi"
)

// object is a limiter on a real database in memory, whose alarm fires when the clock of the bubble reaches it. It is a
// Caller: values cross as bytes, as they do between isolates. What is not here of its driver.Scope panics.
type object struct {
	driver.Scope
	t        testing.TB
	config   ratelimitserver.Config
	db       *sqlite3.Conn
	stmts    map[string]*sqlite3.Stmt
	alarm    *time.Time
	instance driver.Instance
	read     int    // statements that only read
	wrote    int    // statements that write
	fail     string // of which one with that in its text fails
}

var _ objects.Caller = (*object)(nil)

func newObject(t testing.TB, c ratelimitserver.Config) *object {
	t.Helper()
	db, err := sqlite3.Open(":memory:")
	require.NoError(t, err)
	o := &object{t: t, config: c, db: db, stmts: map[string]*sqlite3.Stmt{}}
	t.Cleanup(func() {
		for _, s := range o.stmts {
			_ = s.Close()
		}
		require.NoError(t, db.Close())
	})
	require.NoError(t, o.evict())
	return o
}

// evict has the next instance take over on the same database.
func (o *object) evict() (err error) {
	c := ratelimitserver.Class("RateLimiterServer", func(*objects.State) (ratelimitserver.Config, error) { return o.config, nil })
	o.instance, err = objects.Program{Classes: []*objects.Class{c}}.Driver().Classes[0].New(o, driver.ID{})
	return err
}

func (o *object) CallRPC(ctx context.Context, method string, args []byte) ([]byte, error) {
	return o.instance.Call(ctx, method, args)
}

func (o *object) ServeHTTP(w http.ResponseWriter, r *http.Request) { o.instance.Fetch(w, r) }

// advance lets time pass and runs the alarms on the way.
func (o *object) advance(d time.Duration) {
	o.t.Helper()
	for end := time.Now().Add(d); ; {
		if o.alarm == nil || o.alarm.After(end) {
			time.Sleep(time.Until(end))
			return
		}
		time.Sleep(time.Until(*o.alarm))
		o.alarm = nil
		require.NoError(o.t, o.instance.Alarm(o.t.Context(), time.Now(), 0))
	}
}

func (o *object) count(query string) (n int) {
	s, _, err := o.db.Prepare(query)
	require.NoError(o.t, err)
	defer s.Close()
	require.True(o.t, s.Step())
	return s.ColumnInt(0)
}

func (o *object) Context() context.Context { return context.Background() }
func (o *object) SQL() driver.SQL          { return fakeSQL{o} }
func (o *object) Storage() driver.Storage  { return fakeStorage{object: o} }
func (o *object) Log(_ context.Context, _ int, text string) {
	o.t.Errorf("logged: %s", text)
}

// fakeStorage has the alarm alone.
type fakeStorage struct {
	driver.Storage
	*object
}

func (s fakeStorage) Alarm(context.Context) (time.Time, bool, error) {
	if s.alarm == nil {
		return time.Time{}, false, nil
	}
	return *s.alarm, true, nil
}

func (s fakeStorage) SetAlarm(_ context.Context, at time.Time, _ byte) error {
	if now := time.Now(); at.Before(now) {
		at = now
	}
	at = at.Truncate(time.Millisecond)
	s.alarm = &at
	return nil
}

func (s fakeStorage) DeleteAlarm(context.Context, byte) error {
	s.alarm = nil
	return nil
}

type fakeSQL struct{ o *object }

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
	return 0, 0, err
}

// Open keeps statements, as the runtimes do. A script of several statements is run at once.
func (q fakeSQL) Open(query string, args []any, _ bool) (driver.Cursor, error) {
	if q.o.fail != "" && strings.Contains(query, q.o.fail) {
		return nil, &driver.Error{Name: "Error", Message: "the disk is full"}
	}
	stmt := q.o.stmts[query]
	if stmt == nil {
		s, rest, err := q.o.db.Prepare(query)
		if err != nil {
			return nil, &driver.Error{Name: "Error", Message: err.Error()[len("sqlite3: SQL logic error: "):]}
		}
		if rest != "" {
			_ = s.Close()
			return &fakeCursor{}, q.o.db.Exec(query)
		}
		stmt, q.o.stmts[query] = s, s
	}
	if stmt.ReadOnly() {
		q.o.read++
	} else {
		q.o.wrote++
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

type fakeCursor struct{ stmt *sqlite3.Stmt }

func (c *fakeCursor) Columns() (names []string) {
	for i := range c.stmt.ColumnCount() {
		names = append(names, c.stmt.ColumnName(i))
	}
	return names
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

// bubble runs a test of a new object where time is virtual.
func bubble(c ratelimitserver.Config, f func(t *testing.T, o *object)) func(*testing.T) {
	return func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { f(t, newObject(t, c)) })
	}
}
