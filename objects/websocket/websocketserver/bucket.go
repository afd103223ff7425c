package websocketserver

import "math"

// bucket is a token bucket. It is kept in the socket's attachment, so that hibernation does not fill it.
type bucket struct {
	Tokens int64 `js:"tokens"`
	AtMS   int64 `js:"at"` // when the last token came
}

// rate is what a bucket holds, and the milliseconds in which one token comes.
type rate struct{ most, everyMS int64 }

func (r rate) full(now int64) bucket { return bucket{r.most, now} }

// take takes a token. One that is refused costs the time that has passed towards the next token: who does not slow down
// gets nothing, and who waits for a whole interval gets one.
func (b *bucket) take(r rate, now int64) bool {
	passed := now - b.AtMS
	if passed < 0 { // the clock was set back
		b.AtMS, passed = now, 0
	}
	if n := passed / r.everyMS; n > 0 {
		b.Tokens = min(b.Tokens+min(n, math.MaxInt32), r.most)
		b.AtMS += n * r.everyMS
	}
	if b.Tokens <= 0 {
		b.AtMS = now
		return false
	}
	b.Tokens--
	return true
}
