package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	object "durago.example/objects/driver"
)

// conn is a view of the database, from within a transaction while it has one. database/sql calls it from one goroutine at
// a time.
type conn struct {
	db *database
	tx object.Tx
}

var (
	_ driver.ConnPrepareContext = (*conn)(nil)
	_ driver.ConnBeginTx        = (*conn)(nil)
	_ driver.ExecerContext      = (*conn)(nil)
	_ driver.QueryerContext     = (*conn)(nil)
	_ driver.Pinger             = (*conn)(nil)
)

// Close does nothing: the database is the object's.
func (c *conn) Close() error { return nil }

// Ping fails when the object is gone.
func (c *conn) Ping(ctx context.Context) error {
	if _, err := c.sql().Size(); err != nil {
		return err
	}
	return ctx.Err()
}

func (c *conn) sql() object.SQL {
	if c.tx != nil {
		return c.tx.SQL()
	}
	return c.db.scope.SQL()
}

// ExecContext runs a text of one or more statements; arguments belong to the last.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, cursor, err := c.open(ctx, query, args, false)
	if err != nil {
		return nil, err
	}
	defer cursor.Close()
	for {
		more, err := cursor.Next()
		if err != nil {
			return nil, err
		}
		if !more {
			return c.result(s)
		}
	}
}

// QueryContext is ExecContext with the rows of the last statement.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, cursor, err := c.open(ctx, query, args, true)
	if err != nil {
		return nil, err
	}
	types, err := c.types(s, cursor.Columns())
	if err != nil {
		cursor.Close()
		return nil, err
	}
	return &rows{cursor: cursor, names: cursor.Columns(), types: types}, nil
}

func (c *conn) open(ctx context.Context, query string, named []driver.NamedValue, columns bool) (*statement, object.Cursor, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	s := c.db.statement(query)
	args, err := s.bind(named)
	if err != nil {
		return nil, nil, err
	}
	if s.defines {
		defer c.db.changed()
	}
	cursor, err := c.sql().Open(query, args, columns)
	return s, cursor, err
}

// result asks for what the last statement changed. Nothing has run since, as nothing has waited.
func (c *conn) result(s *statement) (driver.Result, error) {
	if !s.changes {
		return result{}, nil
	}
	cursor, err := c.sql().Open(`SELECT changes(), last_insert_rowid()`, nil, false)
	if err != nil {
		return nil, err
	}
	defer cursor.Close()
	if ok, err := cursor.Next(); err != nil || !ok {
		return nil, errors.Join(errors.New("sqldb: cannot tell what changed"), err)
	}
	return result{cursor.Value(0).Float, cursor.Value(1).Float}, nil
}

type result struct{ affected, id float64 }

func (r result) RowsAffected() (int64, error) { return int64(r.affected), nil }

func (r result) LastInsertId() (int64, error) { return integer(r.id) }

// PrepareContext keeps the text.
func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return &stmt{c, query}, ctx.Err()
}

// Prepare is PrepareContext, which database/sql calls instead.
func (c *conn) Prepare(query string) (driver.Stmt, error) { return &stmt{c, query}, nil }

// BeginTx begins a transaction that excludes all else that happens to the object.
func (c *conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	switch level := sql.IsolationLevel(o.Isolation); {
	case level != sql.LevelDefault && level != sql.LevelSerializable:
		return nil, fmt.Errorf("sqldb: isolation level %v is not supported: all transactions are serializable, leave it out", level)
	case o.ReadOnly:
		return nil, errors.New("sqldb: the platform has no read-only transactions: leave ReadOnly out")
	case c.tx != nil:
		return nil, errors.New("sqldb: the connection is in a transaction: end it first")
	}
	t, err := c.db.scope.Storage().Begin(ctx)
	if err != nil {
		return nil, err
	}
	c.tx = t
	return tx{c}, nil
}

// Begin is BeginTx, which database/sql calls instead.
func (c *conn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

// tx is the transaction of a connection.
type tx struct{ c *conn }

func (t tx) Commit() error { return t.c.leave().Commit() }

func (t tx) Rollback() error {
	// What was defined in it is undone.
	defer t.c.db.changed()
	return t.c.leave().Rollback()
}

func (c *conn) leave() object.Tx {
	t := c.tx
	c.tx = nil
	return t
}
