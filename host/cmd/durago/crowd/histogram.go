package crowd

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// histogram counts times in classes that are a 64th of their value wide, so that memory does not grow with a run; a quantile
// is at most that much too high. Any goroutine may add.
type histogram struct {
	classes [64 * 64]atomic.Int64
	n       atomic.Int64
	max     atomic.Int64
}

func (h *histogram) add(d time.Duration) {
	v := max(0, int64(d/time.Microsecond))
	h.classes[class(v)].Add(1)
	h.n.Add(1)
	for {
		m := h.max.Load()
		if int64(d) <= m || h.max.CompareAndSwap(m, int64(d)) {
			return
		}
	}
}

// class is a number's: below 64 its own, above that by its first seven binary digits.
func class(v int64) int {
	shift := max(0, bits.Len64(uint64(v))-7)
	return shift*64 + int(v>>shift)
}

// top is the greatest number of a class.
func top(class int) int64 {
	shift := max(0, class/64-1)
	return (int64(class-shift*64)+1)<<shift - 1
}

// quantile is, in milliseconds, what at least the fraction p did not exceed, by nearest rank.
func (h *histogram) quantile(p float64) float64 {
	n := h.n.Load()
	rank := max(1, int64(math.Ceil(p*float64(n))))
	for i := range h.classes {
		if rank -= h.classes[i].Load(); rank <= 0 && n > 0 {
			return min(float64(top(i))/1000, h.greatest())
		}
	}
	return 0
}

func (h *histogram) greatest() float64 { return float64(h.max.Load()) / 1e6 }
