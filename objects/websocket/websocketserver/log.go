package websocketserver

import (
	"encoding/json"
	"iter"

	"durago.example/objects"
	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver/recovery"
)

// log is the newest messages of the room, in its database. The last is never deleted, so that no number is given twice.
type log struct {
	sql      *objects.SQL
	messages int64
	bytes    int64
	is       recovery.Log
	total    int64 // the bytes of all messages that ever were
	floor    int64 // and of those that came before the first here
	known    bool  // what is above is so; otherwise it is read when it is needed
}

const logSchema = `
	CREATE TABLE IF NOT EXISTS websocket_log (
		seq    INTEGER PRIMARY KEY,
		total  INTEGER NOT NULL, -- bytes of the texts up to this one
		only   TEXT NOT NULL,    -- the session that it is for, or empty
		except_ TEXT NOT NULL,   -- the session that it is not for, or empty
		entity INTEGER NOT NULL, -- 1 if FilterEntityChange is asked
		text   TEXT NOT NULL
	)`

func (l *log) load() error {
	if l.known {
		return nil
	}
	l.is, l.total, l.floor = recovery.Log{First: 1}, 0, 0
	there, err := hasTable(l.sql, "websocket_log")
	if err != nil {
		return err
	}
	if l.known = !there; l.known {
		return nil
	}
	for cells, err := range objects.Query[[]any](l.sql, `SELECT seq, total, length(CAST(text AS BLOB)) FROM websocket_log
		WHERE seq IN ((SELECT min(seq) FROM websocket_log), (SELECT max(seq) FROM websocket_log)) ORDER BY seq DESC`) {
		if err != nil {
			return err
		}
		seq, total, size := whole(cells[0]), whole(cells[1]), whole(cells[2])
		if l.is.Head == 0 {
			l.is.Head, l.total = seq, total
		}
		l.is.First, l.floor = seq, total-size
	}
	l.known = true
	return nil
}

func whole(v any) int64 {
	f, _ := v.(float64)
	return int64(f)
}

// append writes a message and returns its number.
func (l *log) append(p post) (seq int64, err error) {
	if err := l.load(); err != nil {
		return 0, err
	}
	if l.is.Head == 0 {
		if _, err := l.sql.Exec(logSchema); err != nil {
			return 0, err
		}
	}
	seq, total := l.is.Head+1, l.total+int64(len(p.text))
	entity := 0
	if p.change != nil {
		entity = 1
	}
	if _, err := l.sql.Exec(`INSERT INTO websocket_log VALUES (?, ?, ?, ?, ?, ?)`, seq, total, p.only, p.except, entity, string(p.text)); err != nil {
		l.known = false
		return 0, err
	}
	l.is.Head, l.total = seq, total
	return seq, l.trim()
}

// trim deletes what is too much, when there is an eighth too much.
func (l *log) trim() error {
	if l.is.Head-l.is.First < l.messages+l.messages/8 && l.total-l.floor <= l.bytes+l.bytes/8 {
		return nil
	}
	l.known = false
	_, err := l.sql.Exec(`DELETE FROM websocket_log WHERE seq < ? AND (seq <= ? OR total <= ?)`, l.is.Head, l.is.Head-l.messages, l.total-l.bytes)
	if err != nil {
		return err
	}
	return l.load()
}

// entry is a message in the log.
type entry struct {
	seq int64
	post
}

// between are the messages after one and before another, the oldest or, backwards, the newest first.
func (l *log) between(after, before int64, backwards bool) iter.Seq2[entry, error] {
	query := `SELECT seq, only, except_, entity, text FROM websocket_log WHERE seq > ? AND seq < ? ORDER BY seq`
	if backwards {
		query += ` DESC`
	}
	return func(yield func(entry, error) bool) {
		if l.is.Head == 0 { // there may be no table
			return
		}
		for cells, err := range objects.Query[[]any](l.sql, query, after, before) {
			var e entry
			if err == nil {
				e.seq = whole(cells[0])
				e.only, _ = cells[1].(string)
				e.except, _ = cells[2].(string)
				text, _ := cells[4].(string)
				e.text = []byte(text)
				if whole(cells[3]) == 1 {
					e.change = changeOf(e.text)
				}
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// changeOf is what FilterEntityChange is asked about, from the frame.
func changeOf(text []byte) *websocket.Change {
	var f struct {
		Event      string `json:"event"`
		EntityType string `json:"entity_type"`
		ID         any    `json:"id"`
	}
	_ = json.Unmarshal(text, &f) // it was written here
	return &websocket.Change{Action: f.Event[min(len("entity:"), len(f.Event)):], EntityType: f.EntityType, ID: f.ID}
}
