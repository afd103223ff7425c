package gates

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"durago.example/objects"
)

// hold waits inside a transaction.
func (g *Gate) hold(w http.ResponseWriter, r *http.Request) error {
	err := g.storage.Transaction(r.Context(), func(ctx context.Context, tx *objects.Tx) error {
		g.note("start")
		if err := g.add("held"); err != nil {
			return err
		}
		pause(number(r, "ms"))
		g.note("end")
		if r.URL.Query().Has("fail") {
			return errors.New("undo")
		}
		return nil
	})
	fmt.Fprint(w, err)
	return nil
}

// step is what a transaction's case does.
type step func(ctx context.Context, g *Gate, tx *objects.Tx) error

var errUndo = errors.New("undo")

func alarm(minutes int) step {
	return func(ctx context.Context, _ *Gate, tx *objects.Tx) error {
		return tx.SetAlarm(ctx, time.Date(2100, 1, 1, 0, minutes, 0, 0, time.UTC))
	}
}

func write(v string) step {
	return func(_ context.Context, g *Gate, _ *objects.Tx) error { return g.add(v) }
}

func say(what string, f step) step {
	return func(ctx context.Context, g *Gate, tx *objects.Tx) error {
		g.note("%s: %v", what, f(ctx, g, tx))
		return nil
	}
}

func rollback(_ context.Context, _ *Gate, tx *objects.Tx) error { return tx.Rollback() }

func fail(context.Context, *Gate, *objects.Tx) error { return errUndo }

// nest is a transaction within.
func nest(steps ...step) step {
	return func(ctx context.Context, g *Gate, tx *objects.Tx) error {
		return tx.Transaction(ctx, func(ctx context.Context, tx *objects.Tx) error { return run(ctx, g, tx, steps) })
	}
}

// atOnce is a synchronous one within.
func atOnce(steps ...step) step {
	return func(ctx context.Context, g *Gate, tx *objects.Tx) error {
		return tx.TransactionSync(func() error { return run(ctx, g, tx, steps) })
	}
}

func run(ctx context.Context, g *Gate, tx *objects.Tx, steps []step) error {
	for _, f := range steps {
		if err := f(ctx, g, tx); err != nil {
			return err
		}
	}
	return nil
}

func get(ctx context.Context, _ *Gate, tx *objects.Tx) error {
	_, _, err := objects.NewKey[string]("k").GetAsync(ctx, tx.Async(), nil)
	return err
}

func deleteAll(ctx context.Context, _ *Gate, tx *objects.Tx) error { return tx.DeleteAll(ctx) }

// transactions are the cases, by name.
var transactions = map[string][]step{
	"stays":          {write("a"), alarm(1), nest(write("b"), alarm(2)), write("c")},
	"fails":          {write("a"), alarm(1), fail},
	"inner-fails":    {write("a"), alarm(1), say("inner", nest(write("b"), alarm(2), fail)), write("c")},
	"outer-fails":    {write("a"), nest(write("b"), alarm(2)), fail},
	"rollback":       {write("a"), alarm(1), rollback, say("get", get), say("again", rollback), write("b")},
	"inner-rollback": {write("a"), nest(write("b"), alarm(2), rollback, write("c")), write("d")},
	"outer-rollback": {write("a"), func(ctx context.Context, g *Gate, outer *objects.Tx) error {
		return outer.Transaction(ctx, func(ctx context.Context, tx *objects.Tx) error {
			return say("outer", func(ctx context.Context, g *Gate, _ *objects.Tx) error { return outer.Rollback() })(ctx, g, tx)
		})
	}},
	"sync":       {write("a"), atOnce(write("b"), atOnce(write("c"))), say("inner", atOnce(write("d"), atOnce(write("e")), fail))},
	"sync-waits": {atOnce(say("deleteAll", deleteAll))},
	"delete-all": {write("a"), say("tx", deleteAll), say("storage", func(ctx context.Context, g *Gate, _ *objects.Tx) error { return g.storage.DeleteAll(ctx) })},
	"syncs":      {write("a"), say("sync", func(ctx context.Context, g *Gate, tx *objects.Tx) error { return g.storage.Sync(ctx) })},
	"broken": {func(_ context.Context, g *Gate, _ *objects.Tx) error {
		_, err := g.sql.Exec(`INSERT INTO c VALUES (1)`)
		return err
	}},
}

// transaction runs a case on an empty table and tells what it said, and what is there afterwards.
func (g *Gate) transaction(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	if _, err := g.sql.Exec(`DELETE FROM n`); err != nil {
		return err
	}
	if err := g.storage.DeleteAlarm(ctx); err != nil {
		return err
	}
	g.log.all(true)
	err := g.storage.Transaction(ctx, func(ctx context.Context, tx *objects.Tx) error {
		g.tx = tx
		return run(ctx, g, tx, transactions[r.URL.Query().Get("case")])
	})
	at, ok, aerr := g.storage.Alarm(ctx)
	if aerr != nil {
		return aerr
	}
	set := "none"
	if ok {
		set = at.UTC().Format("15:04")
	}
	fmt.Fprintf(w, "%v; %s; has %q, alarm %s", err, strings.Join(g.log.all(false), "; "), g.all(), set)
	return nil
}

// ends uses a transaction that is over.
func (g *Gate) ends(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	for _, f := range []step{get, rollback, deleteAll, alarm(1), nest(), atOnce(),
		func(_ context.Context, _ *Gate, tx *objects.Tx) error {
			_, err := tx.SQL().Exec(`SELECT 1`)
			return err
		}} {
		fmt.Fprintln(w, f(ctx, g, g.tx))
	}
	return nil
}

// callInside calls another object from inside a transaction that has written.
func (g *Gate) callInside(w http.ResponseWriter, r *http.Request) error {
	return g.storage.Transaction(r.Context(), func(ctx context.Context, tx *objects.Tx) error {
		if err := g.add("before"); err != nil {
			return err
		}
		n, err := touch.Call(ctx, objects.NamespaceOf(ctx, "GATE").GetByName("another"))
		fmt.Fprint(w, n)
		return err
	})
}

// stray keeps a transaction for later.
func (g *Gate) stray(_ http.ResponseWriter, r *http.Request) error {
	return g.storage.Transaction(r.Context(), func(_ context.Context, tx *objects.Tx) error {
		g.tx = tx
		return nil
	})
}
