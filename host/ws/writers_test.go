package ws_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/tcp"
	"durago.example/host/ws"
)

// writers are let go with the test.
func writers(t testing.TB) *ws.Writers {
	w := &ws.Writers{}
	t.Cleanup(w.Close)
	return w
}

// layers are what may be below a connection: one that does not tell when it waits, as with the race detector; the machine's; and one
// that says so before each write, true or not.
var layers = map[string]func(net.Conn) net.Conn{
	"plain":      func(c net.Conn) net.Conn { return c },
	"tcp":        tcp.Of,
	"suspicious": func(c net.Conn) net.Conn { return &suspicious{Conn: c} },
}

type suspicious struct {
	net.Conn
	waits func()
}

func (s *suspicious) OnWait(f func()) bool {
	s.waits = f
	return true
}

func (s *suspicious) Write(p []byte) (int, error) {
	if s.waits != nil {
		s.waits()
	}
	return s.Conn.Write(p)
}

type layered struct {
	net.Listener
	layer func(net.Conn) net.Conn
}

func (l layered) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.layer(c), nil
}

// several are connections that have the same writers.
func several(t *testing.T, n int, w *ws.Writers, layer func(net.Conn) net.Conn) (conns []*ws.Conn, clients []*websocket.Conn) {
	upgraded := make(chan *ws.Conn)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		c, err := ws.Upgrade(rw, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		c.Within(ws.NewBudget(1<<30), w)
		upgraded <- c
		c.Join(&slow{gone: make(chan int, 1)})
		<-c.Ended()
	}))
	s.Listener = layered{s.Listener, layer}
	s.Start()
	t.Cleanup(s.Close)
	for range n {
		c, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL, "http"), nil)
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		conn := <-upgraded
		t.Cleanup(conn.Drop)
		conns, clients = append(conns, conn), append(clients, c)
	}
	return conns, clients
}

// TestWriters: every connection gets what it was sent, in its order, whoever writes; and those that do not read keep nobody
// waiting, though they are more than write at once.
func TestWriters(t *testing.T) {
	for name, layer := range layers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := writers(t)
			stuck := 2*runtime.GOMAXPROCS(0) + 1
			conns, clients := several(t, 40+stuck, w, layer)
			for _, c := range conns[:stuck] {
				for range 40 {
					c.Send(false, make([]byte, 1<<18))
				}
			}
			conns, clients = conns[stuck:], clients[stuck:]
			var all sync.WaitGroup
			const rounds = 200
			for i, c := range clients {
				all.Go(func() {
					_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
					for n := range rounds {
						if _, b, err := c.ReadMessage(); err != nil || string(b) != fmt.Sprint(i, " ", n) {
							t.Error(i, n, string(b), err)
							return
						}
					}
				})
			}
			for n := range rounds {
				for i, c := range conns {
					c.Send(true, fmt.Append(nil, i, " ", n))
				}
				if n%50 == 0 {
					time.Sleep(2 * time.Millisecond) // all have written
				}
			}
			all.Wait()
		})
	}
}

// TestWriters_Close: no more wait for work than write at once, and none when the host ends; what is written after that is written
// still.
func TestWriters_Close(t *testing.T) {
	w := writers(t)
	conns, clients := several(t, 30, w, layers["suspicious"])
	send := func() {
		for _, c := range conns {
			c.Send(true, []byte("x"))
		}
		for _, c := range clients {
			if _, b, err := c.ReadMessage(); err != nil || string(b) != "x" {
				t.Error(string(b), err)
			}
		}
	}
	for range 100 {
		send()
		require.LessOrEqual(t, w.Idle(), runtime.GOMAXPROCS(0))
	}
	require.Eventually(t, func() bool { return w.Idle() > 0 }, 5*time.Second, time.Millisecond)
	w.Close()
	require.Zero(t, w.Idle())
	send()
	time.Sleep(10 * time.Millisecond)
	require.Zero(t, w.Idle())
}
