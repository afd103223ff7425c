package crowd

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHistogram(t *testing.T) {
	for v := int64(0); v < 1<<14; v++ {
		c := class(v)
		require.GreaterOrEqual(t, top(c), v)
		require.Less(t, c, 64*64)
		if v > 0 {
			require.LessOrEqual(t, class(v-1), c)
			require.Less(t, top(c)-v, max(1, v/64+1))
		}
	}
	require.Less(t, class(math.MaxInt64), 64*64)
	var h histogram
	require.Zero(t, h.quantile(0.5))
	r := rand.New(rand.NewPCG(1, 2))
	var all []time.Duration
	for range 10_000 {
		d := time.Duration(r.ExpFloat64() * float64(time.Millisecond)).Truncate(time.Microsecond)
		all = append(all, d)
		h.add(d)
	}
	slices.Sort(all)
	for _, p := range []float64{0.5, 0.9, 0.99, 1} {
		exact := float64(all[int(math.Ceil(p*10_000))-1]) / 1e6
		require.InEpsilon(t, exact, h.quantile(p), 1.0/64)
		require.GreaterOrEqual(t, h.quantile(p), exact)
	}
	require.Equal(t, float64(all[9999])/1e6, h.greatest())
}
