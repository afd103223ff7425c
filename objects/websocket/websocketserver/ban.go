package websocketserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"durago.example/objects"
	"durago.example/objects/websocket"
)

// bans are who may not come in, in the database.
type bans struct{ sql *objects.SQL }

const bansSchema = `
	CREATE TABLE IF NOT EXISTS websocket_bans (
		user   TEXT PRIMARY KEY,
		until  INTEGER NOT NULL, -- ms since 1970
		reason TEXT NOT NULL
	) WITHOUT ROWID`

func (b *bans) none() (bool, error) {
	there, err := hasTable(b.sql, "websocket_bans")
	return !there, err
}

// until is when a user's ban ends; banned is false if there is none.
func (b *bans) until(user string, now int64) (at int64, banned bool, err error) {
	if user == "" {
		return 0, false, nil
	}
	if none, err := b.none(); none || err != nil {
		return 0, false, err
	}
	at, err = objects.One[int64](b.sql, `SELECT until FROM websocket_bans WHERE user = ? AND until > ?`, user, now)
	if errors.Is(err, objects.ErrNoRow) {
		return 0, false, nil
	}
	return at, err == nil, err
}

// set adds or replaces a ban; full is true if there are too many others.
func (b *bans) set(user, reason string, until, now int64) (full bool, err error) {
	if _, err := b.sql.Exec(bansSchema); err != nil {
		return false, err
	}
	if _, err := b.sql.Exec(`DELETE FROM websocket_bans WHERE until <= ?`, now); err != nil {
		return false, err
	}
	n, err := objects.One[int64](b.sql, `SELECT count(*) FROM websocket_bans WHERE user <> ?`, user)
	if err != nil || n >= websocket.MaxBans {
		return err == nil, err
	}
	_, err = b.sql.Exec(`INSERT OR REPLACE INTO websocket_bans VALUES (?, ?, ?)`, user, until, reason)
	return false, err
}

func (b *bans) delete(user string, now int64) (was bool, err error) {
	if _, was, err = b.until(user, now); err != nil || !was {
		return false, err
	}
	_, err = b.sql.Exec(`DELETE FROM websocket_bans WHERE user = ?`, user)
	return err == nil, err
}

func (b *bans) list(now int64) ([]websocket.BannedUser, error) {
	list := []websocket.BannedUser{}
	if none, err := b.none(); none || err != nil {
		return list, err
	}
	for cells, err := range objects.Query[[]any](b.sql, `SELECT user, until, reason FROM websocket_bans WHERE until > ? ORDER BY until, user`, now) {
		if err != nil {
			return nil, err
		}
		u := websocket.BannedUser{UntilMS: whole(cells[1])}
		u.User, _ = cells[0].(string)
		u.Reason, _ = cells[2].(string)
		list = append(list, u)
	}
	return list, nil
}

// Ban keeps a user, whom Config.User names, out of this room for a time: sessions of the user that are connected are closed
// with websocket.CloseKicked, those that wait cannot be resumed, and who comes back before the time is over gets 403. It
// outlives the object's memory. n is how many were connected. The errors have the codes of the contract.
func (s *Server) Ban(ctx context.Context, user string, d time.Duration, reason string) (n int, err error) {
	if user == "" || len(user) > websocket.MaxBannedUser {
		return 0, refused(websocket.InvalidBan, "a ban is of a user with an id of 1 to %d bytes, got %d", websocket.MaxBannedUser, len(user))
	}
	if d < time.Millisecond || d > websocket.MaxBan {
		return 0, refused(websocket.InvalidBan, "a ban lasts from a millisecond to %v, got %v", websocket.MaxBan, d)
	}
	reason, now := cut(reason, 123), s.now()
	full, err := s.bans.set(user, reason, now+d.Milliseconds(), now)
	if err == nil && s.dormant != nil && !full {
		err = s.dormant.endUser(user)
	}
	if err != nil {
		return 0, fmt.Errorf("websocketserver: ban: %w", err)
	}
	if full {
		return 0, refused(websocket.TooManyBans, "a room has at most %d bans: lift one, or keep its users out where tokens are minted", websocket.MaxBans)
	}
	for _, m := range s.members.byConn {
		if m.user == user && m.listening == nil {
			n++
		}
	}
	s.later(ctx, func(ctx context.Context) {
		for _, m := range s.Sessions() { // in order, which the others see
			if m.user == user {
				s.shut(ctx, m, websocket.CloseKicked, reason, true)
			}
		}
		for _, m := range s.members.byConn { // those that have not opened a session yet
			if m.user == user {
				s.shut(ctx, m, websocket.CloseKicked, reason, true)
			}
		}
	})
	return n, nil
}

// Unban lifts a ban; was is false if there is none.
func (s *Server) Unban(user string) (was bool, err error) {
	was, err = s.bans.delete(user, s.now())
	if err != nil {
		return false, fmt.Errorf("websocketserver: unban: %w", err)
	}
	return was, nil
}

// Bans are all that are not over, those first that end first.
func (s *Server) Bans() ([]websocket.BannedUser, error) {
	list, err := s.bans.list(s.now())
	if err != nil {
		return nil, fmt.Errorf("websocketserver: bans: %w", err)
	}
	return list, nil
}

func (s *Server) ban(ctx context.Context, user string, ms int64, reason string) (int64, error) {
	if ms > websocket.MaxBan.Milliseconds() { // or it would not fit a Duration
		ms = websocket.MaxBan.Milliseconds() + 1
	}
	n, err := s.Ban(ctx, user, time.Duration(max(ms, 0))*time.Millisecond, reason)
	return int64(n), err
}

func (s *Server) unban(_ context.Context, user string) (bool, error) { return s.Unban(user) }

func (s *Server) getBans(context.Context) ([]websocket.BannedUser, error) { return s.Bans() }

// keepsOut answers a client whose user is banned.
func (s *Server) keepsOut(w http.ResponseWriter, r *http.Request, m *Session) bool {
	now := s.now()
	until, banned, err := s.bans.until(m.user, now)
	switch {
	case err != nil: // who may come in is not known
		s.state.Logf(r.Context(), "websocketserver: bans: %v", err)
		websocket.WriteError(w, http.StatusServiceUnavailable, "WebSocket not available")
	case banned:
		w.Header().Set("Retry-After", strconv.FormatInt((until-now+999)/1000, 10))
		websocket.WriteError(w, http.StatusForbidden, "You are banned from this room")
	}
	return err != nil || banned
}
