package ratelimitserver_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects/internal/fakeobject"
	"durago.example/objects/ratelimit"
	"durago.example/objects/ratelimit/ratelimitserver"
)

// firstLayout is the database as the limiter's first version made it: its statements, its float64s.
const firstLayout = `
	CREATE TABLE IF NOT EXISTS bucket (key TEXT PRIMARY KEY, tokens REAL NOT NULL, since REAL NOT NULL) WITHOUT ROWID;
	CREATE TABLE IF NOT EXISTS options (id INTEGER PRIMARY KEY CHECK (id = 1), max REAL, interval REAL);`

// stored is an object on a database that a script has made, which has not started.
func stored(t *testing.T, c ratelimitserver.Config, script string) *object {
	t.Helper()
	fake, err := fakeobject.Open()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, fake.DB.Close()) })
	require.NoError(t, fake.DB.Script(script))
	return &object{Object: fake, t: t, config: c}
}

// TestNew_firstLayout opens what the first version stored: nobody has more than there was.
func TestNew_firstLayout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := strings.Builder{}
		put := func(key string, tokens, since float64) {
			fmt.Fprintf(&script, `INSERT INTO bucket VALUES ('%s', %f, %f);`, key, tokens, since)
		}
		now := float64(time.Now().UnixMilli())
		script.WriteString(firstLayout + `INSERT INTO options VALUES (1, 7.5, 1999.5);`)
		put("ann", 2, now-500)
		put("part", 1.9, now-2000)
		put("full", 6.5, now-4000)
		put("ahead", 0, now+1e9)
		put("", 0, now)
		put(strings.Repeat("k", 2000), 0, now)
		for i := range 1500 {
			put(fmt.Sprint("many", i), 0, now)
		}
		o := stored(t, ratelimitserver.Config{MaxKeys: 1504}, script.String())
		require.NoError(t, o.evict())
		for range 2 {
			require.Equal(t, ratelimit.Status{Remaining: 2, Limit: 7, ResetInMS: 1500}, o.status("ann"))
			require.Equal(t, ratelimit.Status{Remaining: 2, Limit: 7, ResetInMS: 2000}, o.status("part"))
			require.Equal(t, ratelimit.Status{Remaining: 7, Limit: 7}, o.status("full"))
			require.Equal(t, ratelimit.Status{Limit: 7, ResetInMS: 2000}, o.status("ahead"))
			require.Equal(t, ratelimit.Status{Limit: 7, ResetInMS: 2000}, o.status("many1499"))
			require.NoError(t, o.evict())
		}
		require.Equal(t, 1503, o.count(`SELECT count(*) FROM ratelimit_keys`), "neither what is full nor what nobody can ask for")
		require.Zero(t, o.count(`SELECT count(*) FROM sqlite_master WHERE name IN ('bucket', 'options')`))
		require.True(t, o.consume("ann", 2))
		require.False(t, o.consume("ann", 1))
		require.True(t, o.consume("new", 1))
		_, err := ratelimit.Consume.Call(t.Context(), o, "another", 1)
		require.Equal(t, ratelimit.Full, ratelimit.Code(err), "the keys that were moved are counted")
		o.advance(time.Hour)
		require.Zero(t, o.count(`SELECT count(*) FROM ratelimit_keys`), "and purged")
		require.EqualValues(t, 7, o.status("ann").Limit)
	})
}

// TestNew_firstLayout_defaults has no options, which leaves the Config's.
func TestNew_firstLayout_defaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := stored(t, ratelimitserver.Config{MaxTokens: 4}, firstLayout+fmt.Sprintf(`INSERT INTO bucket VALUES ('ann', 1, %d)`, time.Now().UnixMilli()))
		require.NoError(t, o.evict())
		require.Equal(t, ratelimit.Status{Remaining: 1, Limit: 4, ResetInMS: 10_000}, o.status("ann"))
	})
}

// TestNew_layout meets tables that are not the limiter's first, and not today's.
func TestNew_layout(t *testing.T) {
	t.Run("an author's own tables stay", func(t *testing.T) {
		o := stored(t, ratelimitserver.Config{}, `CREATE TABLE bucket (name TEXT); CREATE TABLE options (k TEXT, v TEXT); INSERT INTO options VALUES ('a', 'b')`)
		require.NoError(t, o.evict())
		require.True(t, o.consume("k", 1))
		require.Equal(t, 1, o.count(`SELECT count(*) FROM options`))
	})
	t.Run("one of the first layout's tables alone is the author's too", func(t *testing.T) {
		buckets, _, _ := strings.Cut(firstLayout, ";")
		o := stored(t, ratelimitserver.Config{}, buckets+`; CREATE TABLE options (k TEXT, v TEXT); INSERT INTO bucket VALUES ('k', 0, 1)`)
		require.NoError(t, o.evict())
		require.True(t, o.consume("k", 1))
		require.Equal(t, 1, o.count(`SELECT count(*) FROM bucket`))
	})
	t.Run("another text for the same columns is the same", func(t *testing.T) {
		o := stored(t, ratelimitserver.Config{}, `CREATE TABLE ratelimit_keys (id TEXT PRIMARY KEY, state BLOB NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID`)
		require.NoError(t, o.evict())
		require.True(t, o.consume("k", 1))
	})
	t.Run("a later layout is refused, and nothing written", func(t *testing.T) {
		o := stored(t, ratelimitserver.Config{}, `CREATE TABLE ratelimit_keys (id TEXT PRIMARY KEY, state BLOB NOT NULL, expires INTEGER NOT NULL, shard INTEGER) WITHOUT ROWID`)
		require.EqualError(t, o.evict(), "ratelimitserver: the table ratelimit_keys has the columns id TEXT, state BLOB, expires INTEGER, shard INTEGER, "+
			"but this program knows id TEXT, state BLOB, expires INTEGER: deploy the program that made it, or a newer one")
		require.Equal(t, 1, o.count(`SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name LIKE 'ratelimit%'`))
	})
	t.Run("so is a later row, and its key stays as it is", func(t *testing.T) {
		o := stored(t, ratelimitserver.Config{}, "")
		require.NoError(t, o.evict())
		require.True(t, o.consume("k", 1))
		require.NoError(t, o.DB.Script(`UPDATE ratelimit_keys SET state = x'0900'`))
		_, err := ratelimit.Consume.Call(t.Context(), o, "k", 1)
		require.ErrorContains(t, err, "a key's row has version 9, but this program knows 1: deploy the program that wrote it, or a newer one")
		require.Equal(t, 1, o.count(`SELECT state = x'0900' FROM ratelimit_keys`))
		require.True(t, o.consume("other", 1))
	})
}
