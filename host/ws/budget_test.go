package ws_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/ws"
)

// begins sends the first n bytes of a message that is longer.
func begins(t *testing.T, c *websocket.Conn, n int) {
	t.Helper()
	w, err := c.NextWriter(websocket.BinaryMessage)
	require.NoError(t, err)
	_, err = w.Write(make([]byte, n))
	require.NoError(t, err)
}

// settles waits until the budget holds between two numbers of bytes.
func settles(t *testing.T, b *ws.Budget, least, most int64) {
	t.Helper()
	require.Eventually(t, func() bool { held := b.Held(); return held >= least && held <= most }, 10*time.Second, time.Millisecond, "%d to %d", least, most)
}

func (p *peer) alive() bool {
	select {
	case <-p.gone:
		return false
	default:
		return true
	}
}

// TestBudget_parts: clients begin messages that they do not end. When all together are too much, the oldest go, and who comes
// with a whole message has it read.
func TestBudget_parts(t *testing.T) {
	b := ws.NewBudget(1 << 20)
	var all []*peer
	for range 3 {
		p, c, _ := dialWithin(t, websocket.Dialer{Subprotocols: []string{"chat"}}, b)
		begins(t, c, 364<<10) // 300 of it count
		all = append(all, p)
		settles(t, b, int64(len(all))*280<<10, int64(len(all))*300<<10)
		time.Sleep(20 * time.Millisecond) // the first is the oldest, by the machine's clock
	}
	p, c, _ := dialWithin(t, websocket.Dialer{Subprotocols: []string{"chat"}}, b)
	for range 10 {
		require.NoError(t, c.WriteMessage(websocket.BinaryMessage, make([]byte, 400<<10)))
		require.Len(t, <-p.messages, len("binary ")+400<<10)
	}
	require.Equal(t, ws1006, <-all[0].gone)
	require.True(t, all[1].alive() && all[2].alive() && p.alive(), "there was room for the others")
	settles(t, b, 2*280<<10, 2*300<<10)
	all[1].conn.Drop()
	all[2].conn.Drop()
	settles(t, b, 0, 0)
}

var ws1006 = gone{1006, "WebSocket disconnected without sending Close frame.", false}

// TestBudget_inflated: what counts is what a message is inflated to.
func TestBudget_inflated(t *testing.T) {
	b := ws.NewBudget(1 << 20)
	p, c, ext := dialWithin(t, websocket.Dialer{Subprotocols: []string{"chat"}, EnableCompression: true}, b)
	require.NotEmpty(t, ext)
	_ = c.WriteMessage(websocket.BinaryMessage, make([]byte, 8<<20)) // 8 KB under way; it may be dropped before the last
	require.Equal(t, ws1006, <-p.gone)
	settles(t, b, 0, 0)
}

// TestBudget_unread: clients that take nothing. The one that holds most goes, not the ones that wait for the same frame.
func TestBudget_unread(t *testing.T) {
	b := ws.NewBudget(24 << 20)
	var many []*peer
	var clients []*websocket.Conn
	for range 12 {
		p, c, _ := dialWithin(t, websocket.Dialer{Subprotocols: []string{"chat"}}, b)
		many, clients = append(many, p), append(clients, c)
	}
	for range 4 { // 192 MiB, were it not the same for all
		frame := make([]byte, 4<<20)
		for _, p := range many {
			p.conn.Send(false, frame)
		}
	}
	require.Greater(t, b.Held(), int64(4<<20))
	require.LessOrEqual(t, b.Held(), int64(17<<20))
	hog, _, _ := dialWithin(t, websocket.Dialer{Subprotocols: []string{"chat"}}, b)
	for range 32 {
		hog.conn.Send(false, make([]byte, 1<<20))
	}
	require.Equal(t, ws1006, <-hog.gone)
	for i, c := range clients {
		for range 4 {
			require.Len(t, read(t, c), 4<<20)
		}
		require.True(t, many[i].alive())
	}
	settles(t, b, 0, 0)
}

// TestBudget_inside: a message that the program does not take counts too, also when its connection has ended.
func TestBudget_inside(t *testing.T) {
	b := ws.NewBudget(1 << 20)
	join := func() (*slow, *websocket.Conn) {
		s := &slow{gone: make(chan int, 1)}
		conn, c := connect(t)
		conn.Within(b, writers(t))
		served := make(chan struct{})
		go func() {
			defer close(served)
			conn.Join(s)
		}()
		t.Cleanup(func() {
			conn.Drop()
			<-served
		})
		return s, c
	}
	first, c := join()
	require.NoError(t, c.WriteMessage(websocket.BinaryMessage, make([]byte, 700<<10)))
	require.Eventually(t, func() bool { return first.count() == 1 }, 5*time.Second, time.Millisecond)
	settles(t, b, 700<<10, 700<<10)
	time.Sleep(20 * time.Millisecond)
	second, c := join()
	_ = c.WriteMessage(websocket.BinaryMessage, make([]byte, 600<<10)) // it may be dropped before the end
	require.Equal(t, 1006, <-first.gone)
	require.Equal(t, 1006, <-second.gone, "what the program has not taken is still there")
	require.Zero(t, second.count())
	settles(t, b, 700<<10, 700<<10)
	first.take(1)
	settles(t, b, 0, 0)
	third, c := join()
	require.NoError(t, c.WriteMessage(websocket.BinaryMessage, make([]byte, 900<<10)))
	require.Eventually(t, func() bool { return third.count() == 1 }, 5*time.Second, time.Millisecond)
	third.take(1)
	settles(t, b, 0, 0)
	require.NoError(t, c.WriteMessage(websocket.BinaryMessage, make([]byte, 900<<10)))
	require.Eventually(t, func() bool { return third.count() == 2 }, 5*time.Second, time.Millisecond, "it counted once")
	third.take(1)
	settles(t, b, 0, 0)
}

// TestBudget_quick: who reads and writes as it should never comes near it.
func TestBudget_quick(t *testing.T) {
	b := ws.NewBudget(1)
	p, c, _ := dialWithin(t, websocket.Dialer{Subprotocols: []string{"chat"}}, b)
	for range 200 {
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte(strings.Repeat("x", 60<<10))))
		require.Len(t, <-p.messages, 60<<10)
		p.conn.Send(true, []byte(strings.Repeat("y", 60<<10)))
		require.Len(t, read(t, c), 60<<10)
	}
	require.Zero(t, b.Held())
	require.True(t, p.alive())
}
