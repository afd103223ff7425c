package ws_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/durable"
	"durago.example/host/ws"
)

// slow is a program that takes no message before it is told.
type slow struct {
	mu    sync.Mutex
	taken []func()
	sizes []int
	gone  chan int
}

var _ durable.Side = (*slow)(nil)

func (s *slow) Attach(durable.Conn) {}
func (s *slow) Refuse()             {}
func (s *slow) Message(_ bool, data []byte, taken func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken, s.sizes = append(s.taken, taken), append(s.sizes, len(data))
}
func (s *slow) Gone(code int, _ string, _ bool, end func()) {
	end()
	s.gone <- code
}

// count is how many messages have come.
func (s *slow) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sizes)
}

// take takes the first n that wait, or as many as do.
func (s *slow) take(n int) {
	s.mu.Lock()
	n = min(n, len(s.taken))
	list := s.taken[:n]
	s.taken = s.taken[n:]
	s.mu.Unlock()
	for _, f := range list {
		f()
	}
}

// TestConn_Join: 64 messages of a client wait for the program, or 1 MiB; then the client waits too.
func TestConn_Join(t *testing.T) {
	join := func(t *testing.T) (*slow, *websocket.Conn) {
		s := &slow{gone: make(chan int, 1)}
		conn, c := connect(t)
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
	stays := func(t *testing.T, s *slow, n int) {
		require.Eventually(t, func() bool { return s.count() == n }, 5*time.Second, time.Millisecond)
		require.Never(t, func() bool { return s.count() != n }, 30*time.Millisecond, 5*time.Millisecond)
	}
	t.Run("64 messages", func(t *testing.T) {
		s, c := join(t)
		for range 200 {
			require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("x")))
		}
		stays(t, s, 64)
		s.take(10)
		stays(t, s, 74)
		require.NoError(t, c.Close())
		require.Eventually(t, func() bool { s.take(64); return s.count() == 200 }, 5*time.Second, time.Millisecond)
		require.Equal(t, 1006, <-s.gone)
	})
	t.Run("1 MiB", func(t *testing.T) {
		s, c := join(t)
		go func() {
			for range 100 {
				if c.WriteMessage(websocket.BinaryMessage, make([]byte, 300<<10)) != nil {
					return
				}
			}
		}()
		stays(t, s, 3)
		s.take(1)
		stays(t, s, 4)
	})
	t.Run("one larger message", func(t *testing.T) {
		s, c := join(t)
		go func() {
			_ = c.WriteMessage(websocket.BinaryMessage, make([]byte, 5<<20))
			_ = c.WriteMessage(websocket.TextMessage, []byte("x"))
		}()
		stays(t, s, 1)
		s.take(1)
		stays(t, s, 2)
	})
}

// connect opens a connection over loopback, which nobody serves yet.
func connect(t *testing.T) (*ws.Conn, *websocket.Conn) {
	t.Helper()
	conns := make(chan *ws.Conn, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := ws.Upgrade(w, r, nil); err == nil {
			conns <- c
			<-c.Ended()
		}
	}))
	t.Cleanup(s.Close)
	c, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL, "http"), nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return <-conns, c
}
