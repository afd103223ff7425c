// Package tour calls every query of package store once, and writes down what it saw. It runs natively and in an object.
package tour

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"durago.example/objects"
	"durago.example/testdata/guests/library/store"
)

// tour is under way until something fails that should not.
type tour struct {
	ctx   context.Context
	db    *sql.DB
	q     *store.Queries
	lines strings.Builder
	anns  []int64 // ids of the books of Ann
}

// Run works on empty tables.
func Run(ctx context.Context, db *sql.DB, q *store.Queries) (string, error) {
	t := &tour{ctx: ctx, db: db, q: q}
	for _, step := range []func() error{t.authors, t.books, t.transactions, t.sell, t.search, t.whileOpen, t.remove} {
		if err := step(); err != nil {
			return t.lines.String(), err
		}
	}
	return t.lines.String(), nil
}

func (t *tour) say(format string, args ...any) { fmt.Fprintf(&t.lines, format+"\n", args...) }

func (t *tour) authors() error {
	for _, a := range []store.CreateAuthorParams{
		{Name: "Ann", Born: sql.NullTime{Time: time.Date(1969, 7, 20, 0, 0, 0, 0, time.UTC), Valid: true}},
		{Name: "Bob", Bio: sql.NullString{String: "wrote", Valid: true}},
	} {
		made, err := t.q.CreateAuthor(t.ctx, a)
		if err != nil {
			return err
		}
		now := time.Since(made.CreatedAt).Abs() < time.Hour
		t.say("author %d %s, bio %v, born %v, now %v", made.ID, made.Name, made.Bio, made.Born, now)
	}
	_, err := t.q.CreateAuthor(t.ctx, store.CreateAuthorParams{Name: "Ann"})
	var e *objects.Error
	t.say("again: %v", errors.As(err, &e) && strings.HasPrefix(e.Message, "UNIQUE constraint failed: authors.name"))
	ann, err := t.q.GetAuthor(t.ctx, "Ann")
	t.say("got %d %s, %v", ann.ID, ann.Name, err)
	_, err = t.q.GetAuthor(t.ctx, "Nobody")
	t.say("nobody: %v", errors.Is(err, sql.ErrNoRows))
	return nil
}

func (t *tour) books() error {
	for _, b := range []store.CreateBookParams{
		{AuthorID: 1, Title: "Zero", Price: 0, Cover: []byte{0, 255}},
		{AuthorID: 1, Title: "Half", Price: 12.5},
		{AuthorID: 2, Title: "Whole", Price: 8, Cover: []byte{}},
	} {
		id, err := t.q.CreateBook(t.ctx, b)
		if err != nil {
			return err
		}
		t.say("book %d", id)
		if b.AuthorID == 1 {
			t.anns = append(t.anns, id)
		}
	}
	return nil
}

func (t *tour) transactions() error {
	for _, end := range []func(*sql.Tx) error{(*sql.Tx).Rollback, (*sql.Tx).Commit} {
		tx, err := t.db.BeginTx(t.ctx, nil)
		if err != nil {
			return err
		}
		n, err := t.q.WithTx(tx).Reprice(t.ctx, store.RepriceParams{Factor: 2, InPrint: true})
		if err != nil {
			return errors.Join(err, tx.Rollback())
		}
		inside, err := t.q.WithTx(tx).Prices(t.ctx)
		if err != nil {
			return errors.Join(err, tx.Rollback())
		}
		if err := end(tx); err != nil {
			return err
		}
		after, err := t.q.Prices(t.ctx)
		if err != nil {
			return err
		}
		t.say("repriced %d: %+v, then %+v; again %v", n, inside, after, tx.Commit())
	}
	return nil
}

func (t *tour) sell() error {
	at := time.Date(2026, 11, 17, 12, 30, 0, 987_654_321, time.FixedZone("", 3600))
	if err := t.q.SellBook(t.ctx, store.SellBookParams{SoldAt: sql.NullTime{Time: at, Valid: true}, ID: t.anns[0]}); err != nil {
		return err
	}
	for _, p := range []store.BooksByParams{{Name: "Ann", Limit: 9}, {Name: "Ann", Limit: 1, Offset: 1}} {
		rows, err := t.q.BooksBy(t.ctx, p)
		if err != nil {
			return err
		}
		for _, r := range rows {
			t.say("%s by %s, born %v: sold %v, in print %v, cover %v", r.Book.Title, r.Author.Name, r.Author.Born.Time, r.Book.SoldAt, r.Book.InPrint, r.Book.Cover)
		}
	}
	return nil
}

func (t *tour) search() error {
	for _, price := range []any{nil, 20.5, 10} {
		books, err := t.q.SearchBooks(t.ctx, store.SearchBooksParams{Pattern: "%e%", MaxPrice: price})
		if err != nil {
			return err
		}
		t.say("for %v: %v", price, titles(books))
	}
	for _, ids := range [][]int64{t.anns, nil} {
		books, err := t.q.BooksByID(t.ctx, store.BooksByIDParams{Ids: ids, AuthorID: 1})
		if err != nil {
			return err
		}
		t.say("of %d: %v", len(ids), titles(books))
	}
	return nil
}

func titles(books []store.Book) (out []string) {
	for _, b := range books {
		out = append(out, b.Title)
	}
	return out
}

// whileOpen changes the table that it reads.
func (t *tour) whileOpen() error {
	rows, err := t.db.QueryContext(t.ctx, `SELECT id, name FROM authors ORDER BY id`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var p store.RenameAuthorParams
		if err := rows.Scan(&p.ID, &p.Name); err != nil {
			return err
		}
		p.Name = strings.ToUpper(p.Name)
		if err := t.q.RenameAuthor(t.ctx, p); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	list, err := t.q.ListAuthors(t.ctx)
	t.say("authors %v", list)
	return err
}

func (t *tour) remove() error {
	result, err := t.q.DeleteAuthor(t.ctx, 1)
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err != nil {
		return err
	}
	left, err := t.q.Prices(t.ctx)
	t.say("removed %d, left %+v", n, left)
	return err
}
