package ws

import (
	"io"
	"sync"
	"time"
	"unsafe"
)

// Budget bounds what connections hold of messages together, which clients send in part, or do not take: what each may hold alone,
// 32 MiB one way and 64 the other, would be too much of a great many. When there is more, connections are dropped, first the one
// that has held most for longest, so that it is not a client which comes by with something large.
//
// A connection's first 64 KiB each way do not count, so that those that are quick never come here. A message that is sent to
// many counts once.
//
// Its lock is taken within that of a connection, never the reverse.
type Budget struct {
	max int64

	mu      sync.Mutex
	held    int64 // what is freed when a connection ends is not in it once that is dropped
	holders map[*Conn]*holder
	shared  sharing
}

// free is what does not count of a connection, in bytes, each way.
const free = 64 << 10

// holder is what one connection holds.
type holder struct {
	alone   int64     // bytes of a message that is being read, and what frames take beside their data
	inside  int64     // bytes of messages that the program has not taken: they stay when the connection ends
	waits   []waiting // frames, in their order
	since   time.Time // when it began to hold something
	dropped bool
}

// waiting is a frame that counts.
type waiting struct {
	n    int64 // which of those that were queued
	data []byte
}

// sharing is how many connections a frame's data wait for.
type sharing map[*byte]int64

// add counts one more, and returns what that adds.
func (s sharing) add(data []byte) int64 {
	if len(data) == 0 {
		return 0
	}
	at := unsafe.SliceData(data)
	if s[at]++; s[at] > 1 {
		return 0
	}
	return int64(len(data))
}

// remove counts one fewer, and returns what that frees.
func (s sharing) remove(data []byte) int64 {
	if len(data) == 0 {
		return 0
	}
	at := unsafe.SliceData(data)
	if s[at]--; s[at] > 0 {
		return 0
	}
	delete(s, at)
	return int64(len(data))
}

// part is what one of those for whom data wait holds of them.
func (s sharing) part(data []byte) float64 {
	if len(data) == 0 {
		return 0
	}
	return float64(len(data)) / float64(s[unsafe.SliceData(data)])
}

// NewBudget makes one of so many bytes.
func NewBudget(max int64) *Budget {
	return &Budget{max: max, holders: map[*Conn]*holder{}, shared: sharing{}}
}

// Held is what counts now, in bytes.
func (b *Budget) Held() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held
}

// change lets f change what a connection holds, by as much as it returns, and returns whom to drop then, or nil.
func (b *Budget) change(c *Conn, f func(h *holder) int64) (victim *Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.holders[c]
	if h == nil {
		h = &holder{since: time.Now()}
		b.holders[c] = h
	}
	more := f(h)
	b.held += more
	if h.alone == 0 && h.inside == 0 && len(h.waits) == 0 {
		delete(b.holders, c)
	}
	if more <= 0 || b.held <= b.max {
		return nil
	}
	return b.worst()
}

// reads counts bytes more of what a client sends, or fewer. Those of a connection that is dropped are as good as free.
func (h *holder) reads(n int64) int64 {
	h.alone += n
	if h.dropped {
		return 0
	}
	return n
}

// frees counts the frames up to one no more.
func (b *Budget) frees(h *holder, upTo int64) (less int64) {
	n := 0
	for n < len(h.waits) && h.waits[n].n <= upTo {
		less += h.reads(-frameCost) - b.shared.remove(h.waits[n].data)
		n++
	}
	h.waits = h.waits[n:]
	return less
}

// worst is who has held most for longest. mu is held.
func (b *Budget) worst() (victim *Conn) {
	now := time.Now()
	most := -1.0
	for c, h := range b.holders {
		if h.dropped {
			continue
		}
		score := float64(h.alone + h.inside)
		for _, w := range h.waits {
			score += b.shared.part(w.data)
		}
		if score *= 1 + now.Sub(h.since).Seconds(); score > most {
			victim, most = c, score
		}
	}
	if victim != nil {
		h := b.holders[victim]
		h.dropped = true
		b.held -= h.alone
	}
	return victim
}

// tally is what of a connection counts.
type tally struct {
	budget         *Budget // nil if nothing does
	queued, writes int64   // frames
	waits          bool    // some of them count
	reading        int64   // bytes of a message that is being read
}

// Within has a connection's messages count, and writers write them. It comes before anything is read or sent.
func (c *Conn) Within(b *Budget, w *Writers) {
	c.tally.budget = b
	if n, ok := c.network().(interface{ OnWait(func()) bool }); ok && w != nil && n.OnWait(func() { w.waits(c) }) {
		c.writers = w
	}
}

// queues counts a frame that was queued. mu is held. It returns whom to drop.
func (c *Conn) queues(data []byte) *Conn {
	t := &c.tally
	t.queued++
	if t.budget == nil || c.bytes <= free {
		return nil
	}
	t.waits = true
	return t.budget.change(c, func(h *holder) int64 {
		h.waits = append(h.waits, waiting{t.queued, data})
		return h.reads(frameCost) + t.budget.shared.add(data)
	})
}

// wrote counts frames that were written. mu is held.
func (c *Conn) wrote(frames int) {
	t := &c.tally
	t.writes += int64(frames)
	if t.waits {
		t.budget.change(c, func(h *holder) int64 {
			less := t.budget.frees(h, t.writes)
			t.waits = len(h.waits) > 0
			return less
		})
	}
}

// forgets counts what was queued no more. mu is held.
func (c *Conn) forgets() {
	t := &c.tally
	if t.waits {
		t.waits = false
		t.budget.change(c, func(h *holder) int64 { return t.budget.frees(h, t.queued) })
	}
}

// holds counts bytes of messages of the client.
func (c *Conn) holds(n int) {
	if b := c.tally.budget; b != nil && n != 0 {
		if victim := b.change(c, func(h *holder) int64 { return h.reads(int64(n)) }); victim != nil {
			victim.Drop()
		}
	}
}

// waitsInside counts a message of n bytes that waits for the program, or, negative, that does not any more.
func (c *Conn) waitsInside(n int) {
	if b := c.tally.budget; b != nil && max(n, -n) > free {
		victim := b.change(c, func(h *holder) int64 {
			h.inside += int64(n)
			if n < 0 {
				return int64(n)
			}
			read := c.tally.reading // it is the same message
			c.tally.reading = 0
			return int64(n) + h.reads(-read)
		})
		if victim != nil {
			victim.Drop()
		}
	}
}

// large reads a message, of which what is more than free counts until it has been handed on.
type large struct {
	io.Reader
	c *Conn
	n int64 // what was read
}

func (l *large) Read(p []byte) (n int, err error) {
	n, err = l.Reader.Read(p)
	if l.n += int64(n); l.n-free-l.c.tally.reading >= free/4 {
		more := l.n - free - l.c.tally.reading
		l.c.tally.reading += more
		l.c.holds(int(more))
	}
	return n, err
}

// handed counts the message that was read no more.
func (c *Conn) handed() {
	c.holds(-int(c.tally.reading))
	c.tally.reading = 0
}
