package websocketserver_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver"
)

// defect is a fault that is built into the world, to see that it is caught.
type defect int

const (
	sound    defect = iota
	losing          // a frame is lost though its connection lives
	doubling        // the room forgets that it has handled a message
	swapping        // two frames change their places
)

// world is a room, its clients, and a network that drops, delays and doubles; isolates and hosts end in it. Everything
// follows from a seed.
type world struct {
	t       testing.TB
	r       *rand.Rand
	o       *object
	wood    *wood // nil if the room has no leaves
	clients []*client
	links   []*link
	readers []*reader
	defect  defect
	applied int // how often the defect was
	posted  int // messages of other objects
	slow    int // connections that were closed for it
	steps   map[string]int
}

// newWorld makes one with a log so short, a window so narrow, that both matter.
func newWorld(t testing.TB, o *object, k *wood, seed uint64) *world {
	w := &world{t: t, r: rand.New(rand.NewPCG(seed, 8)), o: o, wood: k, steps: map[string]int{}}
	if k != nil {
		k.object.faults = w.between
		k.perLeaf = 1 + w.r.Int64N(2)
		k.made = func(l *object) { l.faults = w.between }
		for _, l := range k.leaves {
			k.made(l)
			w.must(func() { _ = l.start() })
		}
	}
	c := chat(websocketserver.Recovery{Messages: 4 + w.r.Int64N(30), Window: 4 + w.r.Int64N(12), ResumeFor: time.Minute})
	c.RateLimit.MaxTokens, c.RateLimit.EphemeralMaxTokens = 1e6, 1e6
	c.OnMessage = func(ctx context.Context, room *websocketserver.Server, from *websocketserver.Session, m websocket.Message) (any, error) {
		var but *websocketserver.Session
		if m.Event == "tell" {
			but = from
		}
		seq, err := room.Publish(ctx, m, but)
		if err != nil {
			return nil, err
		}
		text, _ := m.String("text")
		w.truth(seq, text, m.Event)
		return nil, nil
	}
	o.config = c
	w.must(func() { _ = o.start() })
	for i := range 2 + w.r.IntN(2) {
		w.clients = append(w.clients, &client{first: w.first, name: fmt.Sprint("c", i), acked: map[string]bool{}, doubt: map[string]bool{}})
	}
	w.readers = []*reader{{w: w}}
	return w
}

// truth is written where the room's own writes are, and commits or is undone with them.
func (w *world) truth(seq int64, text, kind string) {
	if _, _, err := w.o.DB.Exec(`INSERT INTO truth VALUES (?, ?, ?)`, []any{seq, text, kind}); err != nil {
		panic(err)
	}
}

func (w *world) first() int64 {
	var n int64
	_, _ = fmt.Sscan(w.o.texts(`SELECT coalesce(min(seq), 1) FROM websocket_log`)[0], &n)
	return n
}

// must runs events of which none may end the isolate, or which do so on purpose; then the next instance begins.
func (w *world) must(f func()) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case died:
			w.again(p)
		default:
			panic(p)
		}
	}()
	f()
}

// again starts an object whose isolate has ended.
func (w *world) again(p died) {
	if p.at != afterTx && p.at != atCall { // something was uncommitted: the runtime drops its sockets
		w.hangUp(p.o)
	}
	w.must(func() { _ = p.o.start() })
}

// hangUp ends all connections of an object at once, and it is told of none.
func (w *world) hangUp(o *object) {
	for _, l := range w.links {
		if l.socket.o == o {
			l.gone = true
			l.socket.gone()
			w.cut(l)
		}
	}
	for _, r := range w.readers {
		r.hangUp()
	}
}

// cut is the client losing a connection: what was under way to it is lost; of what it has sent, a part arrives.
func (w *world) cut(l *link) {
	if l.cut {
		return
	}
	l.cut, l.down = true, nil
	l.up = l.up[:w.r.IntN(len(l.up)+1)]
	if l.client.link == l {
		l.client.link, l.client.open = nil, false
	}
}

func (w *world) connect(c *client) {
	w.must(func() {
		var s *socket
		if w.wood != nil {
			s, _ = w.wood.let(c.name, "Sec-WebSocket-Protocol", websocket.Recoverable)
		} else {
			s, _ = w.o.upgrade(`{"meta":{"user_id":"`+c.name+`"}}`, "Sec-WebSocket-Protocol", websocket.Recoverable)
		}
		if s == nil {
			return
		}
		l := &link{socket: s, client: c}
		s.received = func(frame string) {
			if !l.cut {
				l.down = append(l.down, frame)
			}
		}
		w.links = append(w.links, l)
		c.link = l
		c.send(fmt.Sprintf(`{"event":"session:open","token":%q,"seq":%d}`, c.token, c.last))
	})
}

// arrive has the next frame of a client arrive in the room.
func (w *world) arrive(l *link) {
	text := l.up[0]
	l.up = l.up[1:]
	defer func() { w.o.dies, w.o.afterCommit = never, nil }()
	if l.gone {
		return
	}
	w.must(func() {
		o := l.socket.o
		o.event(func() {
			if err := o.instance.SocketMessage(o.Context(), l.socket.handle, true, []byte(text)); err != nil {
				panic(err)
			}
		})
	})
}

// notice tells the room that a connection is broken.
func (w *world) notice(l *link) {
	l.gone = true
	w.must(func() {
		o := l.socket.o
		o.event(func() {
			if err := o.instance.SocketClose(o.Context(), l.socket.handle, 1006, "", false); err != nil {
				panic(err)
			}
			l.socket.gone()
		})
	})
}

// post is a message of another object.
func (w *world) post() {
	w.posted++
	text := fmt.Sprint("post-", w.posted)
	if err := websocket.Broadcast.Call(w.t.Context(), w.o, map[string]any{"event": "chat", "text": text}, nil); err != nil {
		panic(err)
	}
	var head int64
	_, _ = fmt.Sscan(w.o.texts(`SELECT max(seq) FROM websocket_log`)[0], &head)
	w.truth(head, text, "chat")
}

// pull has the next frame reach a client, or its being closed.
func (w *world) pull(l *link) error {
	if len(l.down) > 0 {
		f := l.down[0]
		l.down = l.down[1:]
		return l.client.receive(f)
	}
	if l.socket.closing {
		if l.socket.code == websocket.CloseSlow {
			w.slow++
		}
		w.cut(l)
		w.notice(l)
	}
	return nil
}

// heal has everybody come back, and everything arrive.
func (w *world) heal() error {
	for range 60 {
		quiet := true
		w.must(w.o.work)
		for _, c := range w.clients {
			if c.link == nil {
				w.connect(c)
				quiet = false
			}
			if c.open && len(c.pending) > 0 && len(c.link.up) == 0 && len(c.link.down) == 0 {
				c.again()
			}
		}
		for _, l := range slices.Clone(w.links) {
			for len(l.up) > 0 {
				w.arrive(l)
				quiet = false
			}
			for !l.cut && (len(l.down) > 0 || l.socket.closing) {
				if err := w.pull(l); err != nil {
					return err
				}
				quiet = false
			}
			if l.client.link == l && l.client.open {
				l.up = append(l.up, fmt.Sprintf(`{"event":"session:ack","seq":%d}`, l.client.last))
				w.arrive(l)
			}
		}
		for _, r := range w.readers {
			rests, err := r.heal()
			if err != nil {
				return err
			}
			quiet = quiet && rests
		}
		for _, c := range w.clients {
			quiet = quiet && len(c.pending) == 0 && c.open
		}
		if quiet {
			return nil
		}
	}
	return errors.New("it does not come to rest")
}

// verdict compares what everybody saw with what was committed.
func (w *world) verdict() error {
	rows := w.o.texts(`SELECT seq || ' ' || text FROM truth ORDER BY seq, rowid`)
	tells := w.o.texts(`SELECT text FROM truth WHERE kind = 'tell'`)
	handled := map[string]int{}
	for i, row := range rows {
		var seq int64
		var text string
		_, _ = fmt.Sscan(row, &seq, &text)
		if seq != int64(i+1) {
			return fmt.Errorf("message %d has the number %d", i+1, seq)
		}
		handled[text]++
	}
	for _, c := range w.clients {
		at := -1
		for _, id := range c.sent {
			switch n := handled[id]; {
			case n > 1:
				return fmt.Errorf("%s was handled %d times", id, n)
			case c.acked[id] && n != 1:
				return fmt.Errorf("%s was acknowledged and not handled", id)
			case n == 0 && !c.doubt[id]:
				return fmt.Errorf("%s was neither handled nor reported", id)
			case n == 1:
				i := slices.IndexFunc(rows, func(r string) bool { return hasText(r, id) })
				if i < at {
					return fmt.Errorf("%s was handled before an earlier one", id)
				}
				at = i
			}
		}
		var want []string
		for i, row := range rows {
			_, text, _ := cutRow(row)
			own := slices.Contains(c.sent, text) && slices.Contains(tells, text)
			if !own && !c.lost(int64(i+1)) {
				want = append(want, row)
			}
		}
		if !slices.Equal(want, c.got) {
			return fmt.Errorf("%s saw %v, want %v (gaps %v)", c.name, c.got, want, c.gaps)
		}
	}
	for _, r := range w.readers {
		if err := r.verdict(rows); err != nil {
			return err
		}
	}
	return nil
}

func cutRow(row string) (seq int64, text string, err error) {
	_, err = fmt.Sscan(row, &seq, &text)
	return seq, text, err
}

func hasText(row, text string) bool {
	_, t, _ := cutRow(row)
	return t == text
}
