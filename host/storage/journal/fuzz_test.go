package journal_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/storage/journal"
	"durago.example/host/storage/powerloss"
)

// FuzzOpen opens journals that are damaged, and holds that one is replayed, or refused by name with nothing written
// anywhere. With seal every sum is right again, so that what is behind them is reached.
func FuzzOpen(f *testing.F) {
	whole := sample(f)
	f.Add(whole, true)
	f.Add(whole[:len(whole)/2], false)
	f.Add([]byte{}, false)
	f.Fuzz(func(t *testing.T, b []byte, seal bool) { _ = openDamaged(t, b, seal) })
}

// TestOpen_damaged does the same with a thousand journals that differ from a whole one in a few bytes: under the fuzzer,
// which counts what SQLite runs through, one takes a second. DURAGO_DAMAGED asks for more.
func TestOpen_damaged(t *testing.T) {
	whole := sample(t)
	rng := rand.New(rand.NewPCG(1, 1))
	refused, journals := 0, powerloss.Number(t, "DURAGO_DAMAGED", 1000)
	for range journals {
		b := slices.Clone(whole)
		for range 1 + rng.IntN(4) {
			at := rng.IntN(256)
			if rng.IntN(2) == 0 {
				at += 4096
			}
			b[at] = byte(rng.Uint32())
		}
		if openDamaged(t, b[:len(b)-rng.IntN(2)*rng.IntN(len(b))], rng.IntN(4) > 0) != nil {
			refused++
		}
	}
	require.Greater(t, refused, journals/10)
	require.Less(t, refused, journals*9/10)
	require.NoError(t, openDamaged(t, whole, false))
}

func openDamaged(t *testing.T, b []byte, seal bool) error {
	outer := powerloss.Scratch(t)
	defer func() { _ = os.RemoveAll(outer) }()
	root := filepath.Join(outer, "state")
	require.NoError(t, os.MkdirAll(filepath.Join(root, journal.Directory), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "bystander.sqlite"), []byte("mine"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(outer, "outside.sqlite"), []byte("mine"), 0o644))
	if seal {
		b = journal.Seal(b)
	}
	require.NoError(t, os.WriteFile(filepath.Join(root, journal.Directory, "0001.segment"), b, 0o644))
	j, err := journal.Recover(journal.Options{Root: root, SegmentSize: 128 << 10, Keep: 2, Most: 5})
	outside, e := os.ReadFile(filepath.Join(outer, "outside.sqlite"))
	require.NoError(t, e)
	require.Equal(t, "mine", string(outside))
	if err == nil {
		j.Abandon()
		return nil
	}
	require.True(t, errors.Is(err, journal.ErrDamaged) || errors.Is(err, journal.ErrVersion) || errors.Is(err, journal.ErrForeign), "%v", err)
	bystander, e := os.ReadFile(filepath.Join(root, "bystander.sqlite"))
	require.NoError(t, e)
	require.Equal(t, "mine", string(bystander))
	entries, e := os.ReadDir(root)
	require.NoError(t, e)
	require.Len(t, entries, 2, "nothing was replayed")
	return err
}

// sample is a segment with records of every kind.
func sample(f testing.TB) []byte {
	root := f.TempDir()
	j := recovered(f, journal.Options{Root: root, SegmentSize: 64 << 10, Keep: 2, Most: 5})
	defer j.Abandon()
	for _, name := range []string{"a.sqlite", "b.sqlite"} {
		require.NoError(f, j.Create(filepath.Join(root, name)))
	}
	j.Append("a.sqlite-wal", 1, 0, make([]byte, 32))
	j.Append("a.sqlite-wal", 1, 32, make([]byte, 24))
	j.Append("a.sqlite-wal", 2, 0, nil)
	j.Append("a.sqlite-wal", 3, 0, nil)
	j.Append("a.sqlite", 5, 0, nil)
	require.NoError(f, j.Remove(filepath.Join(root, "b.sqlite")))
	require.NoError(f, j.Flush())
	b, err := os.ReadFile(filepath.Join(root, journal.Directory, "0001.segment"))
	require.NoError(f, err)
	return b[:min(len(b), 24<<10)]
}
