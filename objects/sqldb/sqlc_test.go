package sqldb_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/testdata/guests/library/store"
	"durago.example/testdata/guests/library/tour"
)

// TestOpen_sqlc runs every query of a package that sqlc made. The same tour runs in an object, in host/hosttest.
func TestOpen_sqlc(t *testing.T) {
	want, err := os.ReadFile("../../testdata/guests/library/tour/tour.txt")
	require.NoError(t, err)
	t.Run("not prepared", func(t *testing.T) {
		_, db := openDB(t, store.Schema)
		got, err := tour.Run(t.Context(), db, store.New(db))
		require.NoError(t, err, got)
		require.Equal(t, string(want), got)
	})
	t.Run("prepared", func(t *testing.T) {
		_, db := openDB(t, store.Schema)
		q, err := store.Prepare(t.Context(), db)
		require.NoError(t, err)
		got, err := tour.Run(t.Context(), db, q)
		require.NoError(t, err, got)
		require.Equal(t, string(want), got)
		require.NoError(t, q.Close())
	})
}
