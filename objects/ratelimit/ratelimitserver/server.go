// Package ratelimitserver is the rate limiter's object: a token bucket for each key, kept in SQLite, so that neither
// eviction nor a crash refills one.
package ratelimitserver

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"durago.example/objects"
	"durago.example/objects/ratelimit"
)

// Config of the class. Zero fields are the defaults: 10 tokens, one back every 10 seconds.
type Config struct {
	MaxTokens   float64
	RefillEvery time.Duration
}

// Server is the object.
type Server struct {
	sql    *objects.SQL
	config policy
	policy policy
}

// Class makes the class under the given name. config is called when an object starts and may be nil.
func Class(name string, config func(*objects.State) (Config, error)) *objects.Class {
	return objects.NewClass(name, func(s *objects.State) (*Server, error) {
		var c Config
		if config != nil {
			var err error
			if c, err = config(s); err != nil {
				return nil, err
			}
		}
		return New(s, c)
	}, Methods()...)
}

// Methods are the object's RPC methods, for a class that embeds Server.
func Methods() []objects.Method[Server] {
	return []objects.Method[Server]{
		objects.Impl2(ratelimit.Check, (*Server).Check),
		objects.Impl2(ratelimit.Consume, (*Server).Consume),
		objects.Impl1(ratelimit.GetStatus, (*Server).GetStatus),
		objects.ImplProc1(ratelimit.Reset, (*Server).Reset),
		objects.ImplProc1(ratelimit.SetOptions, (*Server).SetOptions),
	}
}

// New starts the object: its tables, and options that were set earlier.
func New(state *objects.State, c Config) (*Server, error) {
	if c.MaxTokens == 0 {
		c.MaxTokens = 10
	}
	if c.RefillEvery == 0 {
		c.RefillEvery = 10 * time.Second
	}
	p := policy{max: c.MaxTokens, interval: float64(c.RefillEvery) / float64(time.Millisecond)}
	s := &Server{sql: state.Storage().SQL(), config: p, policy: p}
	if err := s.policy.validate(); err != nil {
		return nil, err
	}
	if _, err := s.sql.Exec(`
		CREATE TABLE IF NOT EXISTS bucket (key TEXT PRIMARY KEY, tokens REAL NOT NULL, since REAL NOT NULL) WITHOUT ROWID;
		CREATE TABLE IF NOT EXISTS options (id INTEGER PRIMARY KEY CHECK (id = 1), max REAL, interval REAL)`); err != nil {
		return nil, err
	}
	return s, s.loadOptions()
}

func (s *Server) loadOptions() error {
	type row struct{ Max, Interval *float64 }
	for r, err := range objects.Query[row](s.sql, `SELECT max, interval FROM options`) {
		if err != nil {
			return err
		}
		if r.Max != nil {
			s.policy.max = *r.Max
		}
		if r.Interval != nil {
			s.policy.interval = *r.Interval
		}
	}
	return nil
}

func (p policy) validate() error {
	if !(p.max >= 0) || math.IsInf(p.max, 0) {
		return &objects.Error{Name: "RangeError", Message: fmt.Sprintf("max_tokens must be a number of at least 0, got %v", p.max)}
	}
	if !(p.interval > 0) || math.IsInf(p.interval, 0) {
		return &objects.Error{Name: "RangeError", Message: fmt.Sprintf("refill_every_seconds must be a number above 0, got %v", p.interval/1000)}
	}
	return nil
}

func now() float64 { return float64(time.Now().UnixMilli()) }

func (s *Server) load(key string, at float64) (bucket, error) {
	type row struct{ Tokens, Since float64 }
	r, err := objects.One[row](s.sql, `SELECT tokens, since FROM bucket WHERE key = ?`, key)
	if err == objects.ErrNoRow {
		return bucket{s.policy.max, at}, nil
	}
	return bucket{r.Tokens, r.Since}.refill(s.policy, at), err
}

// Check tells whether Consume would succeed, and takes nothing.
func (s *Server) Check(_ context.Context, key string, cost float64) (bool, error) {
	if err := validCost(cost); err != nil {
		return false, err
	}
	b, err := s.load(key, now())
	_, ok := b.take(cost)
	return ok, err
}

// Consume takes cost tokens and returns true, or takes none and returns false.
func (s *Server) Consume(_ context.Context, key string, cost float64) (bool, error) {
	_, ok, err := s.consume(key, cost, now())
	return ok, err
}

func (s *Server) consume(key string, cost, at float64) (b bucket, ok bool, err error) {
	if err := validCost(cost); err != nil {
		return b, false, err
	}
	b, err = s.load(key, at)
	if err != nil || cost == 0 {
		return b, true, err
	}
	if b, ok = b.take(cost); !ok {
		return b, false, nil
	}
	_, err = s.sql.Exec(`INSERT INTO bucket VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET tokens = excluded.tokens, since = excluded.since`,
		key, b.tokens, b.since)
	return b, err == nil, err
}

func validCost(cost float64) error {
	if !(cost >= 0) {
		return &objects.Error{Name: "RangeError", Message: fmt.Sprintf("cost must be a number of at least 0, got %v", cost)}
	}
	return nil
}

// GetStatus is the state of a key.
func (s *Server) GetStatus(_ context.Context, key string) (ratelimit.Status, error) {
	at := now()
	b, err := s.load(key, at)
	return s.status(b, at), err
}

func (s *Server) status(b bucket, at float64) ratelimit.Status {
	return ratelimit.Status{Remaining: b.tokens, Limit: s.policy.max, ResetInMS: b.untilNext(s.policy, at)}
}

// Reset fills a key up.
func (s *Server) Reset(_ context.Context, key string) error {
	_, err := s.sql.Exec(`DELETE FROM bucket WHERE key = ?`, key)
	return err
}

// SetOptions changes what is given; the rest stays.
func (s *Server) SetOptions(_ context.Context, o ratelimit.Options) error {
	p := s.policy
	if o.MaxTokens != nil {
		p.max = *o.MaxTokens
	}
	if o.RefillEverySeconds != nil {
		p.interval = *o.RefillEverySeconds * 1000
	}
	if p == s.policy {
		return nil
	}
	if err := p.validate(); err != nil {
		return err
	}
	_, err := s.sql.Exec(`INSERT INTO options VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET max = excluded.max, interval = excluded.interval`,
		p.max, p.interval)
	if err == nil {
		s.policy = p
	}
	return err
}

// ServeHTTP answers POST …/{key}: one token of the key, with the fields of draft-ietf-httpapi-ratelimit-headers.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "use POST to take a token", http.StatusMethodNotAllowed)
		return
	}
	key := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	at := now()
	b, ok, err := s.consume(key, 1, at)
	if err != nil {
		http.Error(w, "the rate limiter failed: "+err.Error(), http.StatusInternalServerError)
		return
	}
	wait := b.untilNext(s.policy, at)
	seconds := strconv.Itoa(int(math.Ceil(wait / 1000)))
	h := w.Header()
	h["Content-Type"] = jsonType
	h["Ratelimit-Policy"] = []string{`"default";q=` + number(s.policy.max) + ";w=" + number(math.Ceil(s.policy.max*s.policy.interval/1000))}
	h["Ratelimit"] = []string{`"default";r=` + number(math.Floor(b.tokens)) + ";t=" + seconds}
	if !ok {
		h["Retry-After"] = []string{seconds}
		w.WriteHeader(http.StatusTooManyRequests)
	}
	body := make([]byte, 0, 96)
	body = strconv.AppendBool(append(body, `{"ok":`...), ok)
	body = strconv.AppendFloat(append(body, `,"remaining":`...), b.tokens, 'f', -1, 64)
	body = strconv.AppendFloat(append(body, `,"limit":`...), s.policy.max, 'f', -1, 64)
	body = strconv.AppendFloat(append(body, `,"reset_in_ms":`...), wait, 'f', -1, 64)
	_, _ = w.Write(append(body, "}\n"...))
}

var jsonType = []string{"application/json"}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
