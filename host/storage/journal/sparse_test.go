package journal_test

import (
	"bytes"
	"io"
	"math/rand/v2"
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
	for round := range 300 {
		base := round % 2 * rng.IntN(10_000) // the file has what is before
		s := journal.NewSparse(int64(base))
		want := make(plain, base)
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
			off, got := base+rng.IntN(len(want)-base+10), make([]byte, rng.IntN(9000))
			n, err := s.ReadAt(got, int64(off))
			part := want[min(off, len(want)):]
			require.Equal(t, min(len(part), len(got)), n)
			require.Equal(t, n < len(got), err == io.EOF)
			require.True(t, bytes.Equal(part[:n], got[:n]), "at %d", off)
		}
		copied := make(plain, base)
		require.NoError(t, s.WriteTo(&copied, int64(base)))
		require.True(t, bytes.Equal(want, copied))
		require.False(t, s.WriteAt([]byte{1}, int64(len(want)+1)), "a gap")
		if len(starts) > 0 {
			require.False(t, s.WriteAt(make([]byte, len(want)-base+1), int64(base)), "more than was there")
		}
		if base > 0 {
			require.False(t, s.WriteAt([]byte{1}, int64(base-1)), "the file's")
			require.False(t, s.Truncate(int64(base-1)), "the file's")
		}
	}
}
