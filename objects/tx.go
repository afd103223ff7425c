package objects

import (
	"context"
	"time"

	"durago.example/objects/driver"
)

// Transaction runs f, which may wait; other events of the object are held until it returns. Its writes, and what it did
// to the alarm, are undone if f returns an error, which Transaction then returns, or calls tx.Rollback. Transactions
// nest. f has 30 seconds: past them the object is reset. See
// https://developers.cloudflare.com/durable-objects/api/legacy-kv-storage-api/#transaction.
//
// What f sends while it runs leaves without waiting for the transaction, which is not committed yet.
func (s *Storage) Transaction(ctx context.Context, f func(ctx context.Context, tx *Tx) error) error {
	return s.scope.Storage().Transaction(ctx, func(ctx context.Context, rollback func() error) (err error) {
		state := &txState{}
		defer func() { state.over, state.rolledBack = true, state.rolledBack || err != nil }()
		return f(ctx, &Tx{&Storage{txScope{s.scope, state}}, state, rollback})
	})
}

// Tx is a running Transaction: the object's storage until the transaction ends. Operations of the storage itself take
// part in it too; those of a Tx fail when it has been rolled back or is over.
type Tx struct {
	*Storage
	state    *txState
	rollback func() error
}

// Rollback undoes what the transaction has done; what f returns is still returned. A second call does nothing. It fails
// while a transaction within this one is running, and when this one is over.
func (t *Tx) Rollback() error {
	if t.state.rolledBack {
		return nil
	}
	if err := t.state.check("rollback"); err != nil {
		return err
	}
	if err := t.rollback(); err != nil {
		return err
	}
	t.state.rolledBack = true
	return nil
}

type txState struct{ rolledBack, over bool }

// check refuses an operation after the end, in the platform's words.
func (t *txState) check(op string) error {
	switch {
	case t.rolledBack:
		return &Error{Name: "Error", Message: "Cannot " + op + "() on rolled back transaction"}
	case t.over:
		return &Error{Name: "Error", Message: "Cannot call " + op + "() on transaction that has already committed: did you move `txn` outside of the closure?"}
	}
	return nil
}

// txScope is a scope whose storage is checked before each operation.
type txScope struct {
	driver.Scope
	tx *txState
}

func (s txScope) SQL() driver.SQL         { return txSQL{s.Scope.SQL(), s.tx} }
func (s txScope) KV() driver.KV           { return txKV{s.Scope.KV(), s.tx} }
func (s txScope) AsyncKV() driver.AsyncKV { return txAsyncKV{s.Scope.AsyncKV(), s.tx} }
func (s txScope) Storage() driver.Storage { return txStorage{s.Scope.Storage(), s.tx} }

type txSQL struct {
	driver.SQL
	tx *txState
}

func (s txSQL) Exec(query string, args []any) (read, written int64, err error) {
	if err := s.tx.check("exec"); err != nil {
		return 0, 0, err
	}
	return s.SQL.Exec(query, args)
}

func (s txSQL) Open(query string, args []any, columns bool) (driver.Cursor, error) {
	if err := s.tx.check("exec"); err != nil {
		return nil, err
	}
	return s.SQL.Open(query, args, columns)
}

type txKV struct {
	driver.KV
	tx *txState
}

func (k txKV) Get(key string) ([]byte, bool, error) {
	if err := k.tx.check("get"); err != nil {
		return nil, false, err
	}
	return k.KV.Get(key)
}

func (k txKV) Put(key string, value []byte) error {
	if err := k.tx.check("put"); err != nil {
		return err
	}
	return k.KV.Put(key, value)
}

func (k txKV) Delete(key string) (bool, error) {
	if err := k.tx.check("delete"); err != nil {
		return false, err
	}
	return k.KV.Delete(key)
}

func (k txKV) List(o driver.ListOptions) ([]driver.Entry, error) {
	if err := k.tx.check("list"); err != nil {
		return nil, err
	}
	return k.KV.List(o)
}

type txAsyncKV struct {
	driver.AsyncKV
	tx *txState
}

func (k txAsyncKV) Get(ctx context.Context, keys []string, flags byte) ([]driver.Entry, error) {
	if err := k.tx.check("get"); err != nil {
		return nil, err
	}
	return k.AsyncKV.Get(ctx, keys, flags)
}

func (k txAsyncKV) Put(ctx context.Context, entries []driver.Entry, flags byte) error {
	if err := k.tx.check("put"); err != nil {
		return err
	}
	return k.AsyncKV.Put(ctx, entries, flags)
}

func (k txAsyncKV) Delete(ctx context.Context, keys []string, flags byte) (int, error) {
	if err := k.tx.check("delete"); err != nil {
		return 0, err
	}
	return k.AsyncKV.Delete(ctx, keys, flags)
}

func (k txAsyncKV) List(ctx context.Context, o driver.ListOptions, flags byte) ([]driver.Entry, error) {
	if err := k.tx.check("list"); err != nil {
		return nil, err
	}
	return k.AsyncKV.List(ctx, o, flags)
}

type txStorage struct {
	driver.Storage
	tx *txState
}

func (s txStorage) Alarm(ctx context.Context) (time.Time, bool, error) {
	if err := s.tx.check("getAlarm"); err != nil {
		return time.Time{}, false, err
	}
	return s.Storage.Alarm(ctx)
}

func (s txStorage) SetAlarm(ctx context.Context, at time.Time, flags byte) error {
	if err := s.tx.check("setAlarm"); err != nil {
		return err
	}
	return s.Storage.SetAlarm(ctx, at, flags)
}

func (s txStorage) DeleteAlarm(ctx context.Context, flags byte) error {
	if err := s.tx.check("deleteAlarm"); err != nil {
		return err
	}
	return s.Storage.DeleteAlarm(ctx, flags)
}

// DeleteAll is refused by the platform within any transaction.
func (s txStorage) DeleteAll(ctx context.Context) error {
	if err := s.tx.check("deleteAll"); err != nil {
		return err
	}
	return s.Storage.DeleteAll(ctx)
}

func (s txStorage) TransactionSync(f func() error) error {
	if err := s.tx.check("transactionSync"); err != nil {
		return err
	}
	return s.Storage.TransactionSync(f)
}

func (s txStorage) Transaction(ctx context.Context, f func(ctx context.Context, rollback func() error) error) error {
	if err := s.tx.check("transaction"); err != nil {
		return err
	}
	return s.Storage.Transaction(ctx, f)
}
