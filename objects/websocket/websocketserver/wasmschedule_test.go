//go:build !js

package websocketserver_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/objects/websocket"
)

// cable is a real connection of a client. What the room has sent waits until the schedule has it arrive.
type cable struct {
	conn   *gorilla.Conn
	link   *link
	mu     sync.Mutex
	frames []string
	ended  chan struct{}
}

func plug(t *testing.T, h *hosttest.Host, c *client, at string) *cable {
	d := gorilla.Dialer{Subprotocols: []string{websocket.Recoverable}}
	conn, resp, err := d.DialContext(t.Context(), address(h, c.name, at), nil)
	if resp != nil && resp.StatusCode == http.StatusServiceUnavailable { // it comes back later
		_ = resp.Body.Close()
		return nil
	}
	require.NoError(t, err)
	k := &cable{conn: conn, link: &link{client: c}, ended: make(chan struct{})}
	c.link, c.open = k.link, false
	c.send(fmt.Sprintf(`{"event":"session:open","token":%q,"seq":%d}`, c.token, c.last))
	go func() {
		defer close(k.ended)
		for {
			_, b, err := conn.ReadMessage()
			if err != nil {
				return
			}
			k.mu.Lock()
			k.frames = append(k.frames, string(b))
			k.mu.Unlock()
		}
	}()
	return k
}

// push writes what the client has to send, and takes up to n frames that have come; false if the connection has ended.
func (k *cable) push(n int) (alive bool, err error) {
	for _, f := range k.link.up {
		if k.conn.WriteMessage(gorilla.TextMessage, []byte(f)) != nil {
			return false, nil
		}
	}
	k.link.up = nil
	alive = true
	select {
	case <-k.ended:
		alive = false
	default:
	}
	k.mu.Lock()
	n = min(n, len(k.frames))
	take := k.frames[:n:n]
	k.frames = k.frames[n:]
	k.mu.Unlock()
	for _, f := range take {
		if err := k.link.client.receive(f); err != nil {
			return false, err
		}
	}
	return alive || n > 0, nil
}

// waits gives what the room has sent a moment to come over the socket.
func (k *cable) waits() {
	for range 20 {
		k.mu.Lock()
		n := len(k.frames)
		k.mu.Unlock()
		if n > 0 {
			return
		}
		runtime.Gosched()
	}
}

func (k *cable) unplug() {
	_ = k.conn.Close()
	<-k.ended
	k.link.cut = true
	if c := k.link.client; c.link == k.link {
		c.link, c.open = nil, false
	}
}

// harm applies a defect to what waits, and tells whether it could.
func (k *cable) harm(d defect) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	message := func(i int) bool { return i < len(k.frames) && strings.Contains(k.frames[i], `"event":"chat"`) }
	if !message(0) || !message(1) {
		return false
	}
	switch d {
	case losing:
		k.frames = k.frames[1:]
	case swapping:
		k.frames[0], k.frames[1] = k.frames[1], k.frames[0]
	case doubling:
		k.frames = append(k.frames[:1:1], k.frames...)
	default:
		return false
	}
	return true
}

// real is a room of the compiled program, and two clients.
type real struct {
	t       *testing.T
	h       *hosttest.Host
	r       *rand.Rand
	site    string // where the handler is
	room    string
	clients []*client
	cables  map[*client]*cable
	posted  int
	refused int // connections, with 503
	applied bool
}

func (w *real) step(d defect) (err error) {
	c := w.clients[w.r.IntN(len(w.clients))]
	k := w.cables[c]
	o := w.h.Object("WEBSOCKET", w.room)
	switch p := w.r.IntN(100); {
	case k == nil:
		w.plug(c)
	case p < 45:
		if w.r.IntN(3) > 0 {
			w.h.Settle()
			k.waits()
		}
		alive, err := k.push(1 + w.r.IntN(4))
		if err != nil {
			return err
		}
		if !alive {
			w.drop(c)
		}
	case p < 70:
		c.publish("chat")
	case p < 78:
		w.posted++
		_ = websocket.Broadcast.Call(w.t.Context(), o, map[string]any{"event": "chat", "text": fmt.Sprint("post-", w.posted)}, nil) // in the log or not
	case p < 83:
		c.again()
	case p < 88:
		w.drop(c)
	case p < 90:
		delete(w.cables, c)
		w.plug(c) // the old one is still there
		k.unplug()
	case p < 94:
		_ = w.some(o).Evict() // it may be busy
	case d != sound:
		w.h.Settle()
		k.waits()
		w.applied = k.harm(d) || w.applied
	}
	return err
}

// some is the room's object, or a leaf's if there are some.
func (w *real) some(room *hosttest.Object) *hosttest.Object {
	if n := w.r.IntN(4); w.site != "" && n > 0 {
		return w.h.Object("WEBSOCKET_LEAF", websocket.LeafName(w.room, int64(n)))
	}
	return room
}

// plug connects a client, unless it is refused.
func (w *real) plug(c *client) {
	if k := plug(w.t, w.h, c, w.site+w.room); k != nil {
		w.cables[c] = k
	}
}

func (w *real) drop(c *client) {
	w.cables[c].unplug()
	delete(w.cables, c)
}

// finish has everything arrive, and compares.
func (w *real) finish() error {
	o := w.h.Object("WEBSOCKET", w.room)
	limit := time.Now().Add(20 * time.Second)
	for {
		rows, err := o.SQL(`SELECT seq || ' ' || json_extract(text, '$.text') FROM websocket_log ORDER BY seq`)
		if err != nil {
			rows = nil // the room has not begun
		}
		quiet := true
		for _, c := range w.clients {
			if w.cables[c] == nil {
				w.plug(c)
			}
			if w.cables[c] == nil {
				quiet = false
				w.refused++
				continue
			}
			alive, err := w.cables[c].push(1000)
			if err != nil {
				return err
			}
			if !alive {
				w.drop(c)
			}
			quiet = quiet && c.open && len(c.pending) == 0 && c.last == int64(len(rows))
		}
		if quiet {
			return w.verdict(rows)
		}
		if time.Now().After(limit) {
			var state []string
			for _, c := range w.clients {
				state = append(state, fmt.Sprintf("%s: open %v, last %d, waiting %v, gaps %v, refused %d", c.name, c.open, c.last, c.pending, c.gaps, w.refused))
			}
			return fmt.Errorf("it does not come to rest: %d in the log, %v", len(rows), state)
		}
		time.Sleep(200 * time.Microsecond) // the sockets are real
	}
}

func (w *real) verdict(rows []string) error {
	handled, err := w.h.Object("WEBSOCKET", w.room).SQL(`SELECT text FROM handled`)
	if err != nil {
		return err
	}
	for _, c := range w.clients {
		var own []string
		for _, text := range handled {
			if strings.HasPrefix(text, c.name+"-") {
				own = append(own, text)
			}
		}
		if want := slices.DeleteFunc(slices.Clone(c.sent), func(s string) bool { return c.doubt[s] && !slices.Contains(own, s) }); !slices.Equal(want, own) {
			return fmt.Errorf("%s: handled %v, want %v", c.name, own, want)
		}
		var seen []string
		for i, row := range rows {
			if !c.lost(int64(i + 1)) {
				seen = append(seen, row)
			}
		}
		if !slices.Equal(seen, c.got) {
			return fmt.Errorf("%s saw %v, want %v (gaps %v)", c.name, c.got, seen, c.gaps)
		}
	}
	return nil
}

// playReal plays the schedule of a seed.
func playReal(t *testing.T, h *hosttest.Host, site string, seed uint64, d defect) (w *real, again *hosttest.Host, err error) {
	w = &real{t: t, h: h, r: rand.New(rand.NewPCG(seed, 9)), site: site, room: fmt.Sprint([]string{"fast-", "fast-turn-"}[seed%2], d, "-", seed), cables: map[*client]*cable{}}
	for i := range 2 {
		w.clients = append(w.clients, &client{first: func() int64 { return 1 }, name: fmt.Sprint("c", i), acked: map[string]bool{}, doubt: map[string]bool{}})
	}
	defer func() {
		for c := range w.cables {
			w.drop(c)
		}
	}()
	restart := -1
	if w.r.IntN(25) == 0 {
		restart = w.r.IntN(60)
	}
	for i := range 60 {
		if i == restart {
			w.h.Settle()
			w.h = w.h.Restart()
		}
		if err := w.step(d); err != nil {
			return w, w.h, err
		}
	}
	return w, w.h, w.finish()
}

// realSchedules is how many are played.
func realSchedules(t *testing.T) int {
	s := os.Getenv("DURAGO_REAL_SCHEDULES")
	if s == "" {
		return 12
	}
	n, err := strconv.Atoi(s)
	require.NoError(t, err)
	return n
}

// TestScenario_schedules plays schedules on the compiled program and real sockets. DURAGO_REAL_SCHEDULES is how many, 12.
func TestScenario_schedules(t *testing.T) { playAll(t, "") }

func playAll(t *testing.T, site string) {
	t.Parallel()
	n := realSchedules(t)
	h := hosttest.Start(t, hosttest.Options{Config: guest})
	seen := 0
	for seed := range n {
		w, again, err := playReal(t, h, site, uint64(seed), sound)
		h = again
		require.NoError(t, err, "seed %d", seed)
		for _, c := range w.clients {
			seen += len(c.got)
		}
	}
	t.Logf("%d schedules: %d messages seen", n, seen)
}

// TestScenario_schedules_defects: each defect is caught there too.
func TestScenario_schedules_defects(t *testing.T) { playDefects(t, "") }

func playDefects(t *testing.T, site string) {
	t.Parallel()
	h := hosttest.Start(t, hosttest.Options{Config: guest})
	for _, d := range []defect{losing, doubling, swapping} {
		caught := false
		for seed := uint64(0); seed < 200 && !caught; seed++ {
			w, again, err := playReal(t, h, site, seed, d)
			h = again
			if err != nil {
				require.True(t, w.applied, "%v", err)
				caught = true
				t.Logf("defect %d is caught with seed %d: %v", d, seed, err)
			}
		}
		require.True(t, caught, "defect %d", d)
	}
}
