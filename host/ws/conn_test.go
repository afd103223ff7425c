package ws_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"durago.example/host/ws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// gone is how a connection ended.
type gone struct {
	code   int
	reason string
	clean  bool
}

// peer is the host's side of one connection.
type peer struct {
	conn     *ws.Conn
	messages chan string
	gone     chan gone
	hold     chan struct{} // closed lets messages through
	served   chan struct{}
}

func (p *peer) Message(text bool, data []byte) {
	<-p.hold
	kind := "binary "
	if text {
		kind = ""
	}
	p.messages <- kind + string(data)
}

// Gone answers as an object would that closes with the client's code, which after a breach is too late.
func (p *peer) Gone(code int, reason string, clean bool) {
	switch code {
	case 1005:
		p.conn.Close(0, "")
	case 1006:
	default:
		p.conn.Close(code, reason)
	}
	p.conn.End()
	p.gone <- gone{code, reason, clean}
}

// dial opens a connection over loopback and returns both sides.
func dial(t *testing.T) (*peer, *websocket.Conn) {
	t.Helper()
	p, c, _ := dialWith(t, websocket.Dialer{Subprotocols: []string{"chat"}})
	return p, c
}

// dialWith is dial of a client that has its ways, and the extensions that the host agreed to.
func dialWith(t *testing.T, d websocket.Dialer) (p *peer, c *websocket.Conn, extensions string) {
	t.Helper()
	return dialWithin(t, d, nil)
}

// dialWithin is dialWith of a connection that shares a budget.
func dialWithin(t *testing.T, d websocket.Dialer, budget *ws.Budget) (p *peer, c *websocket.Conn, extensions string) {
	t.Helper()
	peers := make(chan *peer, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Upgrade(w, r, http.Header{"X-Own": {"yes"}, "Sec-Websocket-Protocol": {"chat"}})
		if err != nil {
			return
		}
		if budget != nil {
			c.Within(budget, writers(t))
		}
		p := &peer{conn: c, messages: make(chan string, 1024), gone: make(chan gone, 1), hold: make(chan struct{}), served: make(chan struct{})}
		close(p.hold)
		peers <- p
		c.Serve(p)
		close(p.served)
	}))
	t.Cleanup(s.Close)
	c, resp, err := d.Dial("ws"+strings.TrimPrefix(s.URL, "http"), nil)
	require.NoError(t, err)
	require.Equal(t, "yes", resp.Header.Get("X-Own"))
	require.Equal(t, "chat", c.Subprotocol())
	p = <-peers
	t.Cleanup(func() {
		_ = c.Close()
		p.conn.Drop()
		<-p.served
	})
	require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Second)))
	return p, c, resp.Header.Get("Sec-WebSocket-Extensions")
}

func read(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	_, b, err := c.ReadMessage()
	require.NoError(t, err)
	return string(b)
}

func TestConn_order(t *testing.T) {
	p, c := dial(t)
	const n = 1000
	for i := range n {
		p.conn.Send(i%2 == 0, []byte(fmt.Sprint(i)))
	}
	for i := range n {
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte(fmt.Sprint(i))))
	}
	for i := range n {
		kind, b, err := c.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i), string(b))
		require.Equal(t, i%2 == 0, kind == websocket.TextMessage)
	}
	for i := range n {
		require.Equal(t, fmt.Sprint(i), <-p.messages)
	}
	require.NoError(t, c.WriteMessage(websocket.BinaryMessage, []byte{0}))
	require.Equal(t, "binary \x00", <-p.messages)
}

func TestConn_AutoRespond(t *testing.T) {
	p, c := dial(t)
	_, ok := p.conn.LastAutoResponse()
	require.False(t, ok)
	p.conn.AutoRespond(&[2]string{"ping", "pong"}, time.Now)
	for _, m := range []string{"ping", "ping ", "ping"} {
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte(m)))
	}
	require.Equal(t, "pong", read(t, c))
	require.Equal(t, "pong", read(t, c))
	require.Equal(t, "ping ", <-p.messages)
	_, ok = p.conn.LastAutoResponse()
	require.True(t, ok)
	require.NoError(t, c.WriteMessage(websocket.BinaryMessage, []byte("ping")))
	require.Equal(t, "binary ping", <-p.messages, "only text is answered")
	p.conn.AutoRespond(nil, time.Now)
	require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("ping")))
	require.Equal(t, "ping", <-p.messages)
}

// TestConn_slow: a client that does not read loses its socket at the bound, not before, and nobody else waits for it.
func TestConn_slow(t *testing.T) {
	slow, _ := dial(t)
	late, lateClient := dial(t)
	other, c := dial(t)
	chunk := make([]byte, 1<<20)
	for i := range 100 { // the system's buffers take a few MiB, the queue 32
		slow.conn.Send(false, chunk)
		if i < 31 {
			late.conn.Send(false, chunk)
		}
		other.conn.Send(true, []byte("tick"))
		require.Equal(t, "tick", read(t, c))
	}
	select {
	case g := <-slow.gone:
		require.Equal(t, gone{1006, "WebSocket disconnected without sending Close frame.", false}, g)
	case <-time.After(10 * time.Second): // a write alone may wait for 30
		t.Fatal("the slow client was not dropped")
	}
	<-slow.served
	for range 31 {
		require.Len(t, read(t, lateClient), len(chunk))
	}
}

// TestConn_large: two messages of the greatest size wait for one client, whatever the bound of what waits.
func TestConn_large(t *testing.T) {
	p, c := dial(t)
	chunk := make([]byte, ws.MaxMessage)
	p.conn.Send(false, chunk)
	p.conn.Send(false, chunk)
	for range 2 {
		require.Len(t, read(t, c), len(chunk))
	}
}

// TestConn_pings: who asks for answers and does not read them loses the socket, though they are empty.
func TestConn_pings(t *testing.T) {
	p, c := dial(t)
	ping := []byte(strings.Repeat("\x89\x80\x00\x00\x00\x00", 10_000)) // masked, and empty
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 1000 { // of 600,000 answers the queue takes 500,000, the system's buffers a few million
			if _, err := c.NetConn().Write(ping); err != nil {
				return
			}
		}
	})
	select {
	case g := <-p.gone:
		require.Equal(t, 1006, g.code)
	case <-time.After(28 * time.Second): // a write alone may wait for 30
		t.Error("the client was not dropped")
	}
	p.conn.Drop()
	<-p.served
	wg.Wait()
}

func TestConn_Close(t *testing.T) {
	for _, row := range []struct {
		name string
		do   func(c *websocket.Conn)
		want gone
		back int
	}{
		{"with a code", func(c *websocket.Conn) {
			_ = c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4001, "bye"))
		}, gone{4001, "bye", true}, 4001},
		{"without a code", func(c *websocket.Conn) { _ = c.WriteMessage(websocket.CloseMessage, nil) }, gone{1005, "", true}, 1005},
		{"without a handshake", func(c *websocket.Conn) { _ = c.NetConn().Close() },
			gone{1006, "WebSocket disconnected without sending Close frame.", false}, 0},
	} {
		t.Run("by the client "+row.name, func(t *testing.T) {
			p, c := dial(t)
			row.do(c)
			require.Equal(t, row.want, <-p.gone)
			<-p.served
			if row.back == 0 {
				return
			}
			_, _, err := c.ReadMessage()
			var e *websocket.CloseError
			require.ErrorAs(t, err, &e)
			require.Equal(t, row.back, e.Code)
		})
	}
	t.Run("by the host, after what is queued", func(t *testing.T) {
		p, c := dial(t)
		p.conn.Send(true, []byte("last"))
		p.conn.Close(1000, "done")
		require.Equal(t, "last", read(t, c))
		_, _, err := c.ReadMessage() // gorilla answers
		var e *websocket.CloseError
		require.ErrorAs(t, err, &e)
		require.Equal(t, websocket.CloseError{Code: 1000, Text: "done"}, *e)
		require.Equal(t, gone{1000, "", true}, <-p.gone)
		<-p.served
	})
	t.Run("dropped", func(t *testing.T) {
		p, c := dial(t)
		p.conn.Drop()
		_, _, err := c.ReadMessage()
		var e *websocket.CloseError
		require.True(t, !errors.As(err, &e) || e.Code == 1006, "%v", err)
		require.Equal(t, 1006, (<-p.gone).code)
		<-p.served
		p.conn.Send(true, []byte("nobody hears")) // and nothing happens
	})
}

// TestConn_idle: a socket that has nothing to write costs the goroutine that reads it and no other, before and after.
func TestConn_idle(t *testing.T) {
	p, c := dial(t)
	goroutines := func(of string) int {
		b := make([]byte, 1<<20)
		return strings.Count(string(b[:runtime.Stack(b, true)]), of+"(")
	}
	for range 3 {
		require.Eventually(t, func() bool { return goroutines("ws.(*Conn).write") == 0 }, 10*time.Second, time.Millisecond)
		require.Equal(t, 1, goroutines("ws.(*Conn).Serve"))
		p.conn.Send(true, []byte("a"))
		p.conn.Send(true, []byte("b"))
		require.Equal(t, "a", read(t, c))
		require.Equal(t, "b", read(t, c))
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("c")))
		require.Equal(t, "c", <-p.messages)
	}
	p.conn.End()
	p.conn.End()
	<-p.served
	p.conn.Drop()
}
