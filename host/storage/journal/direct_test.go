package journal_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/storage/journal"
	"durago.example/host/storage/powerloss"
)

// TestMachine_WriteSync writes at random, with and without the page cache, on the file systems that there are, and holds that
// every reader sees what was written last. What is no whole block goes through the cache.
func TestMachine_WriteSync(t *testing.T) {
	const block = 4096
	for _, dir := range []string{t.TempDir(), powerloss.Scratch(t)} {
		rng := rand.New(rand.NewPCG(1, 1))
		path := filepath.Join(dir, "a")
		f, err := journal.Machine{}.OpenFile(path, true)
		require.NoError(t, err)
		var want plain
		for i := range 300 {
			if i == 250 {
				require.NoError(t, f.WriteSync([]byte("half a block"), 7))
				_, _ = want.WriteAt([]byte("half a block"), 7)
			}
			p := make([]byte, (1+rng.IntN(20))*block)
			for i := range p {
				p[i] = byte(rng.Uint32())
			}
			off := int64(rng.IntN(100) * block)
			if rng.IntN(3) == 0 {
				_, err = f.WriteAt(p, off)
			} else {
				err = f.WriteSync(p, off)
			}
			require.NoError(t, err)
			_, _ = want.WriteAt(p, off)
			if rng.IntN(3) == 0 {
				got, err := os.ReadFile(path)
				require.NoError(t, err)
				require.True(t, bytes.Equal(want, got), "after %d writes", i)
			}
		}
		require.NoError(t, f.Close())
	}
}
