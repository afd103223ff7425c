package algorithm

import "math/bits"

// ceil is a/b, rounded up; a ≥ 0, b > 0.
func ceil(a, b int64) int64 { return a/b + min(1, a%b) }

// product is a×b, at most MaxTime; both ≥ 0.
func product(a, b int64) int64 {
	if b != 0 && a > MaxTime/b {
		return MaxTime
	}
	return a * b
}

// part is a×n/d, rounded down, where n ≤ d: the product has 128 bits.
func part(a, n, d int64) int64 {
	q, _ := divide(a, n, d)
	return q
}

// partUp is part, rounded up.
func partUp(a, n, d int64) int64 {
	q, r := divide(a, n, d)
	return q + min(1, r)
}

func divide(a, n, d int64) (q, r int64) {
	hi, lo := bits.Mul64(uint64(a), uint64(n))
	uq, ur := bits.Div64(hi, lo, uint64(d))
	return int64(uq), int64(ur)
}
