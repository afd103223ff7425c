package journal

import (
	"io"
	"math/bits"
)

// Pages are for the most part empty: what is written is kept, in the journal and in memory, without the longest run of
// zeros in it. In the journal it is a sequence of runs:
//
//	run   literal length 4, zeros 4, literal bytes
const runHead = 8

// step is the granularity of the search for zeros, and the shortest run that is left out is two of it.
const step = 64

// longest bounds the zeros of a run: SQLite writes no more at once than its largest page.
const longest = 64 << 10

// zeros finds a long run of zeros in p: p[from:to]. Both are len(p) if there is none.
func zeros(p []byte) (from, to int) {
	best, end, run := 0, 0, 0
	for i := 0; i+step <= len(p); i += step {
		b := p[i : i+step : i+step]
		if le.Uint64(b)|le.Uint64(b[8:])|le.Uint64(b[16:])|le.Uint64(b[24:])|le.Uint64(b[32:])|le.Uint64(b[40:])|le.Uint64(b[48:])|le.Uint64(b[56:]) != 0 {
			run = 0
			continue
		}
		if run++; run > best {
			best, end = run, i+step
		}
	}
	if best < 2 {
		return len(p), len(p)
	}
	from, to = end-best*step, end
	for from >= 8 { // and what borders on it
		w := le.Uint64(p[from-8:])
		n := bits.LeadingZeros64(w) / 8
		if from -= n; n < 8 {
			break
		}
	}
	for to+8 <= len(p) {
		n := bits.TrailingZeros64(le.Uint64(p[to:])) / 8
		if to += n; n < 8 {
			break
		}
	}
	return from, min(to, from+longest)
}

// appendRuns appends what was written as runs.
func appendRuns(b, p []byte) []byte {
	from, to := zeros(p)
	b = le.AppendUint32(b, uint32(from))
	b = le.AppendUint32(b, uint32(to-from))
	b = append(b, p[:from]...)
	if rest := p[to:]; len(rest) > 0 {
		b = le.AppendUint32(b, uint32(len(rest)))
		b = le.AppendUint32(b, 0)
		b = append(b, rest...)
	}
	return b
}

// runs is what a record repeats.
type runs []byte

// first is the literal of the first run, and the rest.
func (r runs) first() (literal []byte, zeros int64, rest runs) {
	n := le.Uint32(r)
	return r[runHead : runHead+n], int64(le.Uint32(r[4:])), r[runHead+n:]
}

// size is how many bytes were written. ok is false if these are no runs.
func (r runs) size() (n int64, ok bool) {
	for len(r) > 0 {
		if len(r) < runHead || uint64(len(r)-runHead) < uint64(le.Uint32(r)) || le.Uint32(r[4:]) > longest {
			return 0, false
		}
		literal, zeros, rest := r.first()
		n += int64(len(literal)) + zeros
		r = rest
	}
	return n, true
}

// head is the bytes that were written first, up to the first zeros that were left out.
func (r runs) head() []byte {
	if len(r) == 0 {
		return nil
	}
	literal, _, _ := r.first()
	return literal
}

// writeTo writes the bytes, with their zeros.
func (r runs) writeTo(w io.WriterAt, off int64) error {
	var b []byte
	for len(r) > 0 {
		literal, zeros, rest := r.first()
		b = append(append(b, literal...), make([]byte, zeros)...)
		if r = rest; len(b) < longest && len(r) > 0 {
			continue
		}
		if _, err := w.WriteAt(b, off); err != nil {
			return err
		}
		off, b = off+int64(len(b)), b[:0]
	}
	return nil
}
