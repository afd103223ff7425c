package library

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"time"

	"durago.example/objects"
)

func pause(ms int) { time.Sleep(time.Duration(ms) * time.Millisecond) }

// hold waits inside a transaction, while another event of the object is there already.
func (l *Library) hold(ctx context.Context, _ http.ResponseWriter) error {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	l.note("begun")
	noted := make(chan error)
	go func() {
		name, _ := l.state.ID().Name()
		noted <- note.Call(ctx, objects.NamespaceOf(ctx, "LIBRARY").GetByName(name))
	}()
	pause(100)
	l.note("ends")
	return errors.Join(tx.Commit(), <-noted)
}

func (l *Library) noted(context.Context) error {
	l.note("note")
	return nil
}

// often tells how many bytes its goroutine keeps of each transaction that it has had.
func (l *Library) often(ctx context.Context, w http.ResponseWriter) error {
	const n = 500
	var before, after runtime.MemStats
	for _, m := range []*runtime.MemStats{&before, &after} {
		for range n {
			if err := l.within(ctx, "a", func(tx *sql.Tx) error { return tx.Rollback() }); err != nil {
				return err
			}
		}
		runtime.GC()
		runtime.ReadMemStats(m)
	}
	fmt.Fprint(w, (int64(after.HeapAlloc)-int64(before.HeapAlloc))/n)
	return nil
}

// leave returns with a transaction that is open: the context of the event ends it.
func (l *Library) leave(ctx context.Context, _ http.ResponseWriter) error {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	return l.add(tx, "left")
}

// abandon returns with a transaction that nothing ends.
func (l *Library) abandon(context.Context, http.ResponseWriter) error {
	tx, err := l.db.Begin()
	if err != nil {
		return err
	}
	return l.add(tx, "abandoned")
}

// cases are run one after the other, each on an empty table.
func (l *Library) cases(ctx context.Context, w http.ResponseWriter) error {
	for _, c := range cases {
		if _, err := l.db.ExecContext(ctx, `DELETE FROM n`); err != nil {
			return err
		}
		l.log = nil
		err := c.f(l, ctx)
		fmt.Fprintf(w, "%s: %s; %v; has %q\n", c.name, strings.Join(l.log, ", "), err, l.all())
	}
	return nil
}

var errUndo = errors.New("undo")

var cases = []struct {
	name string
	f    func(l *Library, ctx context.Context) error
}{
	{"commit", func(l *Library, ctx context.Context) error {
		return l.within(ctx, "a", func(tx *sql.Tx) error { return tx.Commit() })
	}},
	{"rollback", func(l *Library, ctx context.Context) error {
		return l.within(ctx, "a", func(tx *sql.Tx) error { return tx.Rollback() })
	}},
	{"waits", func(l *Library, ctx context.Context) error {
		return l.within(ctx, "a", func(tx *sql.Tx) error {
			pause(30)
			return errors.Join(l.add(tx, "b"), tx.Commit())
		})
	}},
	{"beside", func(l *Library, ctx context.Context) error { // what its goroutine does without the Tx is in it
		return l.within(ctx, "a", func(tx *sql.Tx) error {
			_, err := l.state.Storage().SQL().Exec(`INSERT INTO n VALUES ('storage')`)
			err = errors.Join(err, l.add(l.db, "db"))
			l.note("inside %s", l.all())
			return errors.Join(err, tx.Rollback())
		})
	}},
	{"started", func(l *Library, ctx context.Context) error { // a goroutine that it starts is inside too
		return l.within(ctx, "a", func(tx *sql.Tx) error {
			done := make(chan error)
			go func() { done <- l.add(l.db, "started") }()
			return errors.Join(<-done, tx.Rollback())
		})
	}},
	{"the context ends", func(l *Library, ctx context.Context) error {
		short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
		defer cancel()
		err := l.within(short, "a", func(tx *sql.Tx) error {
			pause(120)
			err := l.add(l.db, "after")
			l.note("commit: %v, exec: %v", tx.Commit(), l.add(tx, "b"))
			return err
		})
		return errors.Join(err, l.within(ctx, "next", func(tx *sql.Tx) error { return tx.Commit() }))
	}},
	{"elsewhere", (*Library).elsewhere},
	{"ended elsewhere", func(l *Library, ctx context.Context) error { // the goroutine that began it is outside then
		return l.within(ctx, "a", func(tx *sql.Tx) error {
			l.note("%v", l.outside(func() error { return tx.Rollback() }))
			again, err := l.db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			return errors.Join(l.add(again, "again"), again.Commit(), l.add(l.db, "after"))
		})
	}},
	{"nested", func(l *Library, ctx context.Context) error {
		return l.within(ctx, "a", func(tx *sql.Tx) error {
			_, err := l.db.BeginTx(ctx, nil)
			l.note("%v", err)
			return tx.Commit()
		})
	}},
	{"two", func(l *Library, ctx context.Context) error { // the second waits for the first, or for its context
		return l.within(ctx, "a", func(tx *sql.Tx) error {
			short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			defer cancel()
			l.note("%v", l.outside(func() error { _, err := l.db.BeginTx(short, nil); return err }))
			second := make(chan error)
			l.state.Go(func(context.Context) {
				second <- l.within(ctx, "b", func(tx *sql.Tx) error { return errors.Join(l.add(tx, "c"), tx.Commit()) })
			})
			pause(10)
			return errors.Join(l.add(tx, "first"), tx.Commit(), <-second)
		})
	}},
	{"asked for", func(l *Library, ctx context.Context) error { // before the first has begun: it ends as soon as it begins
		first, second, given := make(chan error), make(chan error), make(chan struct{})
		l.state.Go(func(context.Context) {
			l.state.Go(func(context.Context) {
				short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
				defer cancel()
				_, err := l.db.BeginTx(short, nil)
				l.note("%v", err)
				close(given)
				second <- nil
			})
			first <- l.within(ctx, "a", func(tx *sql.Tx) error {
				<-given
				l.note("commits")
				return tx.Commit()
			})
		})
		err := errors.Join(<-second, <-first)
		return errors.Join(err, l.within(ctx, "next", func(tx *sql.Tx) error { return tx.Commit() }))
	}},
	{"transaction inside", func(l *Library, ctx context.Context) error {
		return l.within(ctx, "a", func(tx *sql.Tx) error {
			err := l.state.Storage().Transaction(ctx, func(context.Context, *objects.Tx) error {
				return errors.Join(l.add(tx, "undone"), errUndo)
			})
			l.note("%v", err)
			err = l.state.Storage().TransactionSync(func() error { return errors.Join(l.add(tx, "undone"), errUndo) })
			l.note("%v", err)
			return errors.Join(l.add(tx, "b"), tx.Commit())
		})
	}},
	{"inside a transaction", func(l *Library, ctx context.Context) error {
		return l.state.Storage().Transaction(ctx, func(ctx context.Context, _ *objects.Tx) error {
			return errors.Join(
				l.within(ctx, "undone", func(tx *sql.Tx) error { return tx.Rollback() }),
				l.within(ctx, "kept", func(tx *sql.Tx) error { return tx.Commit() }))
		})
	}},
	{"committed too early", func(l *Library, ctx context.Context) error { // from inside what began within it
		return l.within(ctx, "a", func(tx *sql.Tx) error {
			err := l.state.Storage().Transaction(ctx, func(context.Context, *objects.Tx) error {
				l.note("%v", tx.Commit())
				return nil
			})
			return errors.Join(err, l.add(l.db, "after"))
		})
	}},
	{"rolled back too early", func(l *Library, ctx context.Context) error {
		return l.within(ctx, "a", func(tx *sql.Tx) error {
			err := l.state.Storage().Transaction(ctx, func(context.Context, *objects.Tx) error {
				l.note("%v", tx.Rollback())
				return nil
			})
			return errors.Join(err, l.add(l.db, "after"))
		})
	}},
	{"used elsewhere meanwhile", func(l *Library, ctx context.Context) error { // while a section within it is open
		return l.within(ctx, "a", func(tx *sql.Tx) error {
			err := l.state.Storage().Transaction(ctx, func(context.Context, *objects.Tx) error {
				l.note("%v", l.outside(func() error { return l.add(tx, "x") }))
				return l.add(tx, "b")
			})
			return errors.Join(err, tx.Commit())
		})
	}},
	{"in TransactionSync", func(l *Library, ctx context.Context) error {
		return l.state.Storage().TransactionSync(func() error {
			_, err := l.db.BeginTx(ctx, nil)
			l.note("%v", err)
			return l.add(l.db, "a")
		})
	}},
	{"alarm", func(l *Library, ctx context.Context) error { // what is done to the alarm is undone too
		at, set := time.Now().Add(time.Hour), func() bool { _, ok, _ := l.state.Storage().Alarm(ctx); return ok }
		return l.within(ctx, "a", func(tx *sql.Tx) error {
			err := l.state.Storage().SetAlarm(ctx, at)
			l.note("%v", set())
			err = errors.Join(err, tx.Rollback())
			l.note("%v", set())
			return err
		})
	}},
	{"panic", func(l *Library, ctx context.Context) (err error) {
		defer func() { err = errors.Join(err, l.add(l.db, fmt.Sprint(recover()))) }()
		return l.within(ctx, "a", func(tx *sql.Tx) error {
			defer tx.Rollback()
			panic("recovered")
		})
	}},
}

// within begins a transaction, adds v, and has f end it.
func (l *Library) within(ctx context.Context, v string, f func(tx *sql.Tx) error) error {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := l.add(tx, v); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return f(tx)
}

// outside runs f on a goroutine that is in no transaction.
func (l *Library) outside(f func() error) error {
	done := make(chan error)
	l.state.Go(func(context.Context) { done <- f() })
	return <-done
}

// elsewhere has a goroutine from outside use the Tx and end it, while another that uses only the database waits.
func (l *Library) elsewhere(ctx context.Context) error {
	use, used, beside := make(chan *sql.Tx), make(chan error), make(chan error)
	l.state.Go(func(context.Context) {
		tx := <-use
		pause(10)
		err := l.add(tx, "elsewhere")
		var n int
		err = errors.Join(err, tx.QueryRow(`SELECT count(*) FROM n`).Scan(&n))
		l.note("sees %d", n)
		err = errors.Join(err, tx.Commit())
		l.note("committed")
		used <- err
	})
	return l.within(ctx, "a", func(tx *sql.Tx) error {
		l.state.Go(func(context.Context) {
			err := l.add(l.db, "beside")
			l.note("beside")
			beside <- err
		})
		pause(10)
		use <- tx
		return errors.Join(<-used, <-beside)
	})
}
