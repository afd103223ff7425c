package websocketserver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"durago.example/objects"
	"durago.example/objects/websocket"
)

// maxReply is how long a reply may be that is kept with its key, in bytes. A longer one is given once.
const maxReply = 8 << 10

const doorsSchema = `
	CREATE TABLE IF NOT EXISTS websocket_keys (
		id     INTEGER PRIMARY KEY, -- they rise; the last is never deleted
		key    TEXT NOT NULL UNIQUE,
		digest TEXT NOT NULL,       -- of the message
		seq    INTEGER NOT NULL,
		reply  TEXT NOT NULL        -- to the client, or empty
	);
	CREATE TABLE IF NOT EXISTS websocket_buckets (
		who       TEXT PRIMARY KEY, -- a user, or an address
		tokens    INTEGER NOT NULL, at  INTEGER NOT NULL,
		ephemeral INTEGER NOT NULL, eat INTEGER NOT NULL
	) WITHOUT ROWID`

// readyTables makes the tables of doors, in rooms that use them.
func (s *Server) readyTables() error {
	if s.tables {
		return nil
	}
	_, err := s.state.Storage().SQL().Exec(doorsSchema)
	s.tables = err == nil && !s.holding // within a transaction it may be undone
	return err
}

// keyed is a message that was published with a key.
type keyed struct {
	Digest string
	Seq    int64
	Reply  string
}

// errReused says that a key was another message's.
var errReused = errors.New("this key was another message's")

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// findKey is what became of a message that was published with a key, if one was.
func (s *Server) findKey(key string, text []byte) (k keyed, ok bool, err error) {
	if err := s.readyTables(); err != nil {
		return k, false, err
	}
	k, err = objects.One[keyed](s.state.Storage().SQL(), `SELECT digest, seq, reply FROM websocket_keys WHERE key = ?`, key)
	switch {
	case errors.Is(err, objects.ErrNoRow):
		return k, false, nil
	case err == nil && k.Digest != digest(text):
		err = errReused
	}
	return k, err == nil, err
}

// keepKey remembers a key, and forgets the oldest if there are too many.
func (s *Server) keepKey(key string, text []byte, seq int64, reply string) error {
	sql := s.state.Storage().SQL()
	if len(reply) > maxReply {
		reply = ""
	}
	id, err := objects.One[int64](sql, `INSERT INTO websocket_keys SELECT coalesce(max(id), 0) + 1, ?, ?, ?, ? FROM websocket_keys RETURNING id`,
		key, digest(text), seq, reply)
	if err == nil && id > s.config.Keys {
		_, err = sql.Exec(`DELETE FROM websocket_keys WHERE id <= ?`, id-s.config.Keys)
	}
	return err
}

// publishKeyed is the method: what another object sends, which no hook decides about.
func (s *Server) publishKeyed(ctx context.Context, v map[string]any, o *websocket.PublishOptions) (done websocket.Published, err error) {
	m, err := s.encodeSent(v)
	if err != nil {
		return done, err
	}
	p := post{text: m.Text, event: m.Event, ephemeral: s.config.ephemeral(m.Event)}
	if o == nil {
		o = &websocket.PublishOptions{}
	}
	p.except = o.Exclude
	if o.Key == "" {
		done.Seq, err = s.publish(ctx, p)
		return done, err
	}
	if len(o.Key) > websocket.MaxKey {
		return done, refused(websocket.InvalidKey, "a key has at most %d bytes, this one has %d", websocket.MaxKey, len(o.Key))
	}
	err = s.hold(ctx, false, func(ctx context.Context) error {
		k, again, err := s.findKey("rpc "+o.Key, m.Text)
		if err != nil || again {
			done = websocket.Published{Seq: k.Seq, Again: again}
			return err
		}
		seq, err := s.publish(ctx, p)
		done = websocket.Published{Seq: seq}
		return errors.Join(err, s.keepKey("rpc "+o.Key, m.Text, seq, ""))
	})
	switch {
	case errors.Is(err, errReused):
		return done, refused(websocket.KeyReused, "the key %q was another message's: take a new one", o.Key)
	case err != nil:
		return done, fmt.Errorf("websocketserver: publish: %w", err)
	}
	return done, nil
}

// published is the answer to a client.
type published struct {
	Seq   int64           `json:"seq,omitempty"`
	Again bool            `json:"again,omitempty"`
	Reply json.RawMessage `json:"reply,omitempty"`
}

// handleOnce has OnMessage decide about a client's message, and remembers its key, if it has one.
func (s *Server) handleOnce(ctx context.Context, from *Session, m websocket.Message, key string) (done published, err error) {
	if key != "" {
		key = "http " + strconv.Quote(from.user) + " " + key
		m.Key = key
	}
	err = s.hold(ctx, s.config.Recovery == nil || !s.config.Recovery.InTurn, func(ctx context.Context) error {
		done = published{}
		if key != "" {
			k, again, err := s.findKey(key, m.Text)
			if err != nil || again {
				done = published{k.Seq, again, json.RawMessage(k.Reply)}
				return err
			}
		}
		s.published = 0
		reply, err := s.handle(ctx, from, m)
		if err != nil {
			return err
		}
		done.Seq = s.published
		if reply != nil {
			r, err := encode(reply)
			if err != nil {
				return err
			}
			done.Reply = r.Text
		}
		if key == "" {
			return nil
		}
		return s.keepKey(key, m.Text, done.Seq, string(done.Reply))
	})
	return done, err
}
