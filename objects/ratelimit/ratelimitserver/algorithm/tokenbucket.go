package algorithm

// tokenBucket has tokens, and an interval that began at since. While it is full none runs: the next begins when it is
// taken from. This is the original's bucket, with Quota tokens an interval where that has one.
type tokenBucket struct {
	l             Limit
	now           int64
	tokens, since int64
}

func readTokenBucket(l Limit, r *reader, now int64) Meter {
	b := &tokenBucket{l, now, r.number(), r.number()}
	if l.Kind == TokenBucket {
		b.refill()
	}
	return b
}

// refill adds the tokens of the intervals that have passed and keeps the rest of the running one.
func (b *tokenBucket) refill() {
	if b.tokens >= b.l.Burst {
		b.tokens, b.since = b.l.Burst, b.now
		return
	}
	if b.since > b.now {
		b.since = b.now
	}
	n := (b.now - b.since) / b.l.Period
	if n >= ceil(b.l.Burst-b.tokens, b.l.Quota) {
		b.tokens, b.since = b.l.Burst, b.now
		return
	}
	b.tokens += n * b.l.Quota
	b.since += n * b.l.Period
}

func (b *tokenBucket) Room() int64 { return b.tokens }

func (b *tokenBucket) Take(cost int64) { b.tokens -= min(cost, b.tokens) }

func (b *tokenBucket) Give(cost int64) {
	b.tokens += min(cost, b.l.Burst-b.tokens)
	if b.tokens == b.l.Burst {
		b.since = b.now
	}
}

func (b *tokenBucket) Wait(cost int64) (int64, bool) {
	if cost > b.l.Burst {
		return 0, false
	}
	return b.until(cost), true
}

func (b *tokenBucket) until(tokens int64) int64 {
	if tokens <= b.tokens {
		return 0
	}
	return min(MaxTime, product(ceil(tokens-b.tokens, b.l.Quota), b.l.Period)-(b.now-b.since))
}

func (b *tokenBucket) Full() int64 { return min(MaxTime, b.now+b.until(b.l.Burst)) }

func (b *tokenBucket) Append(to []byte) []byte {
	return appendNumbers(append(to, byte(TokenBucket)), b.tokens, b.since)
}
