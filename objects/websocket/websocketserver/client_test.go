package websocketserver_test

import (
	"encoding/json"
	"fmt"
	"slices"
)

// link is one connection of a client, as two queues: what is in them is under way.
type link struct {
	socket   *socket
	client   *client
	up, down []string
	cut      bool // the client has no more to do with it
	gone     bool // the room knows
}

// outgoing is a message that a client has numbered and that has not been acknowledged.
type outgoing struct {
	n    int64
	id   string
	kind string
}

func (m outgoing) frame() string {
	return fmt.Sprintf(`{"event":%q,"text":%q,"n":%d}`, m.kind, m.id, m.n)
}

// run is a run of numbers, both ends included.
type run struct{ from, to int64 }

// client keeps the protocol, as a client in a browser does, and remembers everything.
type client struct {
	first   func() int64 // the first number in the room's log
	name    string
	link    *link
	token   string
	open    bool
	last    int64 // the last number that it has seen
	n       int64 // its own last number
	pending []outgoing
	before  outgoing // the last that was acknowledged
	sent    []string
	acked   map[string]bool
	doubt   map[string]bool // of sessions that were lost: handled or not
	got     []string        // number and text of each message
	gaps    []run           // what it was told that it has not
}

func (c *client) send(text string) {
	if c.link != nil {
		c.link.up = append(c.link.up, text)
	}
}

// publish makes a message.
func (c *client) publish(kind string) {
	if !c.open {
		return
	}
	c.n++
	m := outgoing{c.n, fmt.Sprint(c.name, "-", len(c.sent)), kind}
	c.sent = append(c.sent, m.id)
	c.pending = append(c.pending, m)
	c.send(m.frame())
}

// again sends what was sent before once more.
func (c *client) again() {
	if !c.open {
		return
	}
	if c.before.n > 0 {
		c.send(c.before.frame())
	}
	for _, m := range c.pending {
		c.send(m.frame())
	}
}

// receive takes a frame; an error is a broken promise.
func (c *client) receive(text string) error {
	var f struct {
		Event, Token, Text string
		Resumed, Again     bool
		Seq, N, From, To   int64
		Status             int
	}
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		return err
	}
	switch f.Event {
	case "session:open":
		c.opened(f.Token, f.Resumed, f.Seq, f.N)
	case "session:gap":
		if f.From > c.last+1 {
			return fmt.Errorf("%s: a gap from %d on, but %d was the last", c.name, f.From, c.last)
		}
		if first := c.first(); c.open && f.To >= first && !c.lost(f.To) {
			return fmt.Errorf("%s: a gap to %d, but the log has %d", c.name, f.To, first)
		}
		c.gaps = append(c.gaps, run{f.From, f.To})
		c.last = max(c.last, f.To)
	case "chat", "tell":
		if f.Seq <= c.last {
			return fmt.Errorf("%s: %d after %d", c.name, f.Seq, c.last)
		}
		c.last = f.Seq
		c.got = append(c.got, fmt.Sprint(f.Seq, " ", f.Text))
	case "message:ack":
		c.ack(f.N)
	case "error":
		if f.Status != 409 {
			return fmt.Errorf("%s: %s", c.name, text)
		}
		if len(c.link.up) < 100 { // else it is being sent again
			for _, m := range c.pending {
				c.send(m.frame())
			}
		}
	}
	return nil
}

// lost tells whether a number is in what was reported when a session was lost.
func (c *client) lost(seq int64) bool {
	return slices.ContainsFunc(c.gaps, func(g run) bool { return seq >= g.from && seq <= g.to })
}

func (c *client) opened(token string, resumed bool, head, handled int64) {
	c.token, c.open = token, true
	if resumed {
		c.ack(handled)
	} else {
		for _, m := range c.pending {
			c.doubt[m.id] = true
		}
		c.pending, c.n, c.before = nil, 0, outgoing{}
		c.gaps = append(c.gaps, run{c.last + 1, head})
		c.last = head
	}
	for _, m := range c.pending {
		c.send(m.frame())
	}
}

func (c *client) ack(n int64) {
	for len(c.pending) > 0 && c.pending[0].n <= n {
		c.before = c.pending[0]
		c.acked[c.before.id] = true
		c.pending = c.pending[1:]
	}
}
