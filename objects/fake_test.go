package objects_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/objects"
	"durago.example/objects/driver"
	"durago.example/wasm/abi"
)

// start makes an object of a class, as a runtime does.
func start(t *testing.T, c *objects.Class, scope driver.Scope) driver.Instance {
	i, err := objects.Program{Classes: []*objects.Class{c}}.Driver().Classes[0].New(scope, driver.ID{})
	require.NoError(t, err)
	return i
}

// fakeScope is an object whose database has one result. What a test does not set panics.
type fakeScope struct {
	driver.Scope
	result *fakeResult
}

func (s *fakeScope) SQL() driver.SQL { return s.result }

// fakeResult is the answer to any query, and its cursor.
type fakeResult struct {
	driver.SQL
	columns []string
	rows    [][]driver.Value
	fail    error // after the rows
	named   bool  // the query asked for the names of the columns
	at      int
	closed  int
}

var _ driver.Cursor = (*fakeResult)(nil)

func (r *fakeResult) Exec(string, []any) (read, written int64, err error) {
	return int64(len(r.rows)), 7, r.fail
}

func (r *fakeResult) Open(_ string, _ []any, columns bool) (driver.Cursor, error) {
	r.named = columns
	return r, nil
}
func (r *fakeResult) Columns() []string { return r.columns }
func (r *fakeResult) Width() int        { return len(r.columns) }
func (r *fakeResult) Next() (bool, error) {
	r.at++
	if r.at > len(r.rows) {
		return false, r.fail
	}
	return true, nil
}
func (r *fakeResult) Value(i int) driver.Value { return r.rows[r.at-1][i] }
func (*fakeResult) Recycle()                   {}
func (r *fakeResult) Close()                   { r.closed++ }

func number(f float64) driver.Value { return driver.Value{Kind: abi.SQLNumber, Float: f} }
func text(s string) driver.Value    { return driver.Value{Kind: abi.SQLText, Bytes: []byte(s)} }
func blob(s string) driver.Value    { return driver.Value{Kind: abi.SQLBlob, Bytes: []byte(s)} }

var null = driver.Value{Kind: abi.SQLNull}

// sqlOf is a database that answers r.
func sqlOf(t *testing.T, r *fakeResult) (sql *objects.SQL) {
	type object struct{}
	start(t, objects.NewClass("C", func(s *objects.State) (*object, error) {
		sql = s.Storage().SQL()
		return &object{}, nil
	}), &fakeScope{result: r})
	return sql
}
