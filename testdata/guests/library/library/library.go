// Package library is the guest of the tests of objects/sqldb: an object that keeps its data through database/sql, with
// code that sqlc made.
package library

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"time"

	"durago.example/objects"
	"durago.example/objects/httpclient"
	"durago.example/objects/sqldb"
	"durago.example/testdata/guests/library/store"
	"durago.example/testdata/guests/library/tour"
)

// Program is what the guest exports.
func Program() objects.Program {
	return objects.Program{
		Classes: []*objects.Class{objects.NewClass("Library", newLibrary, note)},
		Fetch:   http.HandlerFunc(front),
	}
}

// front forwards /<object>/<verb>.
func front(w http.ResponseWriter, r *http.Request) {
	p := strings.Split(r.URL.Path, "/")
	if len(p) != 3 {
		http.NotFound(w, r)
		return
	}
	stub := objects.NamespaceOf(r.Context(), "LIBRARY").GetByName(p[1])
	var err error
	switch p[2] {
	case "client": // to the network
		err = get(w, httpclient.Transport{}, r.URL.Query().Get("url"))
	case "self": // to the object
		err = get(w, httpclient.Transport{Stub: stub}, "http://library/"+p[1]+"/"+r.URL.Query().Get("verb"))
	default:
		err = stub.Forward(w, r)
	}
	if err != nil {
		http.Error(w, "front: "+err.Error(), http.StatusBadGateway)
	}
}

// get has a client that knows no context get a URL.
func get(w http.ResponseWriter, t http.RoundTripper, url string) error {
	client := http.Client{Transport: t, Timeout: 5 * time.Second}
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	fmt.Fprintf(w, "%s %d %s", resp.Request.URL.Path, resp.StatusCode, b)
	return err
}

// Library has books, and a table n for the tests of transactions.
type Library struct {
	state *objects.State
	db    *sql.DB
	q     *store.Queries
	log   []string
}

var note = objects.MethodProc0("note", (*Library).noted)

func newLibrary(state *objects.State) (*Library, error) {
	l := &Library{state: state, db: sqldb.Open(state)}
	ctx := state.Context()
	if err := l.migrate(ctx); err != nil {
		return nil, err
	}
	var err error
	l.q, err = store.Prepare(ctx, l.db)
	return l, err
}

// migrate makes the tables in a transaction, as tools for migrations do.
func (l *Library) migrate(ctx context.Context) error {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, store.Schema+`CREATE TABLE IF NOT EXISTS n (v TEXT)`); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// Alarm lets the object have an alarm, for the tests that undo one.
func (l *Library) Alarm(context.Context, objects.AlarmInfo) error { return nil }

func (l *Library) note(format string, args ...any) {
	l.log = append(l.log, fmt.Sprintf(format, args...))
}

// ServeHTTP does what the last part of the path says, and answers with what that has noted.
func (l *Library) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := strings.Split(r.URL.Path, "/")
	verb := verbs[p[len(p)-1]]
	if verb == nil {
		http.NotFound(w, r)
		return
	}
	if err := verb(l, r.Context(), w); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
}

type verb func(l *Library, ctx context.Context, w http.ResponseWriter) error

var verbs = map[string]verb{
	"tour": func(l *Library, ctx context.Context, w http.ResponseWriter) error {
		text, err := tour.Run(ctx, l.db, l.q)
		fmt.Fprint(w, text)
		return err
	},
	"errors":  (*Library).errors,
	"types":   (*Library).types,
	"many":    (*Library).many,
	"hold":    (*Library).hold,
	"note":    func(l *Library, ctx context.Context, _ http.ResponseWriter) error { return l.noted(ctx) },
	"leave":   (*Library).leave,
	"abandon": (*Library).abandon,
	"cases":   (*Library).cases,
	"often":   (*Library).often,
	"goroutines": func(_ *Library, _ context.Context, w http.ResponseWriter) error {
		fmt.Fprint(w, runtime.NumGoroutine())
		return nil
	},
	"log": func(l *Library, _ context.Context, w http.ResponseWriter) error {
		fmt.Fprint(w, strings.Join(l.log, ","))
		l.log = nil
		return nil
	},
	"all": func(l *Library, _ context.Context, w http.ResponseWriter) error {
		fmt.Fprint(w, l.all())
		return nil
	},
}

// errors tells the platform's own words for what it refuses, as they come through.
func (l *Library) errors(ctx context.Context, w http.ResponseWriter) error {
	for _, query := range []string{
		`SELEC`, `SELECT * FROM nope`, `BEGIN`, `SAVEPOINT s`, `PRAGMA user_version`, `CREATE TEMP TABLE t (a)`, `VACUUM`, ``,
		`INSERT INTO books (author_id, title, price) VALUES (7, '', 0)`, `SELECT ?`, `SELECT ?; SELECT 1`,
	} {
		_, err := l.db.ExecContext(ctx, query)
		var e *objects.Error
		fmt.Fprintf(w, "%s: %v (%v)\n", query, err, errors.As(err, &e))
	}
	_, err := l.db.ExecContext(ctx, `SELECT ?`, int64(1<<53+1))
	fmt.Fprintln(w, err)
	err = l.db.QueryRowContext(ctx, `SELECT 9007199254740994 AS id FROM books`).Scan(new(int64))
	fmt.Fprintln(w, err)
	return nil
}

// types tells what is known of the columns of a result.
func (l *Library) types(ctx context.Context, w http.ResponseWriter) error {
	rows, err := l.db.QueryContext(ctx, `SELECT books.*, count(*), born, created_at AS made FROM books, authors`)
	if err != nil {
		return err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	for _, c := range types {
		fmt.Fprintf(w, "%s %s, ", c.Name(), c.DatabaseTypeName())
	}
	return err
}

// many reads more rows than travel at once, and leaves some unread.
func (l *Library) many(ctx context.Context, w http.ResponseWriter) error {
	const query = `WITH RECURSIVE w(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM w WHERE n < 20000) SELECT n, printf('%030d', n) FROM w`
	for _, want := range []int{20000, 3} {
		rows, err := l.db.QueryContext(ctx, query)
		if err != nil {
			return err
		}
		seen, sum := 0, 0
		for seen < want && rows.Next() {
			var n int
			var text string
			if err := rows.Scan(&n, &text); err != nil {
				return errors.Join(err, rows.Close())
			}
			if seen%5000 == 0 { // another statement meanwhile
				if err := l.add(l.db, "x"); err != nil {
					return errors.Join(err, rows.Close())
				}
			}
			seen++
			sum += n
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		fmt.Fprintf(w, "%d %d, ", seen, sum)
	}
	return nil
}

// execer is a *sql.DB, *sql.Conn or *sql.Tx.
type execer interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}

func (l *Library) add(to execer, v string) error {
	_, err := to.ExecContext(context.Background(), `INSERT INTO n VALUES (?)`, v)
	return err
}

// all are the values in the table.
func (l *Library) all() string {
	var out sql.NullString
	if err := l.db.QueryRow(`SELECT group_concat(v, ' ') FROM n`).Scan(&out); err != nil {
		return err.Error()
	}
	return out.String
}
