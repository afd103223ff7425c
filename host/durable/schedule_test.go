package durable_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/durable"
	"durago.example/host/storage"
)

// A schedule is some hundred steps of an object with sockets of all kinds, their clients, its storage, gates, and stays in
// memory, in an order that its seed says. What one side sends is numbered, so that the other can tell.

// stream is one direction of a socket.
type stream struct {
	sent   int   // messages that were accepted: 0, 1, …
	closed bool  // the sender has been told to close
	got    []int // by the receiver
	ended  bool  // the receiver has been told
	clean  bool  // with a close frame
}

func (s *stream) end(clean bool) { s.ended, s.clean = true, clean }

// check tells what of a stream is against the rules.
func (s *stream) check() error {
	for i, n := range s.got {
		if n != i {
			return fmt.Errorf("message %d came as number %d of %v", n, i, s.got)
		}
	}
	if len(s.got) > s.sent {
		return fmt.Errorf("%d messages came of %d", len(s.got), s.sent)
	}
	if s.ended && s.clean && len(s.got) < s.sent {
		return fmt.Errorf("closed cleanly after %d messages of %d", len(s.got), s.sent)
	}
	return nil
}

// link is one socket: in is what its client sends, out what its object does.
type link struct {
	w       *world
	in, out stream
	aborted bool // its object was reset, or its client or isolate vanished
	lost    bool // nobody reads the object's side any more

	o       *durable.Object
	socket  *durable.Socket   // the object's side, or
	own     *durable.Ordinary // one that the object reads
	client  *durable.Ordinary // the client's side, or
	network *network
}

// network is a client that is not a program's. It is the connection as the object's side has it.
type network struct {
	wire
	l    *link
	side durable.Side
	over bool // its side has been told that it is gone
}

func (n *network) Send(_ bool, data []byte) {
	if !n.l.out.ended {
		n.l.out.got = append(n.l.out.got, number(data))
	}
}

// Close is answered, sooner or later.
func (n *network) Close(int, string) {
	if n.l.out.ended {
		return
	}
	n.l.out.end(true)
	_ = n.l.w.e.Do(func() { n.gone(true) })
}

func (n *network) Drop() {
	if !n.l.out.ended {
		n.l.out.end(false)
	}
	n.gone(false)
}

// gone tells the object's side, once.
func (n *network) gone(clean bool) {
	if n.over {
		return
	}
	n.over = true
	n.l.in.closed = n.l.in.closed || clean
	n.side.Gone(1000, "", clean, func() {
		if !n.l.out.ended {
			n.l.out.end(false)
		}
	})
}

func number(data []byte) int {
	n, err := strconv.Atoi(string(data))
	if err != nil {
		panic(err)
	}
	return n
}

// defect is something that a connection does wrong, once in a schedule; sound is nothing.
type defect int

const (
	sound defect = iota
	losing
	doubling
	swapping
)

// wrong is a connection with a defect.
type wrong struct {
	durable.Conn
	w    *world
	held []byte // comes after the next
}

func (c *wrong) Send(text bool, data []byte) {
	switch {
	case c.held != nil:
		c.Conn.Send(text, data)
		c.Conn.Send(text, c.held)
		c.held = nil
		return
	case c.w.applied == 0 && c.w.r.IntN(4) == 0:
		switch c.w.defect {
		case losing:
			c.w.applied++
			return
		case doubling:
			c.w.applied++
			c.Conn.Send(text, data)
		case swapping:
			c.w.applied++
			c.held = data
			return
		}
	}
	c.Conn.Send(text, data)
}

// faulty gives its side such a connection.
type faulty struct {
	durable.Side
	w *world
}

func (f faulty) Attach(c durable.Conn) { f.Side.Attach(&wrong{Conn: c, w: f.w}) }

// world is a schedule under way.
type world struct {
	e       *engine
	d       *disk
	r       *rand.Rand
	links   []*link
	open    func()      // leaves the critical section that is open; nil if none is
	fail    func(error) // the event that opened it
	defect  defect
	applied int
	steps   map[string]int
}

const place = "a"

func (w *world) find(o *durable.Object, id uint32) *link {
	for _, l := range w.links {
		if l.socket != nil && l.o == o && l.socket.ID == id {
			return l
		}
	}
	panic("no such socket")
}

// accept has the object accept a socket of a client of some kind.
func (w *world) accept() error {
	l := &link{w: w}
	ordinary, program := w.r.IntN(2) == 0, w.r.IntN(2) == 0
	return w.run(func(o *durable.Object) error {
		l.o = o
		var side durable.Side
		if ordinary {
			hold := o.Hold()
			l.own = durable.NewOrdinary(durable.OrdinaryOptions{Do: w.e.Do, Output: o.Output, Ended: hold})
			side = l.own
		} else {
			s, err := o.Sockets.Accept(nil)
			if err != nil {
				return err
			}
			l.socket = s
			side = o.Side(s)
		}
		side = faulty{side, w}
		w.links = append(w.links, l)
		if !program {
			l.network = &network{l: l, side: side}
			side.Attach(l.network)
			return nil
		}
		l.client = durable.NewOrdinary(durable.OrdinaryOptions{Do: w.e.Do, Output: func(f func(error)) { f(nil) }, Ended: func() {}})
		durable.Join(faulty{l.client, w}, side)
		return nil
	})
}

// run has the object do something in an event, which may have to wait.
func (w *world) run(f func(o *durable.Object) error) error {
	w.e.send(place, func(o *durable.Object, done func(error)) { done(f(o)) })
	return nil
}

// say has the object send on a socket.
func (w *world) say(l *link) error {
	data := strconv.AppendInt(nil, int64(l.out.sent), 10)
	if l.own != nil {
		if l.own.Send(true, data) == nil {
			l.out.sent++
		}
		return nil
	}
	if l.o.Broken() == nil && l.socket.CheckSend() == nil {
		l.o.Sockets.Send([]*durable.Socket{l.socket}, true, data)
		l.out.sent++
	}
	return nil
}

// shut has the object close a socket.
func (w *world) shut(l *link) error {
	l.out.closed = true
	if l.own != nil {
		return l.own.Close(1000, "")
	}
	return l.o.Sockets.Close(l.socket, 1000, "")
}

// react is what the object's code does with a message.
func (w *world) react(l *link) error {
	if w.r.IntN(3) == 0 {
		if err := write(l.o); err != nil {
			return err
		}
	}
	for range w.r.IntN(3) {
		if err := w.say(l); err != nil {
			return err
		}
	}
	if w.r.IntN(20) == 0 {
		return w.shut(l)
	}
	return nil
}

// read has a program's side look for what has come, if it does not already.
func read(s *durable.Ordinary, st *stream, then func()) {
	if st.ended {
		return
	}
	s.Receive(func(m durable.Received) {
		if m.Closed != nil {
			if !st.ended {
				st.end(m.Closed.Clean)
			}
			return
		}
		st.got = append(st.got, number(m.Data))
		then()
	})
}

// lose tells the sockets that the object itself reads that it is gone.
func (w *world) lose(o *durable.Object) {
	for _, l := range w.links {
		if l.o == o && l.own != nil {
			l.aborted, l.lost = true, true
			l.own.Drop()
		}
	}
	if w.open != nil {
		w.open = nil
		w.fail(errors.New("the object is gone"))
	}
}

// step is one thing that happens.
func (w *world) step() (what string, err error) {
	r := w.r
	var l *link
	if len(w.links) > 0 {
		l = w.links[r.IntN(len(w.links))]
	}
	k := r.IntN(100)
	switch {
	case l == nil:
		err := w.accept()
		w.e.settle() // it may be that a disk which holds is in the way
		w.d.releaseAll()
		return "accept", err
	case k < 4 && len(w.links) < 6:
		return "accept", w.accept()
	case k < 34:
		w.send(l)
		return "client sends", nil
	case k < 44:
		return "object sends", w.run(func(o *durable.Object) error {
			if l.o != o {
				return nil
			}
			return errors.Join(w.say(l), w.react(l))
		})
	case k < 54:
		if l.own != nil && !l.lost {
			read(l.own, &l.in, func() { _ = w.react(l); l.o.EndTurn() })
		}
		if l.client != nil {
			read(l.client, &l.out, func() {})
		}
		return "reads", nil
	case k < 56:
		w.hangUp(l, r.IntN(3) > 0)
		return "client ends", nil
	case k < 57:
		return "object closes", w.run(func(o *durable.Object) error {
			if l.o != o || l.out.closed {
				return nil
			}
			return w.shut(l)
		})
	case k < 65:
		w.d.mu.Lock()
		w.d.hold = true
		w.d.mu.Unlock()
		return "disk holds", nil
	case k < 73:
		w.d.releaseAll()
		return "disk goes on", nil
	case k < 80:
		w.e.some(1 + r.IntN(4))
		return "loop runs", nil
	case k < 88:
		w.e.settle()
		return "loop settles", nil
	case k < 92:
		w.e.visit(place, func(o *durable.Object) {
			what = "evicted"
			if o.Evict() != nil {
				what = "busy"
			}
		})
		return what, nil
	case k < 95:
		if w.open != nil {
			f := w.open
			w.open = nil
			f()
			return "section ends", nil
		}
		w.e.send(place, func(o *durable.Object, done func(error)) {
			o.Enter(nil, false, func(s *durable.Section, err error) {
				if err != nil {
					done(err)
					return
				}
				w.open, w.fail = func() { s.Leave(nil, done) }, done
			})
		})
		return "section", nil
	case k < 96:
		w.e.visit(place, func(o *durable.Object) {
			if what = "nothing"; o.Started() {
				w.lose(o)
				o.Lost()
				what = "isolate dies"
			}
		})
		return what, nil
	case k < 97:
		w.e.visit(place, func(o *durable.Object) {
			for _, l := range w.links {
				l.aborted = l.aborted || l.o == o
			}
			o.Break(errors.New("abort"))
		})
		return "reset", nil
	}
	w.e.clock.Step(w.e.clock.Now().Add(time.Second))
	return "time goes on", nil
}

// send has the client send a message.
func (w *world) send(l *link) {
	data := strconv.AppendInt(nil, int64(l.in.sent), 10)
	if l.client != nil {
		if l.client.Send(true, data) == nil {
			l.in.sent++
		}
		return
	}
	if !l.network.over {
		l.in.sent++
		l.network.side.Message(true, data, func() {})
	}
}

// hangUp has the client close, or vanish.
func (w *world) hangUp(l *link, clean bool) {
	l.aborted = l.aborted || !clean
	switch {
	case l.client == nil:
		l.network.gone(clean)
	case clean:
		l.in.closed = true
		_ = l.client.Close(1000, "")
	default:
		l.client.Drop()
		if !l.out.ended {
			l.out.end(false)
		}
	}
}

// finish lets everything go on and ends all sockets.
func (w *world) finish() {
	goOn := func() {
		for range 3 {
			w.d.releaseAll()
			if f := w.open; f != nil {
				w.open = nil
				f()
			}
			w.e.settle()
		}
	}
	drain := func() {
		for _, l := range w.links {
			for range l.in.sent + l.out.sent + 2 {
				if l.own != nil && !l.lost {
					read(l.own, &l.in, func() {})
				}
				if l.client != nil {
					read(l.client, &l.out, func() {})
				}
			}
		}
		goOn()
	}
	goOn()
	drain()
	for _, l := range w.links {
		if !l.in.closed {
			w.hangUp(l, true)
		}
	}
	goOn()
	drain()
}

// verdict is what was against the rules.
func (w *world) verdict() error {
	for i, l := range w.links {
		kind := fmt.Sprintf("socket %d (hibernatable %v, network %v)", i, l.socket != nil, l.network != nil)
		if err := l.in.check(); err != nil {
			return fmt.Errorf("%s, from the client: %w", kind, err)
		}
		if err := l.out.check(); err != nil {
			return fmt.Errorf("%s, to the client: %w", kind, err)
		}
		if !l.out.ended {
			return fmt.Errorf("%s: its client has not been told the end", kind)
		}
		if !l.aborted && !(l.in.ended && l.in.clean && l.out.clean) {
			return fmt.Errorf("%s: nothing vanished, but it did not end cleanly: in %+v, out %+v", kind, l.in, l.out)
		}
	}
	return nil
}

// playSockets plays one schedule.
func playSockets(e *engine, d *disk, seed uint64, bad defect) (w *world, err error) {
	w = &world{e: e, d: d, r: rand.New(rand.NewPCG(seed, 7)), defect: bad, steps: map[string]int{}}
	e.left = w.lose
	e.message = func(o *durable.Object, m durable.SocketMessage) error {
		l := w.find(o, m.Socket)
		l.in.got = append(l.in.got, number(m.Data))
		return w.react(l)
	}
	e.closed = func(o *durable.Object, c durable.SocketClosed) error {
		l := w.find(o, c.Socket)
		l.in.end(c.Clean)
		if w.r.IntN(4) == 0 {
			if err := w.say(l); err != nil {
				return err
			}
		}
		return w.shut(l)
	}
	for range 40 + w.r.IntN(160) {
		what, err := w.step()
		if err != nil {
			return w, err
		}
		w.steps[what]++
	}
	w.finish()
	return w, w.verdict()
}

// schedules runs f with an engine for schedules of sockets.
func schedules(t *testing.T, f func(e *engine, d *disk)) {
	bubble(func(t *testing.T) {
		d := newDisk()
		d.hold = false
		e := newEngine(t, options{storage: storage.Options{SyncLogs: true, Disk: d}})
		defer func() {
			d.releaseAll()
			e.settle()
			require.NoError(t, e.stop())
		}()
		f(e, d)
	})(t)
}

// TestSockets_schedules: whatever happens, a socket carries what was sent in order, nothing twice, and everything that was
// sent before a close. DURAGO_SOCKET_SCHEDULES is how many schedules are played, 500.
func TestSockets_schedules(t *testing.T) {
	n := 500
	if s := os.Getenv("DURAGO_SOCKET_SCHEDULES"); s != "" {
		var err error
		n, err = strconv.Atoi(s)
		require.NoError(t, err)
	}
	schedules(t, func(e *engine, d *disk) {
		total, messages := map[string]int{}, 0
		for seed := range n {
			w, err := playSockets(e, d, uint64(seed), sound)
			require.NoError(t, err, "seed %d", seed)
			for k, v := range w.steps {
				total[k] += v
			}
			for _, l := range w.links {
				messages += len(l.in.got) + len(l.out.got)
			}
		}
		t.Logf("%d schedules, %d messages; %v", n, messages, total)
		for _, k := range []string{"accept", "client ends", "object closes", "evicted", "isolate dies", "reset", "section", "disk holds"} {
			require.NotZero(t, total[k], k)
		}
	})
}

// TestSockets_schedules_defects: each defect is caught.
func TestSockets_schedules_defects(t *testing.T) {
	for name, bad := range map[string]defect{"losing": losing, "doubling": doubling, "swapping": swapping} {
		t.Run(name, func(t *testing.T) {
			schedules(t, func(e *engine, d *disk) {
				applied, caught := 0, 0
				for seed := range 100 {
					w, err := playSockets(e, d, uint64(seed), bad)
					if w.applied == 0 {
						require.NoError(t, err, "seed %d", seed)
						continue
					}
					applied++
					if err != nil {
						caught++
					}
				}
				t.Logf("%d schedules with the defect, %d caught", applied, caught)
				require.Greater(t, applied, 50)
				require.Greater(t, caught, applied/2, "a connection that ends right after hides it")
			})
		})
	}
}
