package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"durago.example/objects"
)

// Counter counts in every way that the storage API offers, and keeps a log.
type Counter struct {
	state *objects.State
	sql   *objects.SQL
	ready bool // the tables are there
	calls int
}

var counterClass = objects.NewClass("Counter", func(state *objects.State) (*Counter, error) {
	return &Counter{state: state, sql: state.Storage().SQL()}, nil
}, bump)

var bump = objects.Method1("bump", (*Counter).bump, "by")

func (c *Counter) bump(_ context.Context, by int) (int, error) {
	c.calls += by
	return c.calls, nil
}

var kept = objects.NewKey[int]("n")

type count struct {
	N int `json:"n"`
}

type calls struct {
	Calls int `json:"calls"`
}

// ServeHTTP does what the first part of the path says.
func (c *Counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.calls++
	kind, _, _ := strings.Cut(r.URL.Path[1:], "/")
	var v any
	var err error
	switch {
	case kind == "touch":
		v = calls{c.calls}
	case kind == "relay":
		v, err = c.relay(r)
	case kind == "kvcounter":
		v, err = c.countKV()
	case kind == "akvcounter":
		v, err = c.countAsync(r.Context())
	case kind == "insert":
		v, err = c.insert(r)
	case r.Method == http.MethodGet:
		v, err = c.read()
	default:
		v, err = c.count()
	}
	answer(w, http.StatusOK, v, err)
}

// relay calls another object ten times, one after the other.
func (c *Counter) relay(r *http.Request) (v calls, err error) {
	far := objects.NamespaceOf(r.Context(), "COUNTER").GetByName(strings.TrimPrefix(r.URL.Path, "/relay/") + "-far")
	for range 10 {
		if v.Calls, err = bump.Call(r.Context(), far, 1); err != nil {
			return v, err
		}
	}
	return v, nil
}

// prepare makes the tables before the first statement that needs them: an object that is only touched stores nothing.
func (c *Counter) prepare() error {
	if c.ready {
		return nil
	}
	if _, err := c.sql.Exec(`CREATE TABLE IF NOT EXISTS c(id INTEGER PRIMARY KEY, n INTEGER NOT NULL)`); err != nil {
		return err
	}
	_, err := c.sql.Exec(`CREATE TABLE IF NOT EXISTS log(id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER, body TEXT)`)
	c.ready = err == nil
	return err
}

func (c *Counter) count() (v count, err error) {
	if err = c.prepare(); err != nil {
		return v, err
	}
	if _, err = c.sql.Exec(`INSERT INTO c(id, n) VALUES (1, 1) ON CONFLICT(id) DO UPDATE SET n = n + 1`); err != nil {
		return v, err
	}
	v.N, err = objects.One[int](c.sql, `SELECT n FROM c WHERE id = 1`)
	return v, err
}

func (c *Counter) read() (v count, err error) {
	if err = c.prepare(); err != nil {
		return v, err
	}
	v.N, err = objects.One[int](c.sql, `SELECT n FROM c WHERE id = 1`)
	if errors.Is(err, objects.ErrNoRow) {
		err = nil
	}
	return v, err
}

func (c *Counter) countKV() (count, error) {
	kv := c.state.Storage().KV()
	n, _, err := kept.Get(kv)
	if err != nil {
		return count{}, err
	}
	return count{n + 1}, kept.Put(kv, n+1)
}

func (c *Counter) countAsync(ctx context.Context) (count, error) {
	kv := c.state.Storage().Async()
	n, _, err := kept.GetAsync(ctx, kv, nil)
	if err != nil {
		return count{}, err
	}
	return count{n + 1}, kept.PutAsync(ctx, kv, n+1, nil)
}

type line struct {
	ID   int64  `json:"id"`
	At   int64  `json:"at"` // ms since 1970
	Body string `json:"body"`
}

func (c *Counter) insert(r *http.Request) (map[string][]line, error) {
	if err := c.prepare(); err != nil {
		return nil, err
	}
	body := "hello"
	if r.Method == http.MethodPost {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if len(b) > 0 {
			body = string(b)
		}
	}
	if _, err := c.sql.Exec(`INSERT INTO log(at, body) VALUES (?, ?)`, time.Now().UnixMilli(), body); err != nil {
		return nil, err
	}
	rows := make([]line, 0, 10)
	for row, err := range objects.Query[line](c.sql, `SELECT id, at, body FROM log ORDER BY id DESC LIMIT 10`) {
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return map[string][]line{"rows": rows}, nil
}
