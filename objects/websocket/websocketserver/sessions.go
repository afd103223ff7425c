package websocketserver

import (
	"errors"

	"durago.example/objects"
)

// sessions are the recoverable ones, in the database: those that have a connection, and those that wait for one.
type sessions struct {
	sql  *objects.SQL
	most int64
}

const sessionsSchema = `
	CREATE TABLE IF NOT EXISTS websocket_sessions (
		id      TEXT PRIMARY KEY,
		secret  BLOB NOT NULL,    -- digest of the token's
		user    TEXT NOT NULL,    -- who may resume it
		handled INTEGER NOT NULL, -- the number of the last message of its client that was handled
		ends    INTEGER NOT NULL, -- ms since 1970: however it is used
		dormant INTEGER NOT NULL  -- ms since 1970: it is resumed before, or never; 0 while it has a connection
	) WITHOUT ROWID;
	CREATE INDEX IF NOT EXISTS websocket_dormant ON websocket_sessions (dormant);
	-- A row while messages have committed that may not have been sent yet.
	CREATE TABLE IF NOT EXISTS websocket_unsent (id INTEGER PRIMARY KEY CHECK (id = 1))`

// recoverableSession is a row.
type recoverableSession struct {
	Secret  []byte
	User    string
	Handled int64
	Ends    int64
	Dormant int64
}

// made tells whether the tables are there: else nobody has opened a session yet.
func (t *sessions) made() (bool, error) { return hasTable(t.sql, "websocket_unsent") }

// make makes them.
func (t *sessions) make() error {
	there, err := t.made()
	if err == nil && !there {
		_, err = t.sql.Exec(sessionsSchema)
	}
	return err
}

func (t *sessions) find(id string) (r recoverableSession, ok bool, err error) {
	r, err = objects.One[recoverableSession](t.sql, `SELECT secret, user, handled, ends, dormant FROM websocket_sessions WHERE id = ?`, id)
	if errors.Is(err, objects.ErrNoRow) {
		return r, false, nil
	}
	return r, err == nil, err
}

// create adds a session with a connection. If too many wait, some end now: of each user who has most of them those that would
// have ended first, so that nobody can have another's end.
func (t *sessions) create(id string, secret []byte, user string, ends int64) error {
	if err := t.make(); err != nil {
		return err
	}
	_, err := t.sql.Exec(`INSERT INTO websocket_sessions VALUES (?, ?, ?, 0, ?, 0)`, id, secret, user, ends)
	if err != nil {
		return err
	}
	n, err := objects.One[int64](t.sql, `SELECT count(*) FROM (SELECT 1 FROM websocket_sessions WHERE dormant > 0 LIMIT ?)`, t.most+1)
	if err == nil && n > t.most {
		_, err = t.sql.Exec(`DELETE FROM websocket_sessions WHERE id IN (SELECT id FROM (
			SELECT id, dormant, row_number() OVER (PARTITION BY user ORDER BY dormant DESC) AS place FROM websocket_sessions WHERE dormant > 0)
			ORDER BY place DESC, dormant LIMIT ?)`, 1+t.most/16)
	}
	return err
}

// sleep lets a session wait until a time, or, at 0, says that it has a connection.
func (t *sessions) sleep(id string, until int64) error {
	_, err := t.sql.Exec(`UPDATE websocket_sessions SET dormant = ? WHERE id = ?`, until, id)
	return err
}

func (t *sessions) handled(id string, n int64) error {
	_, err := t.sql.Exec(`UPDATE websocket_sessions SET handled = ? WHERE id = ?`, n, id)
	return err
}

func (t *sessions) delete(id string) bool {
	if there, err := t.made(); !there || err != nil {
		return false
	}
	r, err := t.sql.Exec(`DELETE FROM websocket_sessions WHERE id = ?`, id)
	return err == nil && r.RowsWritten > 0
}

// endUser ends a user's sessions.
func (t *sessions) endUser(user string) error {
	if there, err := t.made(); !there || err != nil {
		return err
	}
	_, err := t.sql.Exec(`DELETE FROM websocket_sessions WHERE user = ?`, user)
	return err
}

func (t *sessions) purge(now int64) error {
	if there, err := t.made(); !there || err != nil {
		return err
	}
	_, err := t.sql.Exec(`DELETE FROM websocket_sessions WHERE dormant > 0 AND dormant <= ?`, now)
	return err
}

// expires is when the first of those that wait ends.
func (t *sessions) expires() (at int64, ok bool) {
	if there, err := t.made(); !there || err != nil {
		return 0, false
	}
	at, err := objects.One[int64](t.sql, `SELECT dormant FROM websocket_sessions WHERE dormant > 0 ORDER BY dormant LIMIT 1`)
	return at, err == nil
}

// awake are those that had a connection when the object was last in memory.
func (t *sessions) awake() (ids []string, err error) {
	for id, err := range objects.Query[string](t.sql, `SELECT id FROM websocket_sessions WHERE dormant = 0`) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// setUnsent notes that messages commit which are sent afterwards, or that they were.
func (t *sessions) setUnsent(unsent bool) error {
	query := `DELETE FROM websocket_unsent`
	if unsent {
		if err := t.make(); err != nil { // who listens without a session would miss something too
			return err
		}
		query = `INSERT OR IGNORE INTO websocket_unsent VALUES (1)`
	}
	_, err := t.sql.Exec(query)
	return err
}

func (t *sessions) unsent() (bool, error) {
	n, err := objects.One[int64](t.sql, `SELECT count(*) FROM websocket_unsent`)
	return n > 0, err
}
