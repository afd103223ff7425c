package websocketserver

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"durago.example/objects"
	"durago.example/objects/websocket"
)

// doorOf is what websocket.Handler asks for a client without a socket, or nil.
func doorOf(r *http.Request) *websocket.Door {
	var given struct {
		Door *websocket.Door `json:"door"`
	}
	_ = json.Unmarshal([]byte(r.Header.Get(websocket.MetaHeader)), &given) // what is malformed, newSession says
	return given.Door
}

func noLog(w http.ResponseWriter) {
	websocket.WriteError(w, http.StatusNotImplemented, "This room keeps no log")
}

// serveDoor answers a client without a socket.
func (s *Server) serveDoor(w http.ResponseWriter, r *http.Request, d *websocket.Door) {
	from, ok := s.newSession(r)
	switch {
	case !ok:
		websocket.WriteError(w, http.StatusBadRequest, "Invalid session metadata")
	case from.expired(s.now()):
		websocket.WriteError(w, http.StatusUnauthorized, "The join token has expired: get another")
	case s.keepsOut(w, r, from):
	case d.Name == websocket.DoorMessages:
		s.takeMessage(w, r, from, d)
	case d.Name == websocket.DoorHistory:
		s.showHistory(w, r, from, d)
	default:
		websocket.WriteError(w, http.StatusNotFound, "Not found")
	}
}

// takeMessage takes a client's message, as if a socket of its had sent it.
func (s *Server) takeMessage(w http.ResponseWriter, r *http.Request, from *Session, d *websocket.Door) {
	key := r.Header.Get("Idempotency-Key")
	body, err := io.ReadAll(io.LimitReader(r.Body, int64(s.config.MaxMessage)*utf8.UTFMax+1))
	if err != nil {
		websocket.WriteError(w, http.StatusBadRequest, "The message broke off")
		return
	}
	m, status, problem := s.read(from, objects.Message{Data: body, Text: true})
	if status == 0 && !utf8.Valid(body) {
		status, problem = http.StatusBadRequest, "Could not parse message"
	}
	wait, err := s.takeToken(from, d.Peer, status == 0 && s.config.ephemeral(m.Event))
	switch {
	case err != nil:
		s.failed(w, r, err)
		return
	case wait > 0:
		w.Header().Set("Retry-After", strconv.FormatInt(wait, 10))
		status, problem = http.StatusTooManyRequests, "Too many messages. Please slow down."
	case status != 0:
	case len(key) > websocket.MaxKey:
		status, problem = http.StatusBadRequest, "Idempotency-Key is up to 255 bytes"
	case m.Event == "ping" || s.config.Presence && strings.HasPrefix(m.Event, websocket.PresencePrefix):
		status, problem = http.StatusBadRequest, "This event needs a socket"
	}
	if status != 0 {
		websocket.WriteError(w, status, problem)
		return
	}
	done, err := s.handleOnce(r.Context(), from, m, key)
	var refusal *Refusal
	switch {
	case errors.As(err, &refusal):
		websocket.WriteError(w, refusal.Status, refusal.Message)
	case errors.Is(err, errReused):
		websocket.WriteError(w, http.StatusUnprocessableEntity, "The Idempotency-Key was another message's")
	case err != nil:
		s.failed(w, r, err)
	default:
		writeJSON(w, done)
	}
}

func (s *Server) failed(w http.ResponseWriter, r *http.Request, err error) {
	s.state.Logf(r.Context(), "websocketserver: OnMessage over HTTP: %v", err)
	websocket.WriteError(w, http.StatusInternalServerError, "The message could not be handled")
}

func writeJSON(w http.ResponseWriter, v any) {
	body, _ := json.Marshal(v)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(append(body, '\n'))
}

// buckets are a row of websocket_buckets.
type buckets struct{ Tokens, At, Ephemeral, Eat int64 }

// takeToken takes a token of a user, or, of who is nobody, of an address. wait is 0, or in how many seconds there is one.
// These are other buckets than those of sockets, and are kept in the database, so that sleep does not fill them.
func (s *Server) takeToken(from *Session, peer string, ephemeral bool) (wait int64, err error) {
	if err := s.readyTables(); err != nil {
		return 0, err
	}
	who := "user " + from.user
	if from.user == "" {
		who = "peer " + peer
	}
	sql, now := s.state.Storage().SQL(), s.now()
	row, err := objects.One[buckets](sql, `SELECT tokens, at, ephemeral, eat FROM websocket_buckets WHERE who = ?`, who)
	if errors.Is(err, objects.ErrNoRow) {
		if err := s.sweepBuckets(now); err != nil {
			return 0, err
		}
		row, err = buckets{s.standard.most, now, s.ephemeral.most, now}, nil
	}
	if err != nil {
		return 0, err
	}
	usual, short := bucket{row.Tokens, row.At}, bucket{row.Ephemeral, row.Eat}
	b, limit := &usual, s.standard
	if ephemeral {
		b, limit = &short, s.ephemeral
	}
	if !b.take(limit, now) {
		wait = max(1, int64(math.Ceil(float64(limit.everyMS)/1000)))
	}
	_, err = sql.Exec(`INSERT OR REPLACE INTO websocket_buckets VALUES (?, ?, ?, ?, ?)`, who, usual.Tokens, usual.AtMS, short.Tokens, short.AtMS)
	return wait, err
}

// sweepBuckets makes room for one more: as many are kept as sockets may be there. Those that are full go first, then those
// that were used longest ago.
func (s *Server) sweepBuckets(now int64) error {
	sql, most := s.state.Storage().SQL(), int64(s.config.MaxSessions)
	n, err := objects.One[int64](sql, `SELECT count(*) FROM websocket_buckets`)
	if err != nil || n < most {
		return err
	}
	_, err = sql.Exec(`DELETE FROM websocket_buckets WHERE max(at, eat) <= ?`, now-max(s.standard.most*s.standard.everyMS, s.ephemeral.most*s.ephemeral.everyMS))
	if err != nil {
		return err
	}
	_, err = sql.Exec(`DELETE FROM websocket_buckets WHERE who IN (SELECT who FROM websocket_buckets ORDER BY max(at, eat) DESC LIMIT -1 OFFSET ?)`, most-1-most/16)
	return err
}

// showHistory answers with a page of the log.
func (s *Server) showHistory(w http.ResponseWriter, r *http.Request, from *Session, d *websocket.Door) {
	if s.log == nil {
		noLog(w)
		return
	}
	p, err := s.readPast(r.Context(), websocket.HistoryOptions{After: d.After, Before: d.Before, Limit: d.Limit, Events: d.Events}, from)
	if err != nil {
		s.state.Logf(r.Context(), "%v", err)
		websocket.WriteError(w, http.StatusInternalServerError, "The history could not be read")
		return
	}
	page := struct {
		Messages []json.RawMessage `json:"messages"`
		Seq      int64             `json:"seq"`
		More     bool              `json:"more"`
		Next     int64             `json:"next"`
		Gap      *websocket.Gap    `json:"gap,omitempty"`
	}{[]json.RawMessage{}, p.seq, p.more, p.next, p.gap}
	for _, e := range p.list {
		page.Messages = append(page.Messages, numbered(e.text, e.seq))
	}
	writeJSON(w, page)
}
