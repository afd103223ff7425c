//go:build !js

package wsclient_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"durago.example/host/hosttest"
	"durago.example/objects/websocket"
	"durago.example/objects/websocket/wsclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start starts the compiled room, whose address stays over restarts.
func start(t *testing.T) *hosttest.Host {
	return hosttest.Start(t, hosttest.Options{Config: "../../../testdata/guests/rooms/wrangler.toml", Address: "127.0.0.1:0"})
}

// network is what a client dials through: a test cuts its connections, or lets none through.
type network struct {
	mu     sync.Mutex
	conns  []net.Conn
	closed bool
	deaf   atomic.Bool // what comes is lost
}

// hearing is a connection of a network.
type hearing struct {
	net.Conn
	n *network
}

func (h hearing) Read(b []byte) (int, error) {
	for {
		if n, err := h.Conn.Read(b); err != nil || !h.n.deaf.Load() {
			return n, err
		}
	}
}

func (n *network) dial(ctx context.Context, kind, address string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, errors.New("the network is down")
	}
	c, err := (&net.Dialer{}).DialContext(ctx, kind, address)
	if err == nil {
		n.conns = append(n.conns, c)
	}
	return hearing{c, n}, err
}

// cut breaks all connections; no more are let through if down.
func (n *network) cut(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = down
	for _, c := range n.conns {
		_ = c.Close()
	}
	n.conns = nil
}

// dial enters a room with short pauses.
func dial(t *testing.T, h *hosttest.Host, user, room string, n *network, o wsclient.Options) *wsclient.Client {
	t.Helper()
	o.First, o.Most = 2*time.Millisecond, 50*time.Millisecond
	if n != nil {
		o.NetDial = n.dial
	}
	c, err := wsclient.Dial(t.Context(), h.URL+"/api/websocket?user="+user+"&room="+room, &o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// next is the next event of a type.
func next[E wsclient.Event](t *testing.T, c *wsclient.Client, want func(E) bool) E {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		e, err := c.Next(ctx)
		require.NoError(t, err)
		if e, ok := e.(E); ok && (want == nil || want(e)) {
			return e
		}
	}
}

func named(event string) func(wsclient.Frame) bool {
	return func(f wsclient.Frame) bool { return f.Event == event }
}

func text(t *testing.T, f wsclient.Frame) string {
	v, err := wsclient.As[struct{ Text string }](f)
	require.NoError(t, err)
	return v.Text
}

// TestClient_restarts: over restarts of the host and broken connections each message is handled once and in order, and
// everybody sees all of them once, in one order.
func TestClient_restarts(t *testing.T) {
	h := start(t)
	const members, each = 3, 120
	clients, networks := make([]*wsclient.Client, members), make([]network, members)
	seen := make([][]string, members)
	var resumed, posted atomic.Int64
	var reading, posting sync.WaitGroup
	for i := range clients {
		clients[i] = dial(t, h, fmt.Sprint("c", i), "fast-go", &networks[i], wsclient.Options{Events: 8})
		reading.Go(func() {
			for last := int64(0); len(seen[i]) < members*each; {
				e, err := clients[i].Next(t.Context())
				if err != nil {
					t.Errorf("client %d, after %d: %v", i, len(seen[i]), err)
					return
				}
				switch e := e.(type) {
				case wsclient.Opened:
					if e.Resumed {
						resumed.Add(1)
					}
				case wsclient.Gap:
					t.Errorf("client %d: a gap: %+v", i, e)
				case wsclient.Frame:
					if e.Event != "chat" {
						continue
					}
					if e.Seq != last+1 {
						t.Errorf("client %d: %d after %d", i, e.Seq, last)
					}
					last = e.Seq
					seen[i] = append(seen[i], text(t, e))
				}
			}
		})
	}
	for i, c := range clients {
		posting.Go(func() {
			for k := range each {
				p, err := c.Post("chat", map[string]any{"text": fmt.Sprint("c", i, "-", k)})
				if err != nil {
					t.Errorf("client %d: %v", i, err)
					return
				}
				posted.Add(1)
				if k%8 == 7 { // else they would all be under way at once
					<-p.Done()
				}
				if k == each-1 {
					<-p.Done()
				}
			}
		})
	}
	for step := int64(1); step < 6; step++ {
		for posted.Load() < step*members*each/6 {
			time.Sleep(time.Millisecond) // the sockets are real
		}
		if step%2 == 1 {
			h = h.Restart()
		} else {
			networks[step%members].cut(false)
		}
	}
	posting.Wait()
	reading.Wait()
	require.GreaterOrEqual(t, resumed.Load(), int64(3*members+2-members), "connections broke")
	handled, err := h.Object("WEBSOCKET", "fast-go").SQL(`SELECT text FROM handled ORDER BY rowid`)
	require.NoError(t, err)
	require.Len(t, handled, members*each)
	for i := range clients {
		require.Equal(t, handled, seen[i], "client %d", i)
		var own, want []string
		for _, id := range handled {
			if strings.HasPrefix(id, fmt.Sprint("c", i, "-")) {
				own = append(own, id)
			}
		}
		for k := range each {
			want = append(want, fmt.Sprint("c", i, "-", k))
		}
		require.Equal(t, want, own)
	}
}

// TestClient_slow: a client that reads nothing for a while is put off by the room, and gets everything after all.
func TestClient_slow(t *testing.T) {
	h := start(t)
	c := dial(t, h, "bob", "fast-slow", nil, wsclient.Options{Events: 1})
	next[wsclient.Opened](t, c, nil)
	const n = 2500
	changes := make([]websocket.Change, n)
	for i := range changes {
		changes[i] = websocket.Change{Action: websocket.Created, EntityType: "post", ID: float64(i + 1), Data: map[string]any{"pad": strings.Repeat("x", 100)}}
	}
	require.NoError(t, websocket.EntitiesChanged.Call(t.Context(), h.Object("WEBSOCKET", "fast-slow"), changes))
	slow := false
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for last := int64(0); last < n; {
		e, err := c.Next(ctx)
		require.NoError(t, err)
		switch e := e.(type) {
		case wsclient.Dropped:
			var closed *gorilla.CloseError
			slow = slow || errors.As(e.Err, &closed) && closed.Code == websocket.CloseSlow
		case wsclient.Frame:
			if e.Seq > 0 {
				require.Equal(t, last+1, e.Seq)
				last = e.Seq
			}
		case wsclient.Gap:
			t.Fatal(e)
		}
	}
	require.True(t, slow, "the room has a window of 1,000")
}

// TestClient_gap: what the log has forgotten is reported, and the rest comes.
func TestClient_gap(t *testing.T) {
	h := start(t)
	var n network
	c := dial(t, h, "bob", "gap", &n, wsclient.Options{})
	require.NoError(t, c.Send(t.Context(), "chat", map[string]any{"text": "first"}))
	next(t, c, named("chat"))
	n.cut(true)
	next[wsclient.Dropped](t, c, nil)
	changes := make([]websocket.Change, 1300)
	for i := range changes {
		changes[i] = websocket.Change{Action: websocket.Deleted, EntityType: "post", ID: "p"}
	}
	require.NoError(t, websocket.EntitiesChanged.Call(t.Context(), h.Object("WEBSOCKET", "gap"), changes))
	n.cut(false)
	require.True(t, next[wsclient.Opened](t, c, nil).Resumed)
	gap := next[wsclient.Gap](t, c, nil)
	require.Equal(t, int64(2), gap.From)
	require.Equal(t, gap.To+1, next(t, c, named("entity:deleted")).Seq)
	for last := gap.To + 1; last < 1301; last++ {
		require.Equal(t, last+1, next(t, c, named("entity:deleted")).Seq)
	}
}

// TestClient_lost: a session that cannot be resumed leaves what was sent in doubt, and takes along what was not.
func TestClient_lost(t *testing.T) {
	h := start(t)
	var n network
	c := dial(t, h, "bob", "lost", &n, wsclient.Options{})
	id := c.ID()
	require.True(t, c.Recoverable())
	next[wsclient.Opened](t, c, nil)
	n.deaf.Store(true)
	sent, err := c.Post("chat", map[string]any{"text": "doubt"})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		handled, err := h.Object("WEBSOCKET", "lost").SQL(`SELECT text FROM handled`)
		return err == nil && len(handled) == 1
	}, 10*time.Second, time.Millisecond)
	h.Stop()
	n.deaf.Store(false)
	next[wsclient.Dropped](t, c, nil)
	n.cut(true)
	unsent, err := c.Post("chat", map[string]any{"text": "later"})
	require.NoError(t, err)
	require.ErrorIs(t, c.Signal("chat", nil), wsclient.ErrDown)
	h = h.Restart()
	_, err = websocket.GetUsers.Call(t.Context(), h.Object("WEBSOCKET", "lost")) // which the room wakes for
	require.NoError(t, err)
	h.Advance(3 * time.Minute)
	n.cut(false)
	opened := next[wsclient.Opened](t, c, nil)
	require.False(t, opened.Resumed)
	require.NotEqual(t, id, opened.ID)
	require.Equal(t, opened.ID, c.ID())
	<-unsent.Done()
	require.NoError(t, unsent.Err())
	<-sent.Done()
	require.ErrorIs(t, sent.Err(), wsclient.ErrLost, "it was handled, which the client cannot know")
	require.Equal(t, "later", text(t, next(t, c, func(f wsclient.Frame) bool { return f.Event == "chat" && text(t, f) == "later" })))
}

// TestClient_refused: refusals are told, or sent again later, and what follows is in order.
func TestClient_refused(t *testing.T) {
	h := start(t)
	c := dial(t, h, "bob", "refused", nil, wsclient.Options{Waiting: 40})
	post := func(event, text string) *wsclient.Post {
		p, err := c.Post(event, map[string]any{"text": text})
		require.NoError(t, err)
		return p
	}
	first, no, long, after := post("chat", "a"), post("slow", "b"), post("chat", strings.Repeat("x", 70_000)), post("chat", "c")
	<-after.Done()
	require.NoError(t, first.Err())
	require.NoError(t, after.Err())
	var refused *wsclient.Refused
	<-no.Done()
	require.ErrorAs(t, no.Err(), &refused)
	require.Equal(t, wsclient.Refused{Status: 422, Message: "No"}, *refused)
	<-long.Done()
	require.ErrorAs(t, long.Err(), &refused)
	require.Equal(t, 413, refused.Status)
	_, err := c.Post("chat", map[string]any{"text": strings.Repeat("x", 70_000)})
	require.ErrorAs(t, err, &refused, "it has learnt how long one may be")

	var all []*wsclient.Post
	for i := range 40 {
		all = append(all, post("chat", fmt.Sprint(i)))
	}
	_, err = c.Post("chat", nil)
	require.ErrorIs(t, err, wsclient.ErrFull)
	last := all[len(all)-1]
	limit := time.Now().Add(30 * time.Second)
	for i := 0; i < len(all); {
		select {
		case <-all[i].Done():
			require.NoError(t, all[i].Err())
			i++
		case <-time.After(20 * time.Millisecond):
			require.True(t, time.Now().Before(limit), "message %d of %d", i, len(all))
			h.Advance(10 * time.Second) // a token
		}
	}
	require.NoError(t, last.Err())
	var texts []string
	for len(texts) < 42 {
		texts = append(texts, text(t, next(t, c, named("chat"))))
	}
	require.Equal(t, []string{"a", "c", "0", "1"}, texts[:4])
	require.Equal(t, "39", texts[41])
}

// TestClient_plain: without a session there are signals, and another connection after one that broke.
func TestClient_plain(t *testing.T) {
	h := start(t)
	var n network
	c := dial(t, h, "bob", "plain", &n, wsclient.Options{Plain: true, Deflate: true})
	require.NoError(t, c.Signal("chat", map[string]any{"text": "at once"}))
	require.False(t, c.Recoverable())
	require.Equal(t, wsclient.Opened{}, next[wsclient.Opened](t, c, nil))
	next(t, c, named("session:list"))
	_, err := c.Post("chat", nil)
	require.ErrorIs(t, err, wsclient.ErrPlain)
	require.Equal(t, "at once", text(t, next(t, c, named("chat"))))
	require.NoError(t, c.Signal("chat", map[string]any{"text": "hi"}))
	require.Equal(t, "hi", text(t, next(t, c, named("chat"))))
	require.NoError(t, c.SignalBinary([]byte("x")))
	require.JSONEq(t, `{"event":"error","message":"Binary messages are not supported","status":400}`, string(next(t, c, named("error")).Text))
	n.cut(false)
	require.Error(t, next[wsclient.Dropped](t, c, nil).Err)
	next[wsclient.Opened](t, c, nil)
	require.NoError(t, c.Close())
	require.ErrorIs(t, c.Signal("chat", nil), wsclient.ErrClosed)
}

// TestClient_ended: who was removed does not come back.
func TestClient_ended(t *testing.T) {
	h := start(t)
	c := dial(t, h, "bob", "ended", nil, wsclient.Options{})
	done, err := websocket.Kick.Call(t.Context(), h.Object("WEBSOCKET", "ended"), c.ID(), "spam")
	require.NoError(t, err)
	require.True(t, done)
	for err == nil {
		_, err = c.Next(t.Context())
	}
	var ended *wsclient.Ended
	require.ErrorAs(t, err, &ended)
	require.Equal(t, wsclient.Ended{Code: websocket.CloseKicked, Reason: "spam"}, *ended)
	require.ErrorIs(t, c.Close(), error(ended))
	_, err = c.Post("chat", nil)
	require.ErrorIs(t, err, wsclient.ErrClosed)
}

// TestClient_close: it says goodbye, and waits for nobody.
func TestClient_close(t *testing.T) {
	h := start(t)
	a, b := dial(t, h, "ann", "close", nil, wsclient.Options{}), dial(t, h, "bob", "close", nil, wsclient.Options{Events: 1})
	h.Stop()
	p, err := b.Post("chat", nil)
	require.NoError(t, err)
	require.NoError(t, b.Close())
	<-p.Done()
	require.Error(t, p.Err())
	require.NoError(t, a.Close())
	require.NoError(t, a.Close(), "again")
}

// speak is a server that says what a test wants.
func speak(t *testing.T, f func(c *gorilla.Conn)) string {
	u := gorilla.Upgrader{Subprotocols: []string{websocket.Recoverable}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := u.Upgrade(w, r, nil); err == nil {
			f(c)
			_ = c.Close()
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func say(c *gorilla.Conn, text string) { _ = c.WriteMessage(gorilla.TextMessage, []byte(text)) }

func listen(c *gorilla.Conn) {
	for {
		if _, _, err := c.ReadMessage(); err != nil {
			return
		}
	}
}

// TestDial: what is no room, or not now.
func TestDial(t *testing.T) {
	h := start(t)
	short := wsclient.Options{Patience: 200 * time.Millisecond}
	room := h.URL + "/api/websocket?user=ann&room="
	status := func(url string, want int, says string) {
		_, err := wsclient.Dial(t.Context(), url, nil)
		var s *wsclient.StatusError
		require.ErrorAs(t, err, &s)
		require.Equal(t, want, s.Status)
		require.ErrorContains(t, err, says)
	}
	status(h.URL+"/api/websocket", 401, "status 401 Unauthorized: {")
	status(room+"closed", 403, "Forbidden")
	status(h.URL+"/nothing", 404, "Not Found")
	for name, f := range map[string]func(c *gorilla.Conn){
		"another frame": func(c *gorilla.Conn) { say(c, `{"event":"hello"}`); listen(c) },
		"no JSON":       func(c *gorilla.Conn) { say(c, `hello`); listen(c) },
		"binary": func(c *gorilla.Conn) {
			_ = c.WriteMessage(gorilla.BinaryMessage, []byte(`{"event":"session:open"}`))
			listen(c)
		},
	} {
		_, err := wsclient.Dial(t.Context(), speak(t, f), &short)
		require.ErrorIs(t, err, wsclient.ErrNoRoom, name)
	}
	_, err := wsclient.Dial(t.Context(), speak(t, listen), &short)
	require.ErrorIs(t, err, context.DeadlineExceeded, "it says nothing")
	_, err = wsclient.Dial(t.Context(), speak(t, func(c *gorilla.Conn) {
		say(c, `{"event":"error","status":429,"message":"Too many messages. Please slow down."}`)
		listen(c)
	}), nil)
	require.EqualError(t, err, "wsclient: refused with 429: Too many messages. Please slow down.")
	_, err = wsclient.Dial(t.Context(), "ws://127.0.0.1:1/", nil)
	require.ErrorContains(t, err, "connection refused")
	for _, o := range []wsclient.Options{{Rewind: 101}, {Waiting: -1}, {Most: -1}} {
		_, err = wsclient.Dial(t.Context(), room, &o)
		require.ErrorContains(t, err, "must be positive")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = wsclient.Dial(ctx, room, nil)
	require.ErrorIs(t, err, context.Canceled)
}

// TestClient_silence: a connection on which nothing comes is given up, and so is one that answers pings alone; not one of a
// program that does not read.
func TestClient_silence(t *testing.T) {
	hello := `{"event":"session:open","ws_session_id":"I","token":"T","resumed":false,"n":0,"seq":0}`
	o := wsclient.Options{Ping: 20 * time.Millisecond, First: time.Millisecond}
	for name, f := range map[string]func(c *gorilla.Conn){
		"mute": func(c *gorilla.Conn) { say(c, hello); listen(c) },
		"answers no message": func(c *gorilla.Conn) {
			say(c, hello)
			for {
				if _, b, err := c.ReadMessage(); err != nil {
					return
				} else if string(b) == websocket.PingFrame {
					say(c, websocket.PongFrame)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := wsclient.Dial(t.Context(), speak(t, f), &o)
			require.NoError(t, err)
			defer c.Close()
			_, err = c.Post("chat", nil)
			require.NoError(t, err)
			next[wsclient.Dropped](t, c, nil)
			next[wsclient.Opened](t, c, nil)
		})
	}
	t.Run("nobody reads", func(t *testing.T) {
		var connections atomic.Int64
		busy := o
		busy.Events = 1
		c, err := wsclient.Dial(t.Context(), speak(t, func(c *gorilla.Conn) {
			connections.Add(1)
			say(c, hello)
			for i := range 5 {
				say(c, fmt.Sprintf(`{"event":"chat","seq":%d}`, i+1))
			}
			for {
				if _, b, err := c.ReadMessage(); err != nil {
					return
				} else if string(b) == websocket.PingFrame {
					say(c, websocket.PongFrame)
				}
			}
		}), &busy)
		require.NoError(t, err)
		defer c.Close()
		time.Sleep(150 * time.Millisecond) // several pings
		for i := range 5 {
			require.Equal(t, int64(i+1), next(t, c, named("chat")).Seq)
		}
		require.Equal(t, int64(1), connections.Load())
	})
}

// TestClient_once: what comes twice is passed on once, and the room is told what was seen.
func TestClient_once(t *testing.T) {
	acks := make(chan string, 10)
	c, err := wsclient.Dial(t.Context(), speak(t, func(c *gorilla.Conn) {
		say(c, `{"event":"session:open","ws_session_id":"I","token":"T","resumed":false,"n":0,"seq":0}`)
		say(c, `{"event":"session:gap","from":1,"to":5}`)
		say(c, `{"event":"chat","seq":3}`) // which is accounted for
		for i := 5; i < 70; i++ {
			say(c, fmt.Sprintf(`{"event":"chat","seq":%d}`, i+1))
			say(c, fmt.Sprintf(`{"event":"chat","seq":%d}`, max(i, 1)))
		}
		for {
			_, b, err := c.ReadMessage()
			if err != nil {
				return
			}
			acks <- string(b)
		}
	}), nil)
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, wsclient.Gap{From: 1, To: 5}, next[wsclient.Gap](t, c, nil))
	for i := 5; i < 70; i++ {
		require.Equal(t, int64(i+1), next(t, c, named("chat")).Seq)
	}
	require.Equal(t, `{"event":"session:open","token":"","seq":0,"rewind":0}`, <-acks)
	require.Equal(t, `{"event":"session:ack","seq":64}`, <-acks)
	require.Empty(t, acks)
}

// TestClient_binary: what is binary is passed on as it is.
func TestClient_binary(t *testing.T) {
	h := start(t)
	a, b := dial(t, h, "ann", "binary", nil, wsclient.Options{}), dial(t, h, "bob", "binary", nil, wsclient.Options{Plain: true})
	data := []byte("\x00\xff")
	require.NoError(t, a.SignalBinary(data))
	data[0] = 'x' // it is the caller's
	require.Equal(t, wsclient.Binary{Data: []byte("\x00\xff")}, next[wsclient.Binary](t, b, nil))
	require.NoError(t, b.SignalBinary([]byte("back")))
	require.Equal(t, "back", string(next[wsclient.Binary](t, a, nil).Data))
}
