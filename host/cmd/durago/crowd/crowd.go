// Package crowd puts a load on rooms, as its members do: each sends to all, everybody counts what comes.
//
// # What is counted
//
// Messages are due at times that the rate alone decides: a room that is slow is sent the next one all the same, and latency
// counts from when a message was due, not from when it could be sent. An expected delivery is one message at one member. It
// is lost if it has not come by the end, doubled if it has come again, out of order if a later one of the same sender came
// before it. What the room refused is not expected of it, and is counted apart.
//
// The package knows rooms by their client alone. A Run owns everything that it starts, and ends it.
package crowd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"durago.example/objects/websocket/wsclient"
)

// Options of a run.
type Options struct {
	URL         string // of a room; {room} and {member} in it stand for numbers from 1 on, {member} also in Header
	Header      http.Header
	Event       string // which the room sends on to its members
	Rooms       int
	Members     int           // of each room
	Rate        float64       // messages a second, of all rooms together
	Size        int           // bytes of a message, if that is enough
	Duration    time.Duration // of sending
	Wait        time.Duration // for what is under way after that, while it comes
	Recoverable bool          // sessions that outlive connections, and messages that are acknowledged
	Deflate     bool          // offer permessage-deflate
	Seed        uint64        // of who sends which message
}

// Report is what a run has counted. Times are in milliseconds.
type Report struct {
	Rooms      int     `json:"rooms"`
	Members    int     `json:"members"` // of all rooms
	Connects   float64 `json:"connects_per_second"`
	Sent       int64   `json:"sent"`
	Refused    int64   `json:"refused"`   // by the rooms
	Unsent     int64   `json:"unsent"`    // too many waited, or there was no connection
	Expected   int64   `json:"expected"`  // deliveries
	Delivered  int64   `json:"delivered"` // of them
	Lost       int64   `json:"lost"`
	Doubled    int64   `json:"doubled"`
	OutOfOrder int64   `json:"out_of_order"`
	Gaps       int64   `json:"gaps"` // messages that rooms have reported as missing
	Drops      int64   `json:"dropped_connections"`
	Rate       float64 `json:"deliveries_per_second"`
	P50        float64 `json:"p50_ms"`
	P90        float64 `json:"p90_ms"`
	P99        float64 `json:"p99_ms"`
	Max        float64 `json:"max_ms"`
}

// Sound tells whether everything came once and in order.
func (r *Report) Sound() bool { return r.Lost+r.Doubled+r.OutOfOrder+r.Gaps == 0 }

// connecting is how many connect at once.
const connecting = 32

// crowd is a run.
type crowd struct {
	Options
	mark      string    // of this run's messages
	epoch     time.Time // due times count from here
	rooms     []*room
	took      histogram
	delivered atomic.Int64
	doubled   atomic.Int64
	disorder  atomic.Int64
	gaps      atomic.Int64
	drops     atomic.Int64
	unsent    atomic.Int64
	answers   sync.WaitGroup
	end       chan error // why a member has left before the end
}

// Run enters the rooms, sends, and leaves them.
func Run(ctx context.Context, o Options) (*Report, error) {
	c := &crowd{Options: o, mark: strconv.FormatUint(rand.Uint64(), 36), epoch: time.Now(), end: make(chan error, 1)}
	for i := range o.Rooms {
		c.rooms = append(c.rooms, newRoom(c, i))
	}
	var reading sync.WaitGroup
	defer reading.Wait()
	defer c.leave()
	began := time.Now()
	if err := c.enter(ctx); err != nil {
		return nil, err
	}
	r := &Report{Rooms: o.Rooms, Members: o.Rooms * o.Members}
	r.Connects = float64(r.Members) / time.Since(began).Seconds()
	for _, m := range c.members() {
		reading.Go(func() { m.read(ctx) })
	}
	if err := c.try(ctx); err != nil {
		return nil, err
	}
	if err := c.send(ctx, r); err != nil {
		return nil, err
	}
	if err := c.settle(ctx); err != nil {
		return nil, err
	}
	c.count(r)
	return r, nil
}

func (c *crowd) members() (all []*member) {
	for _, r := range c.rooms {
		all = append(all, r.members...)
	}
	return all
}

// enter connects all members.
func (c *crowd) enter(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	all := c.members()
	var next, done atomic.Int64
	var wg sync.WaitGroup
	for range min(connecting, len(all)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(all)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if err := all[i].enter(ctx); err != nil {
					cancel(explain(err, done.Load(), len(all)))
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// explain says what to do about a connection that could not be made.
func explain(err error, done int64, all int) error {
	var s *wsclient.StatusError
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fmt.Errorf("%d of %d connections are open, and the system allows no more files: raise the limit (ulimit -n), or ask for fewer members: %w", done, all, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%d of %d connections are open, and no local port is left: ask for fewer members, or for some from another machine: %w", done, all, err)
	case errors.As(err, &s) && done == 0:
		return fmt.Errorf("there is no room for this client, look at the URL and --header: %w", err)
	}
	return fmt.Errorf("%d of %d connections are open: %w", done, all, err)
}

func (c *crowd) leave() {
	var wg sync.WaitGroup
	for _, m := range c.members() {
		if m.client != nil {
			wg.Go(func() { _ = m.client.Close() })
		}
	}
	wg.Wait()
	c.answers.Wait()
}

// tryLimit is how long the first message of a room may take.
const tryLimit = 10 * time.Second

// try has the first member of each room say something, and looks who hears it: that shows that the room sends on what its
// members say, and whether to the sender too.
func (c *crowd) try(ctx context.Context) error {
	for _, r := range c.rooms {
		if err := r.members[0].say(-1, 0); err != nil {
			return err
		}
	}
	limit := time.NewTimer(tryLimit)
	defer limit.Stop()
	for _, r := range c.rooms {
		for heard := 0; heard < len(r.members)-1 || len(r.members) == 1 && heard == 0; {
			select {
			case m := <-r.tried:
				if m != r.members[0] || len(r.members) == 1 {
					heard++
				}
			case why := <-r.refusal:
				return fmt.Errorf("the room has refused the first message: %s", why)
			case err := <-c.end:
				return err
			case <-limit.C:
				return fmt.Errorf("the room does not send on the event %q: of %d members that should have got the first message %d did, in %v: name an event that it sends to all with --event",
					c.Event, max(1, len(r.members)-1), heard, tryLimit)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	if c.Members > 1 { // the sender's own is there by now, if it comes, or nearly
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, r := range c.rooms {
		r.echo = r.members[0].heard.Load()
	}
	return nil
}

// send sends what is due until the time is over.
func (c *crowd) send(ctx context.Context, r *Report) error {
	random := rand.New(rand.NewPCG(c.Seed, 5))
	began := time.Now()
	next := time.NewTimer(0)
	defer next.Stop()
	for i := int64(0); ; i++ {
		after := time.Duration(float64(i) / c.Rate * float64(time.Second))
		if after >= c.Duration {
			return nil
		}
		next.Reset(time.Until(began.Add(after)))
		select {
		case <-next.C:
		case err := <-c.end:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
		to := c.rooms[random.IntN(len(c.rooms))]
		m := to.members[random.IntN(len(to.members))]
		r.Sent++
		switch err := to.send(m, began.Add(after).Sub(c.epoch)); {
		case errors.Is(err, wsclient.ErrFull), errors.Is(err, wsclient.ErrDown):
			c.unsent.Add(1)
		case err != nil:
			return err
		}
	}
}

// settle waits for what is under way, until all is there or nothing has come for Wait.
func (c *crowd) settle(ctx context.Context) error {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	last, since := int64(-1), time.Now()
	for {
		if n := c.delivered.Load(); n != last {
			last, since = n, time.Now()
		}
		all := true
		for _, r := range c.rooms {
			all = all && r.complete()
		}
		if all || time.Since(since) > c.Wait {
			return nil
		}
		select {
		case <-look.C:
		case err := <-c.end:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// count sums up.
func (c *crowd) count(r *Report) {
	for _, room := range c.rooms {
		expected, refused := room.expected()
		r.Expected += expected
		r.Refused += refused
	}
	r.Delivered, r.Doubled, r.OutOfOrder = c.delivered.Load(), c.doubled.Load(), c.disorder.Load()
	r.Gaps, r.Drops, r.Unsent = c.gaps.Load(), c.drops.Load(), c.unsent.Load()
	r.Lost = max(0, r.Expected-r.Delivered)
	r.Rate = float64(r.Delivered) / c.Duration.Seconds()
	r.P50, r.P90, r.P99, r.Max = c.took.quantile(0.5), c.took.quantile(0.9), c.took.quantile(0.99), c.took.greatest()
}

// with puts numbers into a text.
func with(text string, room, member int) string {
	return strings.NewReplacer("{room}", strconv.Itoa(room+1), "{member}", strconv.Itoa(member+1)).Replace(text)
}
