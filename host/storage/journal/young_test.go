package journal_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/storage/journal"
)

// plain is the oracle: a file that keeps every byte.
type plain []byte

func (p *plain) WriteAt(b []byte, off int64) (int, error) {
	if need := int(off) + len(b); need > len(*p) {
		*p = append(*p, make([]byte, need-len(*p))...)
	}
	return copy((*p)[off:], b), nil
}

// page is bytes with runs of zeros at random places, as SQLite writes them: seldom none, seldom nothing else.
func page(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for range rng.IntN(4) {
		for i := range b[rng.IntN(n):][:1] {
			from := i + rng.IntN(n)
			for k := from; k < min(n, from+1+rng.IntN(n)); k++ {
				b[k] = byte(rng.IntN(3))
			}
		}
	}
	return b
}

// TestSparse does with a young file, at random, what SQLite does with a log, and compares with one that keeps every byte.
func TestSparse(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		var s journal.Sparse
		var want plain
		var starts []int
		for range rng.IntN(40) {
			n := []int{32, 24, 4096, 512, 1 + rng.IntN(300)}[rng.IntN(5)]
			b := page(rng, n)
			switch p := rng.IntN(20); {
			case p == 0 && len(starts) > 0:
				k := rng.IntN(len(starts))
				require.True(t, s.Truncate(int64(starts[k])))
				want, starts = want[:starts[k]], starts[:k]
			case p < 4 && len(starts) > 0: // again, what was written before
				k := rng.IntN(len(starts))
				end := len(want)
				if k+1 < len(starts) {
					end = starts[k+1]
				}
				b = page(rng, end-starts[k])
				require.True(t, s.WriteAt(b, int64(starts[k])))
				_, _ = want.WriteAt(b, int64(starts[k]))
			default:
				starts = append(starts, len(want))
				require.True(t, s.WriteAt(b, int64(len(want))))
				_, _ = want.WriteAt(b, int64(len(want)))
			}
		}
		for range 30 {
			off, got := rng.IntN(len(want)+10), make([]byte, rng.IntN(9000))
			n, err := s.ReadAt(got, int64(off))
			part := want[min(off, len(want)):]
			require.Equal(t, min(len(part), len(got)), n)
			require.Equal(t, n < len(got), err == io.EOF)
			require.True(t, bytes.Equal(part[:n], got[:n]), "at %d", off)
		}
		var copied plain
		require.NoError(t, s.WriteTo(&copied, 0))
		require.True(t, bytes.Equal(want, copied))
		if len(starts) > 0 && len(want) > 2 {
			require.False(t, s.WriteAt([]byte{1}, int64(len(want)+1)), "a gap")
			require.False(t, s.WriteAt(make([]byte, len(want)+1), 0), "more than was there")
		}
	}
}

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

// TestJournal_Create_whileReleasing holds that a database that is being made is not forgotten with what was synced. It
// is a matter of chance: the fault is found by every fourth run or so.
func TestJournal_Create_whileReleasing(t *testing.T) {
	root := t.TempDir()
	template, err := os.ReadFile("../template.sqlite")
	require.NoError(t, err)
	j, err := journal.Recover(journal.Options{Root: root, Template: template})
	require.NoError(t, err)
	defer j.Abandon()
	done := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(done)
	for _, f := range []func(){func() { _ = j.Release(1) }, func() { j.Young(root + "/a.sqlite") }, func() { j.Young(root + "/b.sqlite") }} {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					f()
				}
			}
		})
	}
	for i := range 2000 {
		path := filepath.Join(root, fmt.Sprintf("%d.sqlite", i))
		require.NoError(t, j.Create(path))
		require.True(t, j.Young(path), path)
	}
}

// TestJournal_Born_withoutRecord holds that no head of a log is on disk before its record is durable (rule 9), though the
// log is made a file in the middle of the write.
func TestJournal_Born_withoutRecord(t *testing.T) {
	root := t.TempDir()
	template, err := os.ReadFile("../template.sqlite")
	require.NoError(t, err)
	j, err := journal.Recover(journal.Options{Root: root, Template: template})
	require.NoError(t, err)
	defer j.Abandon()
	path, head := filepath.Join(root, "a.sqlite-wal"), bytes.Repeat([]byte{7}, 32)
	onDisk := func() []byte {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		return b
	}
	j.BeginLog("a.sqlite-wal", head, func() {
		require.NoError(t, j.Born(path))
		require.Empty(t, onDisk())
	})
	require.NoError(t, j.Release(0))
	require.Empty(t, onDisk(), "the record is not durable")
	require.NoError(t, j.Flush())
	require.NoError(t, j.Release(0))
	require.Equal(t, head, onDisk())
}
