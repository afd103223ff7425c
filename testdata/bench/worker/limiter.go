package main

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"durago.example/objects"
)

// Limiter is a sliding-window limiter in its constant-space form: two fixed windows, the older one weighted.
type Limiter struct {
	state *objects.State
	sql   *objects.SQL
	ready bool // the table is there
}

var limiterClass = objects.NewClass("Limiter", func(state *objects.State) (*Limiter, error) {
	return &Limiter{state: state, sql: state.Storage().SQL()}, nil
})

// window is the limiter's only row.
type window struct {
	Start int64 `sql:"start" js:"start"` // ms since 1970
	Prev  int64 `sql:"prev" js:"prev"`
	Cur   int64 `sql:"cur" js:"cur"`
}

type verdict struct {
	OK        bool    `json:"ok"`
	Remaining float64 `json:"remaining"`
}

var stored = objects.NewKey[window]("w")

// Defaults deny nothing during a run.
const (
	defaultLimit  = 1_000_000_000
	defaultWindow = 60_000 // ms
)

// ServeHTTP takes one from the window: one read and one write of the stored row.
func (l *Limiter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, size := number(q.Get("limit"), defaultLimit), int64(number(q.Get("window"), defaultWindow))
	take := l.takeSQL
	if strings.HasPrefix(r.URL.Path, "/limitkv/") {
		take = l.takeKV
	}
	v, err := take(time.Now().UnixMilli(), limit, size)
	status := http.StatusOK
	if !v.OK {
		status = http.StatusTooManyRequests
	}
	answer(w, status, v, err)
}

func number(s string, otherwise float64) float64 {
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		return n
	}
	return otherwise
}

func (l *Limiter) takeSQL(now int64, limit float64, size int64) (verdict, error) {
	if !l.ready {
		if _, err := l.sql.Exec(`CREATE TABLE IF NOT EXISTS w(id INTEGER PRIMARY KEY, start INTEGER, prev INTEGER, cur INTEGER)`); err != nil {
			return verdict{}, err
		}
		l.ready = true
	}
	old, err := objects.One[window](l.sql, `SELECT start, prev, cur FROM w WHERE id = 1`)
	if err != nil && !errors.Is(err, objects.ErrNoRow) {
		return verdict{}, err
	}
	next, v := old.slide(now, limit, size)
	_, err = l.sql.Exec(`INSERT OR REPLACE INTO w(id, start, prev, cur) VALUES (1, ?, ?, ?)`, next.Start, next.Prev, next.Cur)
	return v, err
}

func (l *Limiter) takeKV(now int64, limit float64, size int64) (verdict, error) {
	kv := l.state.Storage().KV()
	old, _, err := stored.Get(kv)
	if err != nil {
		return verdict{}, err
	}
	next, v := old.slide(now, limit, size)
	return v, stored.Put(kv, next)
}

// slide moves the window to now and takes one if the limit allows it. The zero window is one that never was.
func (w window) slide(now int64, limit float64, size int64) (window, verdict) {
	next := window{Start: now - now%size}
	switch w.Start {
	case next.Start:
		next.Prev, next.Cur = w.Prev, w.Cur
	case next.Start - size:
		next.Prev = w.Cur
	}
	weight := 1 - float64(now-next.Start)/float64(size)
	used := float64(next.Prev)*weight + float64(next.Cur)
	v := verdict{OK: used+1 <= limit}
	if v.OK {
		next.Cur++
		used++
	}
	v.Remaining = max(0, math.Floor(limit-used))
	return next, v
}
