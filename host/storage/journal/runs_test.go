package journal_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/storage/journal"
)

// TestRuns holds that what a record keeps of a page is the page, and that an empty one costs next to nothing.
func TestRuns(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 3000 {
		want := page(rng, 1+rng.IntN(70_000))
		var got plain
		require.NoError(t, journal.WriteRuns(&got, want))
		require.True(t, bytes.Equal(want, got), fmt.Sprint(i))
	}
	require.Less(t, journal.RunsSize(make([]byte, 4096)), 32)
	full := bytes.Repeat([]byte{1}, 4096)
	require.Less(t, journal.RunsSize(full), 4096+32)
	full[0], full[4095] = 0, 0
	require.Less(t, journal.RunsSize(full), 4096+32)
}
