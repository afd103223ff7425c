//go:build !js

package wsclient

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/gorilla/websocket"
)

// Post is a message under way.
type Post struct {
	n       int64
	text    []byte // without the number and the last brace
	sent    bool   // in this session: it may have been handled
	written bool   // on this connection
	refused bool   // it only keeps its number until all answers are there
	failed  int
	done    chan struct{}
	err     error
}

// Done is closed when the message was handled, or never will be.
func (p *Post) Done() <-chan struct{} { return p.done }

// Err says, once Done is closed, why the message was not handled, or nil. It is a *Refused, ErrLost, ErrClosed or an *Ended.
func (p *Post) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

func (p *Post) settle(err error) {
	p.err = err
	close(p.done)
}

// Post has a message sent, now or when there is a connection; it is handled once, and in the order of the calls. fields is
// what json.Marshal makes an object of, or nil. The errors are ErrClosed, ErrFull, ErrPlain, a *Refused if the message is longer
// than the room has said it takes, and that fields make no frame.
func (c *Client) Post(event string, fields any) (*Post, error) {
	text, err := appendFrame(event, fields)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.ctx.Err() != nil {
		return nil, ErrClosed
	}
	if c.id == "" {
		return nil, ErrPlain
	}
	return c.outgoing.add(text, c.o.Waiting)
}

// Send is Post, and waits until the message was handled. If ctx ends before that its error is returned, and the message goes on.
func (c *Client) Send(ctx context.Context, event string, fields any) error {
	p, err := c.Post(event, fields)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Signal sends a message that is not worth keeping: it is lost if the connection breaks, and nothing says whether it was
// handled. Without a connection the error is ErrDown; ErrFull if too much waits to be written.
func (c *Client) Signal(event string, fields any) error {
	text, err := appendFrame(event, fields)
	if err != nil {
		return err
	}
	return c.put(websocket.TextMessage, append(text, '}'))
}

// SignalBinary is Signal of a binary message, for rooms that take some.
func (c *Client) SignalBinary(data []byte) error {
	return c.put(websocket.BinaryMessage, slices.Clone(data))
}

func (c *Client) put(kind int, data []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed || c.ctx.Err() != nil:
		return ErrClosed
	case c.link == nil:
		return ErrDown
	case len(c.link.out) >= c.o.Waiting:
		return ErrFull
	}
	c.link.put(kind, data)
	return nil
}

// tries is how often a message is sent at which the room's own code fails.
const tries = 8

// outgoing are the messages that wait. Each numbered frame on a connection has one answer. After a refusal nothing is written
// until all answers are there, so that a number stands for one message at a time; then one is, and the next when that was
// handled. It belongs to its client's mutex.
type outgoing struct {
	c          *Client
	link       *link
	waiting    []*Post
	n          int64
	unanswered int
	quiet      int           // pings since an answer
	careful    bool          // one at a time
	late       bool          // what was refused may be sent again, later
	pause      time.Duration // which grows while nothing is handled
	again      *time.Timer   // set during a pause
	longest    int           // as the room has said, or 0
}

func (g *outgoing) add(text []byte, most int) (*Post, error) {
	if len(g.waiting) >= most {
		return nil, ErrFull
	}
	p := &Post{n: g.n + 1, text: text, done: make(chan struct{})}
	if g.long(p) {
		return nil, &Refused{413, fmt.Sprintf("the message is too long (max %d)", g.longest)}
	}
	g.n++
	g.waiting = append(g.waiting, p)
	g.write()
	return p, nil
}

func (p *Post) frame() []byte {
	return append(strconv.AppendInt(append(slices.Clip(p.text), `,"n":`...), p.n, 10), '}')
}

func (g *outgoing) long(p *Post) bool { return g.longest > 0 && units(p.frame()) > g.longest }

// write writes what may be written now.
func (g *outgoing) write() {
	if g.link == nil || g.again != nil || g.careful && g.unanswered > 0 {
		return
	}
	for _, p := range g.waiting {
		if p.written || p.refused {
			continue
		}
		p.sent, p.written = true, true
		g.unanswered++
		g.link.put(websocket.TextMessage, p.frame())
		if g.careful {
			return
		}
	}
}

// acked has the room have handled everything up to n.
func (g *outgoing) acked(n int64) {
	for len(g.waiting) > 0 && g.waiting[0].n <= n {
		if !g.waiting[0].refused {
			g.waiting[0].settle(nil)
		}
		g.waiting = g.waiting[1:]
	}
}

func (g *outgoing) handled(n int64) {
	g.acked(n)
	if g.careful {
		g.pause /= 2
	}
	if len(g.waiting) == 0 {
		g.careful, g.pause = false, 0
	}
	g.answered()
}

// lost settles what may have been handled in a session that is lost. What was not sent is sent in the next one.
func (g *outgoing) lost() {
	g.waiting = slices.DeleteFunc(g.waiting, func(p *Post) bool {
		if p.sent && !p.refused {
			p.settle(ErrLost)
		}
		return p.sent
	})
}

// begin readies it for a connection on which the next number is n.
func (g *outgoing) begin(n int64) {
	g.stop()
	g.unanswered, g.quiet, g.careful, g.late = 0, 0, false, false
	g.number(n, false)
}

// stop is told that there is no connection.
func (g *outgoing) stop() {
	g.link = nil
	if g.again != nil {
		g.again.Stop()
		g.again = nil
	}
}

func (g *outgoing) fail(why error) {
	g.stop()
	for _, p := range g.waiting {
		if !p.refused {
			p.settle(why)
		}
	}
	g.waiting = nil
}

// silent counts pings while something is unanswered.
func (g *outgoing) silent() bool {
	if g.unanswered == 0 {
		return false
	}
	g.quiet++
	return g.quiet > 2
}

var digits = regexp.MustCompile(`\d+`)

// refused takes an error about a numbered message; false for others. A message that is refused is undone, and its number free.
func (g *outgoing) refused(m frame) bool {
	n := m.n
	if m.status == 413 && n == 0 { // it was too long to be read, but the room says how long one may be
		g.longest, _ = strconv.Atoi(digits.FindString(m.message))
		for _, p := range g.waiting {
			switch {
			case !g.long(p) || p.refused:
			case !p.written:
				p.refuse(m)
			case n == 0:
				n = p.n
			}
		}
	}
	if n == 0 {
		return false
	}
	if i := slices.IndexFunc(g.waiting, func(p *Post) bool { return p.n == n }); i >= 0 {
		p := g.waiting[i]
		if m.status >= 500 {
			p.failed++
		}
		if m.status == 409 || m.status == 429 || m.status >= 500 && p.failed < tries {
			// What follows one that is refused is out of turn, and need not wait.
			if m.status != 409 || !slices.ContainsFunc(g.waiting, func(p *Post) bool { return p.refused }) {
				g.late = true
			}
		} else {
			p.refuse(m)
		}
		g.careful = true
	}
	g.answered()
	return true
}

func (p *Post) refuse(m frame) {
	if !p.refused {
		p.refused = true
		p.settle(&Refused{int(m.status), m.message})
	}
}

func (g *outgoing) answered() {
	g.quiet = 0
	g.unanswered = max(0, g.unanswered-1)
	if g.unanswered > 0 || !g.careful {
		g.write()
		return
	}
	if len(g.waiting) > 0 {
		g.number(g.waiting[0].n, g.late)
	}
	g.late = false
}

// number numbers what waits anew, from n on, and writes it; late is after a pause.
func (g *outgoing) number(n int64, late bool) {
	g.waiting = slices.DeleteFunc(g.waiting, func(p *Post) bool { return p.refused })
	for _, p := range g.waiting {
		p.n, p.written = n, false
		n++
	}
	g.n = n - 1
	if !late {
		g.write()
		return
	}
	g.pause = min(g.c.o.Most, max(g.c.o.First, 2*g.pause))
	var timer *time.Timer
	timer = time.AfterFunc(2*g.c.o.half(g.pause), func() {
		g.c.mu.Lock()
		defer g.c.mu.Unlock()
		if g.again == timer {
			g.again = nil
			g.write()
		}
	})
	g.again = timer
}
