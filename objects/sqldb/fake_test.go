package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/objects"
	"durago.example/objects/driver"
	"durago.example/objects/internal/fakeobject"
	"durago.example/objects/sqldb"
)

// scope is an object with transactions, whose end is the test's.
type scope struct {
	*fakeobject.Object
	ctx  context.Context
	gone context.CancelFunc
	turn chan struct{} // holds who is in a transaction
}

func newScope() *scope {
	o, err := fakeobject.Open()
	must(err)
	s := &scope{Object: o, turn: make(chan struct{}, 1)}
	s.ctx, s.gone = context.WithCancel(context.WithValue(context.Background(), driver.ScopeKey, driver.Scope(s)))
	return s
}

func (s *scope) Context() context.Context { return s.ctx }
func (s *scope) Storage() driver.Storage  { return storage{Storage: s.Alarm, scope: s} }

// storage has Begin besides.
type storage struct {
	*fakeobject.Storage
	scope *scope
}

func (s storage) Begin(ctx context.Context) (driver.Tx, error) {
	select {
	case s.scope.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return &fakeTx{s.scope, false}, s.scope.DB.Script(`SAVEPOINT tx`)
}

type fakeTx struct {
	s    *scope
	over bool
}

func (t *fakeTx) SQL() driver.SQL { return t.s.SQL() }

func (t *fakeTx) Commit() error   { return t.end(`RELEASE tx`) }
func (t *fakeTx) Rollback() error { return t.end(`ROLLBACK TO tx; RELEASE tx`) }

func (t *fakeTx) end(text string) error {
	if t.over {
		return errors.New("fake: the transaction is over")
	}
	t.over = true
	defer func() { <-t.s.turn }()
	return t.s.DB.Script(text)
}

// openDB is the database of a new object; when the test ends nothing of it may be open.
func openDB(t *testing.T, schema string) (*scope, *sql.DB) {
	t.Helper()
	s := newScope()
	db, err := fakeobject.Create(s, func(state *objects.State) (*sql.DB, error) { return sqldb.Open(state), nil })
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, db.Close())
		s.gone()
		require.NoError(t, s.DB.Close())
	})
	if schema != "" {
		_, err = db.Exec(schema)
		require.NoError(t, err)
	}
	return s, db
}

func startAccount() *Account {
	account, err := fakeobject.Create(newScope(), NewAccount)
	must(err)
	return account
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
