package alarms_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/stretchr/testify/require"

	"durago.example/objects"
	"durago.example/objects/driver"
	"durago.example/wasm/abi"
)

// fakeScope is an object with a real database in memory and an alarm. What is not here panics.
type fakeScope struct {
	driver.Scope
	db      *sqlite3.Conn
	alarm   *time.Time
	running bool     // the alarm's handler: its own alarm is not to be seen
	set     []string // what the alarm was set to, in order
	log     []string
	fail    error // of setting the alarm
}

func (s *fakeScope) Context() context.Context { return context.Background() }
func (s *fakeScope) SQL() driver.SQL          { return fakeSQL{s} }
func (s *fakeScope) Storage() driver.Storage  { return fakeStorage{fakeScope: s} }
func (s *fakeScope) Log(_ context.Context, _ int, text string) {
	s.log = append(s.log, strings.SplitN(text, "\n", 2)[0])
}

// fakeStorage has the alarm alone.
type fakeStorage struct {
	driver.Storage
	*fakeScope
}

func (s fakeStorage) Alarm(context.Context) (time.Time, bool, error) {
	if s.alarm == nil || s.running {
		return time.Time{}, false, nil
	}
	return *s.alarm, true, nil
}

func (s fakeStorage) SetAlarm(_ context.Context, at time.Time, _ byte) error {
	if s.fail != nil {
		return s.fail
	}
	s.set = append(s.set, since(at))
	if now := time.Now(); at.Before(now) {
		at = now
	}
	at = at.Truncate(time.Millisecond)
	s.alarm, s.running = &at, false
	return nil
}

func (s fakeStorage) DeleteAlarm(context.Context, byte) error {
	s.set = append(s.set, "none")
	s.alarm, s.running = nil, false
	return nil
}

type fakeSQL struct{ s *fakeScope }

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

func (q fakeSQL) Open(query string, args []any, _ bool) (driver.Cursor, error) {
	stmt, _, err := q.s.db.Prepare(query)
	if err != nil {
		return nil, &driver.Error{Name: "Error", Message: strings.TrimPrefix(err.Error(), "sqlite3: SQL logic error: ")}
	}
	for i, a := range args {
		switch v := a.(type) {
		case int64:
			err = stmt.BindFloat(i+1, float64(v)) // as the platform does
		case string:
			err = stmt.BindText(i+1, v)
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
func (*fakeCursor) Recycle()              {}
func (c *fakeCursor) Width() int          { return c.stmt.ColumnCount() }
func (c *fakeCursor) Next() (bool, error) { return c.stmt.Step(), c.stmt.Err() }
func (c *fakeCursor) Close()              { _ = c.stmt.Close() }
func (c *fakeCursor) Value(i int) driver.Value {
	switch c.stmt.ColumnType(i) {
	case sqlite3.INTEGER, sqlite3.FLOAT:
		return driver.Value{Kind: abi.SQLNumber, Float: c.stmt.ColumnFloat(i)}
	case sqlite3.TEXT:
		return driver.Value{Kind: abi.SQLText, Bytes: c.stmt.ColumnRawText(i)}
	}
	return driver.Value{}
}

// since is a time as the seconds since the start of a bubble of synctest.
func since(at time.Time) string {
	return at.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).Round(time.Millisecond).String()
}

// create has a runtime make an object on a new database.
func create[T any](open func(*objects.State) (*T, error)) (*fakeScope, *T, error) {
	db, err := sqlite3.Open(":memory:")
	if err != nil {
		return nil, nil, err
	}
	s := &fakeScope{db: db}
	var object *T
	c := objects.NewClass("C", func(state *objects.State) (_ *T, err error) {
		object, err = open(state)
		return object, err
	})
	_, err = objects.Program{Classes: []*objects.Class{c}}.Driver().Classes[0].New(s, driver.ID{})
	return s, object, err
}

func newState(t *testing.T) (*fakeScope, *objects.State) {
	t.Helper()
	type object struct{ *objects.State }
	s, o, err := create(func(state *objects.State) (*object, error) { return &object{state}, nil })
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.db.Close()) })
	return s, o.State
}

func startRoom() *Room {
	_, room, err := create(NewRoom)
	must(err)
	return room
}
