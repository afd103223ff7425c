package crowd

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"durago.example/objects/websocket/wsclient"
)

// room is one room and what its members were sent.
type room struct {
	c       *crowd
	members []*member
	tried   chan *member // who got the first message
	refusal chan string  // of the first message
	echo    bool         // a sender hears itself

	mu      sync.Mutex
	heard   []int // by message: how many members got it
	failed  []bool
	refused int64 // error frames, which name no message
	pending int   // messages that are not acknowledged yet
}

// member is one connection.
type member struct {
	room   *room
	number int // in its room
	client *wsclient.Client
	heard  atomic.Bool // the first message

	got  []uint64      // of the reader: by message, a bit
	last map[int]int64 // of the reader: by sender, its latest message
}

func newRoom(c *crowd, number int) *room {
	r := &room{c: c, tried: make(chan *member, c.Members), refusal: make(chan string, 1)}
	for i := range c.Members {
		r.members = append(r.members, &member{room: r, number: number*c.Members + i, last: map[int]int64{}})
	}
	return r
}

func (m *member) enter(ctx context.Context) error {
	c := m.room.c
	header := c.Header.Clone()
	number, in := m.number/c.Members, m.number%c.Members
	for _, list := range header {
		for i := range list {
			list[i] = with(list[i], number, in)
		}
	}
	client, err := wsclient.Dial(ctx, with(c.URL, number, in), &wsclient.Options{Header: header, Plain: !c.Recoverable, Deflate: c.Deflate, Patience: 30 * time.Second})
	if err != nil {
		return err
	}
	m.client = client
	if c.Recoverable && !client.Recoverable() {
		return errors.New("the room keeps no sessions: leave --recoverable out, or set Config.Recovery in the room")
	}
	return nil
}

// body is a message.
type body struct {
	Mark   string        `json:"bench"`
	Number int64         `json:"i"` // in its room; -1 is the first message, which is not counted
	Due    time.Duration `json:"due"`
	Sender int           `json:"sender"`
	Pad    string        `json:"pad,omitempty"`
}

// frameSize is about what a message has besides its padding, in bytes.
const frameSize = 100

func (m *member) say(number int64, due time.Duration) error {
	c := m.room.c
	b := body{Mark: c.mark, Number: number, Due: due, Sender: m.number, Pad: strings.Repeat("x", max(0, c.Size-frameSize))}
	if !c.Recoverable {
		return m.client.Signal(c.Event, b)
	}
	p, err := m.client.Post(c.Event, b)
	if err != nil {
		return err
	}
	m.room.mu.Lock()
	m.room.pending++
	m.room.mu.Unlock()
	c.answers.Go(func() { // which the client's end settles, at the latest
		<-p.Done()
		m.room.answered(number, p.Err())
	})
	return nil
}

// send sends the room's next message.
func (r *room) send(m *member, due time.Duration) error {
	r.mu.Lock()
	number := len(r.heard)
	r.heard, r.failed = append(r.heard, 0), append(r.failed, false)
	r.mu.Unlock()
	err := m.say(int64(number), due)
	if err != nil {
		r.mu.Lock()
		r.failed[number] = true
		r.mu.Unlock()
	}
	return err
}

// answered is told what has become of a message that is acknowledged.
func (r *room) answered(number int64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending--
	var refused *wsclient.Refused
	if !errors.As(err, &refused) {
		return
	}
	if number < 0 {
		r.complain(err.Error())
		return
	}
	r.refused++
	r.failed[number] = true
}

func (r *room) complain(why string) {
	select {
	case r.refusal <- why:
	default:
	}
}

// each is how many members a message should reach.
func (r *room) each() int {
	if r.echo {
		return len(r.members)
	}
	return len(r.members) - 1
}

// complete tells whether nothing is under way.
func (r *room) complete() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending > 0 {
		return false
	}
	refused := r.refused
	for i, n := range r.heard {
		switch {
		case r.failed[i] || n >= r.each():
		case n == 0 && !r.c.Recoverable && refused > 0:
			refused--
		default:
			return false
		}
	}
	return true
}

// expected is how many deliveries should have been, and how many messages were refused. Without acknowledgements it is not
// known which: of those that nobody has got so many as there were refusals.
func (r *room) expected() (deliveries, refused int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := r.refused
	for i, n := range r.heard {
		switch {
		case r.failed[i]:
			deliveries += int64(n)
		case n == 0 && !r.c.Recoverable && left > 0:
			left--
		default:
			deliveries += int64(r.each())
		}
	}
	return deliveries, r.refused
}

// read takes what the member gets until it has left.
func (m *member) read(ctx context.Context) {
	c := m.room.c
	for {
		e, err := m.client.Next(ctx)
		if err != nil {
			if !errors.Is(err, wsclient.ErrClosed) && ctx.Err() == nil {
				select {
				case c.end <- err:
				default:
				}
			}
			return
		}
		now := time.Now()
		switch e := e.(type) {
		case wsclient.Dropped:
			c.drops.Add(1)
		case wsclient.Gap:
			c.gaps.Add(e.To - e.From + 1)
		case wsclient.Frame:
			m.take(e, now)
		}
	}
}

func (m *member) take(f wsclient.Frame, now time.Time) {
	r := m.room
	if f.Event == "error" {
		var problem struct {
			Message string
			Status  int
		}
		_ = f.Decode(&problem)
		r.mu.Lock()
		switch {
		case len(r.heard) == 0:
			r.complain(problem.Message)
		case !r.c.Recoverable: // what is acknowledged is refused there
			r.refused++
		}
		r.mu.Unlock()
		return
	}
	if f.Event != r.c.Event {
		return
	}
	var b body
	if json.Unmarshal(f.Text, &b) != nil || b.Mark != r.c.mark {
		return // another's
	}
	if b.Number < 0 {
		if !m.heard.Swap(true) {
			r.tried <- m
		}
		return
	}
	m.count(b, now)
}

// count counts a delivery.
func (m *member) count(b body, now time.Time) {
	r := m.room
	word, bit := int(b.Number/64), uint64(1)<<(b.Number%64)
	for len(m.got) <= word {
		m.got = append(m.got, 0)
	}
	if m.got[word]&bit != 0 {
		r.c.doubled.Add(1)
		return
	}
	m.got[word] |= bit
	if before, ok := m.last[b.Sender]; ok && before > b.Number {
		r.c.disorder.Add(1)
	} else {
		m.last[b.Sender] = b.Number
	}
	r.c.took.add(now.Sub(r.c.epoch) - b.Due)
	r.c.delivered.Add(1)
	r.mu.Lock()
	r.heard[b.Number]++
	r.mu.Unlock()
}
