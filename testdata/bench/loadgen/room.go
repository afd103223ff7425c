package loadgen

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// Room joins members to one room; the first sends, and each broadcast reaches every member, the sender included. An
// operation is one delivery to one member. A message carries its send time, so one clock gives each latency.
//
// With Rate 0 the loop is closed: Window broadcasts are in flight, and the next goes out when one has reached every
// member. Else it is open: Rate broadcasts a second whatever the server does, and latency counts from when each was due.
type Room struct {
	Target
	Name     string // default bench
	Members  int    // default 1
	Size     int    // bytes of a message, at least 32
	Window   int    // default 1
	Rate     float64
	Warm     time.Duration // not measured
	Duration time.Duration // measured
}

// joinLimit is how long a join may take, joiners how many do at once.
const (
	joinLimit = 60 * time.Second
	joiners   = 32
)

// ring bounds the broadcasts that are counted down at once; Window is far below it.
const ring = 1 << 16

// crowd is a room while it is driven.
type crowd struct {
	Room
	conns     []*websocket.Conn
	epoch     time.Time // messages carry the time since
	measuring atomic.Bool
	closing   atomic.Bool
	delivered atomic.Int64
	left      [ring]atomic.Int32 // members that a broadcast has yet to reach, by sequence number
	slots     chan struct{}      // closed loop: broadcasts that may go out
	failed    failures
	poller    *poller
	samples   [][]time.Duration
}

// Run does one run. It fails if a member cannot join or the context ends.
func (o Room) Run(ctx context.Context) (Result, error) {
	if o.Name == "" {
		o.Name = "bench"
	}
	o.Members, o.Window, o.Size = max(o.Members, 1), max(o.Window, 1), max(o.Size, 32)
	r := Result{Mode: "ws", Path: "/ws/" + o.Name, Members: o.Members}
	if _, err := o.address(); err != nil {
		return r, err
	}
	c := &crowd{Room: o, epoch: time.Now(), slots: make(chan struct{}, o.Window), samples: make([][]time.Duration, o.Members)}
	if err := c.join(ctx); err != nil {
		return r, err
	}
	r.JoinMS = float64(time.Since(c.epoch).Microseconds()) / 1000
	defer c.leave()
	if err := c.listen(); err != nil {
		return r, err
	}
	m := c.drive(ctx, &r)
	c.leave()
	r.Ops = float64(c.delivered.Load())
	m.fill(&r)
	r.SetLatencies(slices.Concat(c.samples...))
	c.failed.fill(&r)
	return r, ctx.Err()
}

func (c *crowd) join(ctx context.Context) error {
	target := "ws" + strings.TrimPrefix(c.URL, "http") + "/ws/" + c.Name
	dialer := &websocket.Dialer{HandshakeTimeout: joinLimit, ReadBufferSize: 512, WriteBufferSize: 512, NetDialContext: dialPolled}
	c.conns = make([]*websocket.Conn, c.Members)
	var wg sync.WaitGroup
	var next atomic.Int64
	for range min(joiners, c.Members) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(c.Members); i = next.Add(1) - 1 {
				conn, _, err := dialer.DialContext(ctx, target, nil)
				if err != nil {
					c.failed.add(err)
					continue
				}
				c.conns[i] = conn
			}
		})
	}
	wg.Wait()
	if n := c.failed.n.Load(); n > 0 {
		for _, conn := range c.conns {
			if conn != nil {
				_ = conn.Close()
			}
		}
		return fmt.Errorf("loadgen: %d of %d joins failed, the first: %s", n, c.Members, c.failed.first)
	}
	return nil
}

// listen has the members read from now on.
func (c *crowd) listen() (err error) {
	if c.poller, err = newPoller(); err != nil {
		return err
	}
	for i, conn := range c.conns {
		if err := c.poller.watch(conn, func() (int, bool) { return c.read(i) }); err != nil {
			return err
		}
	}
	return nil
}

// read takes a message that a member gets.
func (c *crowd) read(member int) (n int, ok bool) {
	_, msg, err := c.conns[member].ReadMessage()
	if err != nil {
		if !c.closing.Load() {
			c.failed.add(err)
		}
		return 0, false
	}
	seq, sent, ok := readStamp(msg)
	if !ok {
		c.failed.add(fmt.Errorf("a member got %.40q, which was never sent", msg))
		return 0, false
	}
	if c.measuring.Load() {
		c.delivered.Add(1)
		c.samples[member] = append(c.samples[member], time.Since(c.epoch)-sent)
	}
	if c.left[seq%ring].Add(-1) == 0 && c.Rate == 0 {
		c.slots <- struct{}{}
		runtime.Gosched() // who sends the next one goes first
	}
	return len(msg), true
}

// drive sends until the time is over or something failed.
func (c *crowd) drive(ctx context.Context, r *Result) *meter {
	for range c.Window {
		c.slots <- struct{}{}
	}
	var m *meter
	began := time.Now()
	look := time.NewTicker(50 * time.Millisecond) // at the clock, should broadcasts stop coming back
	defer look.Stop()
	for seq := uint64(0); c.failed.n.Load() == 0 && ctx.Err() == nil; {
		if m == nil && time.Since(began) >= c.Warm {
			m = startMeter(c.PID)
			c.measuring.Store(true)
		}
		if m != nil && time.Since(m.began) >= c.Duration {
			break
		}
		var sent time.Duration
		if c.Rate == 0 {
			select {
			case <-c.slots:
				sent = time.Since(c.epoch)
			case <-look.C:
				continue
			}
		} else {
			due := began.Add(time.Duration(float64(seq) / c.Rate * float64(time.Second)))
			pause(ctx, time.Until(due))
			sent = due.Sub(c.epoch)
		}
		c.send(seq, sent)
		seq++
		if m != nil {
			r.Broadcasts++
		}
	}
	if m == nil { // it failed while warming up
		m = startMeter(c.PID)
	}
	c.measuring.Store(false)
	m.stop()
	return m
}

func (c *crowd) send(seq uint64, sent time.Duration) {
	c.left[seq%ring].Store(int32(c.Members))
	if err := c.conns[0].WriteMessage(websocket.TextMessage, appendStamp(nil, seq, sent, c.Size)); err != nil {
		c.failed.add(err)
	}
}

// leave ends the connections, once, with a closing handshake, and those that do not answer without one.
func (c *crowd) leave() {
	if c.closing.Swap(true) {
		return
	}
	const limit = 5 * time.Second
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	for _, conn := range c.conns {
		_ = conn.WriteControl(websocket.CloseMessage, bye, time.Now().Add(limit))
	}
	if c.poller != nil {
		c.poller.close(limit)
	}
	for _, conn := range c.conns {
		_ = conn.Close()
	}
}

// appendStamp writes a message: sequence number and send time as hex digits, then filling up to size bytes.
func appendStamp(dst []byte, seq uint64, sent time.Duration, size int) []byte {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], seq)
	binary.BigEndian.PutUint64(b[8:], uint64(sent))
	dst = hex.AppendEncode(dst, b[:])
	for len(dst) < size {
		dst = append(dst, 'x')
	}
	return dst
}

func readStamp(msg []byte) (seq uint64, sent time.Duration, ok bool) {
	var b [16]byte
	if len(msg) < 32 {
		return 0, 0, false
	}
	if _, err := hex.Decode(b[:], msg[:32]); err != nil {
		return 0, 0, false
	}
	return binary.BigEndian.Uint64(b[:8]), time.Duration(binary.BigEndian.Uint64(b[8:])), true
}
