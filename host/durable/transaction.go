package durable

import "errors"

// Transaction is a savepoint within the implicit transaction of a turn, and what the object's alarm was when it began.
// Transactions nest.
type Transaction struct {
	o        *Object
	outer    *Transaction
	explicit bool // it may last longer than a turn, in a section
	over     bool
	alarm    alarmMark
}

// ErrOuter is the failure of a Rollback around another transaction.
var ErrOuter = &Error{Name: "Error", Message: "Cannot roll back an outer transaction while a nested transaction is still running."}

// Begin begins a transaction that ends in the same turn.
func (o *Object) Begin() (*Transaction, error) { return o.begin(false) }

func (o *Object) begin(explicit bool) (*Transaction, error) {
	if o.broken != nil {
		return nil, o.broken
	}
	if explicit && o.tx == nil {
		if o.commit(); o.broken != nil {
			return nil, o.broken
		}
	}
	if err := o.db.Savepoint(); err != nil {
		return nil, err
	}
	t := &Transaction{o: o, outer: o.tx, explicit: explicit, alarm: o.alarm.mark()}
	o.tx = t
	if explicit {
		o.explicit++
	}
	return t, nil
}

// Rollback undoes what was written since the beginning, and what was done to the alarm. The transaction is over then: what
// follows belongs to what is around it. A second Rollback does nothing.
func (t *Transaction) Rollback() error {
	if t.over {
		return nil
	}
	if t.o.tx != t {
		return ErrOuter
	}
	t.o.alarm.restore(t.alarm)
	return t.close(true)
}

// End ends the transaction of Begin, and undoes it if it failed.
func (t *Transaction) End(failed bool) error {
	switch {
	case t.over:
		return nil
	case failed:
		return t.Rollback()
	case t.o.tx != t:
		return errors.New("durable: a transaction ends before one within it")
	}
	return t.close(false)
}

func (t *Transaction) close(rollback bool) error {
	t.over = true
	t.o.tx = t.outer
	if t.explicit {
		t.o.explicit--
	}
	return t.o.db.Release(rollback)
}
