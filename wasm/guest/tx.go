package guest

import (
	"context"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
)

// Begin begins a transaction whose end comes apart. The section is the caller's goroutine's, as in Transaction; the handle
// knows it too, so that other goroutines need not be inside to use it.
func (s *scope) Begin(ctx context.Context) (driver.Tx, error) {
	s.g.take()
	if l := running(); l != nil {
		for in := l.section; in != nil; in = in.outer {
			if in.apart && !in.ended {
				return nil, errNested
			}
		}
	}
	sec, err := s.ask(ctx, abi.OpTransaction)
	if err != nil {
		return nil, err
	}
	sec.apart = true
	return &tx{s, sec}, nil
}

type tx struct {
	s   *scope
	sec *section
}

var _ driver.Tx = (*tx)(nil)

func (t *tx) SQL() driver.SQL { return txSQL{t} }

func (t *tx) Commit() error {
	if err := t.ends(); err != nil {
		return err
	}
	if t.inside() {
		t.abandon()
		return errUndone
	}
	return t.s.finish(t.sec, abi.OpReturn, nil)
}

func (t *tx) Rollback() error {
	if err := t.ends(); err != nil {
		return err
	}
	if t.inside() {
		t.abandon()
		return nil
	}
	err := t.s.finish(t.sec, abi.OpFail, appendError(nil, errRollback, ""))
	if err != nil && err.Error() == errRollback.Error() {
		return nil // it has come back
	}
	return err
}

// errRollback is the reason for which a transaction of Begin fails in the eyes of the runtime.
var errRollback = &driver.Error{Name: "Error", Message: "rollback"}

func (t *tx) ends() error {
	t.s.g.take()
	if t.sec.ending {
		return errOver
	}
	t.sec.ending = true
	return nil
}

// inside tells whether the running goroutine is in a section that began within the transaction: that has to end first.
func (t *tx) inside() bool {
	open := t.s.section
	return open != nil && open != t.sec && open.holds()
}

// abandon has the transaction undone when those within it have ended.
func (t *tx) abandon() {
	t.s.g.start(func() { _ = t.s.finish(t.sec, abi.OpFail, appendError(nil, errRollback, "")) })
}

func (t *tx) over() bool {
	t.s.g.take()
	return t.sec.ending
}

type txSQL struct{ t *tx }

func (q txSQL) Exec(query string, args []any) (read, written int64, err error) {
	if q.t.over() {
		return 0, 0, errOver
	}
	return sqlite{q.t.s, q.t.sec}.Exec(query, args)
}

func (q txSQL) Open(query string, args []any, columns bool) (driver.Cursor, error) {
	if q.t.over() {
		return nil, errOver
	}
	return sqlite{q.t.s, q.t.sec}.Open(query, args, columns)
}

func (q txSQL) Size() (int64, error) { return sqlite{q.t.s, q.t.sec}.Size() }
