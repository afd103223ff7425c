package loadgen

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// Chat is Room for the ready room: frames are JSON, and each broadcast must reach each member once, and in order; what does
// not by the end is an error. If the server agrees to keep sessions, messages are numbered and acknowledged both ways.
type Chat struct {
	Target
	Route    string // chat or kept
	Name     string // default bench
	Members  int    // default 1
	Size     int    // bytes of a message, at least 80
	Window   int    // broadcasts in flight if Rate is 0, default 1
	Rate     float64
	Warm     time.Duration // not measured
	Duration time.Duration // measured
	Abandon  bool          // connections break at the end, of a server that is stopped then: each member that leaves is told to the others
}

// What the frames of the protocol begin with, as both servers write them.
const (
	recoverable = "durago.room.v1"
	chatPrefix  = `{"event":"chat","stamp":"`
	ackEach     = 64
	drainLimit  = 10 * time.Second
	quiet       = 300 * time.Millisecond
)

// chatter is a room while it is driven.
type chatter struct {
	Chat
	kept      bool // sessions
	conns     []*websocket.Conn
	epoch     time.Time
	from      atomic.Int64 // the first message that is measured
	delivered atomic.Int64
	closing   atomic.Bool
	left      [ring]atomic.Int32
	slots     chan struct{}
	arrived   atomic.Int64 // deliveries
	others    atomic.Int64 // frames of the protocol
	failed    failures
	readers   sync.WaitGroup
	samples   [][]time.Duration
	writing   sync.Mutex // of the sender's connection
}

// Run does one run. It fails if a member cannot join or the context ends.
func (o Chat) Run(ctx context.Context) (Result, error) {
	if o.Name == "" {
		o.Name = "bench"
	}
	o.Members, o.Window, o.Size = max(o.Members, 1), max(o.Window, 1), max(o.Size, 80)
	r := Result{Mode: "chat", Path: "/" + o.Route + "/" + o.Name, Members: o.Members}
	if _, err := o.address(); err != nil {
		return r, err
	}
	c := &chatter{Chat: o, epoch: time.Now(), slots: make(chan struct{}, o.Window), samples: make([][]time.Duration, o.Members)}
	c.from.Store(1 << 62)
	defer c.leave()
	if err := c.join(ctx); err != nil {
		return r, err
	}
	r.JoinMS = float64(time.Since(c.epoch).Microseconds()) / 1000
	c.rest(ctx)
	m := c.drive(ctx, &r)
	c.leave()
	m.fill(&r)
	r.SetLatencies(slices.Concat(c.samples...))
	c.failed.fill(&r)
	return r, ctx.Err()
}

// join connects the members one after another in each of a few goroutines, and has each read from then on.
func (c *chatter) join(ctx context.Context) error {
	target := "ws" + strings.TrimPrefix(c.URL, "http") + "/" + c.Route + "/" + c.Name
	dialer := &websocket.Dialer{HandshakeTimeout: joinLimit, ReadBufferSize: 512, WriteBufferSize: 512, Subprotocols: []string{recoverable}}
	c.conns = make([]*websocket.Conn, c.Members)
	var wg sync.WaitGroup
	var next atomic.Int64
	var kept atomic.Bool
	for range min(joiners, c.Members) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(c.Members); i = next.Add(1) - 1 {
				header := http.Header{"X-Ws-Meta": {fmt.Sprintf(`{"room":%q,"meta":{"user_id":"u%d","user_name":"User %d"}}`, c.Name, i, i)}}
				conn, _, err := dialer.DialContext(ctx, target, header)
				if err == nil && conn.Subprotocol() == recoverable {
					kept.Store(true)
					err = conn.WriteMessage(websocket.TextMessage, []byte(`{"event":"session:open","token":"","seq":0}`))
				}
				if err == nil {
					_, _, err = conn.ReadMessage() // session:open or session:list
				}
				if conn != nil {
					c.conns[i] = conn
				}
				if err != nil {
					c.failed.add(err)
					continue
				}
				c.readers.Go(func() { c.read(int(i)) })
			}
		})
	}
	wg.Wait()
	c.kept = kept.Load()
	if n := c.failed.n.Load(); n > 0 {
		return fmt.Errorf("loadgen: %d of %d joins failed, the first: %s", n, c.Members, c.failed.first)
	}
	return nil
}

// rest waits until the members have been told of each other, which are half a million frames in a room of 1,000.
func (c *chatter) rest(ctx context.Context) {
	for last := int64(-1); c.others.Load() != last && ctx.Err() == nil; {
		last = c.others.Load()
		pause(ctx, quiet)
	}
}

// read takes what a member gets until its connection ends.
func (c *chatter) read(member int) {
	var mine []time.Duration
	defer func() { c.samples[member] = mine }()
	next, acked := uint64(0), int64(0)
	for {
		_, msg, err := c.conns[member].ReadMessage()
		if err != nil {
			if !c.closing.Load() {
				c.failed.add(fmt.Errorf("member %d: %w", member, err))
			}
			return
		}
		if !bytes.HasPrefix(msg, []byte(chatPrefix)) {
			c.others.Add(1)
			if bytes.HasPrefix(msg, []byte(`{"event":"error"`)) {
				c.failed.add(fmt.Errorf("member %d got %s", member, msg))
			}
			continue
		}
		seq, sent, ok := readStamp(msg[len(chatPrefix):])
		switch {
		case !ok:
			c.failed.add(fmt.Errorf("member %d got %.80q, which was never sent", member, msg))
			return
		case seq != next:
			c.failed.add(fmt.Errorf("member %d got message %d, want %d", member, seq, next))
		}
		next = seq + 1
		if int64(seq) >= c.from.Load() {
			c.delivered.Add(1)
			mine = append(mine, time.Since(c.epoch)-sent)
		}
		c.arrived.Add(1)
		if c.left[seq%ring].Add(-1) == 0 && c.Rate == 0 {
			c.slots <- struct{}{}
		}
		if at := bytes.LastIndex(msg, []byte(`,"seq":`)); at > 0 {
			n, err := strconv.ParseInt(string(msg[at+len(`,"seq":`):len(msg)-1]), 10, 64)
			if err == nil && n >= acked+ackEach {
				acked = n
				c.write(member, fmt.Appendf(nil, `{"event":"session:ack","seq":%d}`, n))
			}
		}
	}
}

// write writes a frame: a member's own reader does, and for the first one the driver too.
func (c *chatter) write(member int, frame []byte) {
	if member == 0 {
		c.writing.Lock()
		defer c.writing.Unlock()
	}
	if err := c.conns[member].WriteMessage(websocket.TextMessage, frame); err != nil && !c.closing.Load() {
		c.failed.add(err)
	}
}

// drive sends until the time is over or something failed, and waits for what is under way.
func (c *chatter) drive(ctx context.Context, r *Result) *meter {
	for range c.Window {
		c.slots <- struct{}{}
	}
	var m *meter
	began := time.Now()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	sent := int64(0)
	for c.failed.n.Load() == 0 && ctx.Err() == nil {
		if m == nil && time.Since(began) >= c.Warm {
			m = startMeter(c.PID)
			c.from.Store(sent)
		}
		if m != nil && time.Since(m.began) >= c.Duration {
			break
		}
		var due time.Time
		if c.Rate == 0 {
			select {
			case <-c.slots:
				due = time.Now()
			case <-look.C:
				continue
			}
		} else {
			due = began.Add(time.Duration(float64(sent) / c.Rate * float64(time.Second)))
			pause(ctx, time.Until(due))
		}
		c.left[sent%ring].Store(int32(c.Members))
		frame := append(appendStamp([]byte(chatPrefix), uint64(sent), due.Sub(c.epoch), 0), `","pad":"`...)
		for len(frame) < c.Size-2 {
			frame = append(frame, 'x')
		}
		frame = append(frame, '"')
		if sent++; c.kept {
			frame = strconv.AppendInt(append(frame, `,"n":`...), sent, 10)
		}
		c.write(0, append(frame, '}'))
		if m != nil {
			r.Broadcasts++
		}
	}
	if m == nil { // it failed while warming up
		m = startMeter(c.PID)
	}
	m.stop()
	r.Ops = float64(c.delivered.Load())
	want := sent * int64(c.Members)
	for limit := time.Now().Add(drainLimit); c.arrived.Load() < want && c.failed.n.Load() == 0 && time.Now().Before(limit) && ctx.Err() == nil; {
		<-look.C
	}
	if n := want - c.arrived.Load(); n != 0 {
		c.failed.add(fmt.Errorf("%d of %d deliveries did not come within %v of the end", n, want, drainLimit))
	}
	return m
}

// leave ends the connections, once.
func (c *chatter) leave() {
	if c.closing.Swap(true) {
		return
	}
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	limit := time.Now().Add(10 * time.Second)
	for _, conn := range c.conns {
		switch {
		case conn == nil:
		case c.Abandon:
			_ = conn.Close()
		default:
			_ = conn.SetReadDeadline(limit)
			_ = conn.WriteControl(websocket.CloseMessage, bye, limit)
		}
	}
	c.readers.Wait()
	for _, conn := range c.conns {
		if conn != nil {
			_ = conn.Close()
		}
	}
}

// verifyChat has two members see each other, and hear what one says; a server that keeps sessions acknowledges it.
func verifyChat(ctx context.Context, base, route, key string) error {
	type event struct {
		Event, Text string
		N           int64
		Num         int64 `json:"num_connections"`
		Meta        map[string]any
	}
	dialer := &websocket.Dialer{Subprotocols: []string{recoverable}}
	var members [2]*websocket.Conn
	expect := func(i int, want event) error {
		if err := members[i].SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			return err
		}
		for {
			_, b, err := members[i].ReadMessage()
			if err != nil {
				return fmt.Errorf("member %d: waiting for %+v: %w", i, want, err)
			}
			var got event
			if err := json.Unmarshal(b, &got); err != nil {
				return err
			}
			if got.Event == "session:open" || got.Event == "user:joined" || got.Event == "message:ack" && want.Event != got.Event {
				continue
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				return fmt.Errorf("member %d got %+v, want %+v", i, got, want)
			}
			return nil
		}
	}
	for i := range members {
		c, _, err := dialer.DialContext(ctx, "ws"+strings.TrimPrefix(base, "http")+"/"+route+"/"+key, http.Header{"X-Ws-Meta": {fmt.Sprintf(`{"meta":{"user_id":"u%d"}}`, i)}})
		if err != nil {
			return err
		}
		defer c.Close()
		members[i] = c
		if c.Subprotocol() == recoverable {
			if err := c.WriteMessage(websocket.TextMessage, []byte(`{"event":"session:open","token":"","seq":0}`)); err != nil {
				return err
			}
		}
		if err := expect(i, event{Event: "session:list", Num: int64(i + 1)}); err != nil {
			return err
		}
	}
	if err := expect(0, event{Event: "session:connected", Num: 2, Meta: map[string]any{"user_id": "u1"}}); err != nil {
		return err
	}
	say := `{"event":"chat","text":"grüße"}`
	if members[0].Subprotocol() == recoverable {
		say = `{"event":"chat","text":"grüße","n":1}`
	}
	if err := members[0].WriteMessage(websocket.TextMessage, []byte(say)); err != nil {
		return err
	}
	for i, c := range members {
		want := event{Event: "chat", Text: "grüße"}
		if c.Subprotocol() == recoverable {
			want.N = 1
		}
		if err := expect(i, want); err != nil {
			return err
		}
	}
	return nil
}
