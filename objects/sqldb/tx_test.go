package sqldb_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const eventually, tick = 5 * time.Second, time.Millisecond

func count(t *testing.T, db interface {
	QueryRow(string, ...any) *sql.Row
}) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRow(`SELECT count(*) FROM t`).Scan(&n))
	return n
}

// TestTx: what stays, and what is undone. That others wait meanwhile is for host/hosttest to see.
func TestTx(t *testing.T) {
	insert := func(t *testing.T, tx *sql.Tx) {
		_, err := tx.Exec(`INSERT INTO t VALUES (?)`, 1)
		require.NoError(t, err)
		require.Equal(t, 1, count(t, tx))
	}
	for _, row := range []struct {
		name string
		end  func(t *testing.T, tx *sql.Tx, cancel context.CancelFunc)
		want int
	}{
		{"commit", func(t *testing.T, tx *sql.Tx, _ context.CancelFunc) {
			require.NoError(t, tx.Commit())
			require.ErrorIs(t, tx.Rollback(), sql.ErrTxDone)
		}, 1},
		{"rollback", func(t *testing.T, tx *sql.Tx, _ context.CancelFunc) {
			require.NoError(t, tx.Rollback())
			require.ErrorIs(t, tx.Commit(), sql.ErrTxDone)
			_, err := tx.Exec(`INSERT INTO t VALUES (1)`)
			require.ErrorIs(t, err, sql.ErrTxDone)
		}, 0},
		{"the context ends", func(t *testing.T, tx *sql.Tx, cancel context.CancelFunc) {
			cancel()
			require.Eventually(t, func() bool { return tx.Commit() == sql.ErrTxDone }, eventually, tick)
		}, 0},
		{"with rows that are open", func(t *testing.T, tx *sql.Tx, _ context.CancelFunc) {
			rows, err := tx.Query(`SELECT n FROM t`)
			require.NoError(t, err)
			require.True(t, rows.Next())
			require.NoError(t, tx.Commit())
			require.False(t, rows.Next())
		}, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, db := openDB(t, `CREATE TABLE t (n INT)`)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			tx, err := db.BeginTx(ctx, nil)
			require.NoError(t, err)
			insert(t, tx)
			row.end(t, tx, cancel)
			require.Equal(t, row.want, count(t, db))
		})
	}
}

// TestDB_BeginTx: the options, and waiting for another.
func TestDB_BeginTx(t *testing.T) {
	_, db := openDB(t, `CREATE TABLE t (n INT)`)
	for _, row := range []struct {
		options sql.TxOptions
		want    string
	}{
		{sql.TxOptions{}, ""},
		{sql.TxOptions{Isolation: sql.LevelSerializable}, ""},
		{sql.TxOptions{Isolation: sql.LevelReadCommitted}, "sqldb: isolation level Read Committed is not supported: all transactions are serializable, leave it out"},
		{sql.TxOptions{Isolation: sql.LevelLinearizable}, "sqldb: isolation level Linearizable is not supported: all transactions are serializable, leave it out"},
		{sql.TxOptions{ReadOnly: true}, "sqldb: the platform has no read-only transactions: leave ReadOnly out"},
	} {
		tx, err := db.BeginTx(t.Context(), &row.options)
		if row.want != "" {
			require.EqualError(t, err, row.want)
			continue
		}
		require.NoError(t, err)
		require.NoError(t, tx.Rollback())
	}

	c, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer c.Close()
	tx, err := c.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = c.BeginTx(t.Context(), nil)
	require.EqualError(t, err, "sqldb: the connection is in a transaction: end it first")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = db.BeginTx(ctx, nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, tx.Commit())
	tx, err = db.Begin()
	require.NoError(t, err)
	require.NoError(t, tx.Commit())
}
