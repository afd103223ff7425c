//go:build !js

package wsclient

import (
	"context"
	"errors"
	"sync"
	"time"
)

// What goes over the wire, as package websocket has it. A test holds them equal: a client that links no object, and that the
// command can link, imports neither.
const (
	protocol     = "durago.room.v1"
	ping         = `{"event":"ping"}`
	pong         = "pong"
	sessionList  = "session:list"
	sessionOpen  = "session:open"
	sessionGap   = "session:gap"
	sessionAck   = "session:ack"
	messageAck   = "message:ack"
	failure      = "error"
	replaced     = 4001
	kicked       = 4003
	acknowledges = 64 // messages at a time
)

// Client is in a room until Close, or until the room has ended its session.
type Client struct {
	url    string
	o      Options
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	events chan Event
	ended  chan struct{} // closed when nothing of the client runs any more
	err    error         // why it ended, once ended is closed

	// Of the goroutine that reads.
	token        string
	last         int64 // the number of the last message that was passed on
	acknowledged int64
	opening      Opened

	mu       sync.Mutex
	id       string
	link     *link // nil while no session is open
	heard    bool  // something has come since the last ping
	stuck    bool  // an event waits for room in the queue: nothing is read
	closed   bool
	outgoing outgoing
}

// Dial enters a room, at a URL of the scheme ws, wss, http or https. It returns when the session is open. A *StatusError is
// a server's that did not let it in, ErrNoRoom another WebSocket's; ctx ends the attempt alone.
func Dial(ctx context.Context, url string, o *Options) (*Client, error) {
	c := &Client{url: webSocket(url), ended: make(chan struct{})}
	if o != nil {
		c.o = *o
	}
	if err := c.o.defaults(); err != nil {
		return nil, err
	}
	c.events = make(chan Event, c.o.Events)
	c.outgoing.c = c
	c.ctx, c.cancel = context.WithCancel(context.Background())
	l, err := c.connect(ctx)
	if err != nil {
		c.cancel()
		return nil, err
	}
	go c.run(l)
	return c, nil
}

// Next is the next event. When the client has ended and there are no more its error is why: ErrClosed or an *Ended.
func (c *Client) Next(ctx context.Context) (Event, error) {
	select {
	case e, ok := <-c.events:
		if !ok {
			<-c.ended
			return nil, c.err
		}
		return e, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// ID is the session's, or empty in a room that keeps none.
func (c *Client) ID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.id
}

// Recoverable tells whether there is a session that outlives its connection.
func (c *Client) Recoverable() bool { return c.ID() != "" }

// Close leaves the room for good. Messages that wait have the error ErrClosed.
func (c *Client) Close() error {
	c.cancel()
	<-c.ended
	if errors.Is(c.err, ErrClosed) {
		return nil
	}
	return c.err
}

// emit passes an event on; false if the client is being closed.
func (c *Client) emit(e Event) bool {
	select {
	case c.events <- e:
		return true
	default:
	}
	c.setStuck(true)
	defer c.setStuck(false)
	select {
	case c.events <- e:
		return true
	case <-c.ctx.Done():
		return false
	}
}

func (c *Client) setStuck(stuck bool) {
	c.mu.Lock()
	c.stuck, c.heard = stuck, true
	c.mu.Unlock()
}

// run stays connected until the client ends.
func (c *Client) run(l *link) {
	defer close(c.ended)
	defer close(c.events)
	defer c.cancel()
	for attempts := 0; ; {
		since := time.Now()
		err := c.serve(l)
		if final := new(Ended); errors.As(err, &final) {
			c.end(final)
			return
		}
		if time.Since(since) >= c.o.Most {
			attempts = 0 // not for one that is dropped at once, each time
		}
		for l = nil; l == nil; {
			pause := c.o.half(min(c.o.Most, c.o.First<<min(attempts, 20)))
			attempts++
			if refused := new(StatusError); errors.As(err, &refused) {
				pause = max(pause, min(refused.retry, c.o.Most))
			}
			if c.ctx.Err() != nil || !c.emit(Dropped{err, pause}) || !c.wait(pause) {
				c.end(ErrClosed)
				return
			}
			l, err = c.connect(c.ctx)
		}
	}
}

// wait is false if the client was closed meanwhile.
func (c *Client) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.ctx.Done():
		return false
	}
}

func (c *Client) end(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed, c.err = true, why
	c.outgoing.fail(why)
}
