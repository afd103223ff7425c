package ws_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/ws"
)

// writers are let go with the test.
func writers(t testing.TB) *ws.Writers {
	w := &ws.Writers{}
	t.Cleanup(w.Close)
	return w
}

// several are connections that have the same writers.
func several(t *testing.T, n int, w *ws.Writers) (conns []*ws.Conn, clients []*websocket.Conn) {
	for range n {
		conn, c := connect(t)
		conn.Within(ws.NewBudget(1<<30), w)
		served := make(chan struct{})
		go func() {
			defer close(served)
			conn.Join(&slow{gone: make(chan int, 1)})
		}()
		t.Cleanup(func() {
			conn.Drop()
			<-served
		})
		conns, clients = append(conns, conn), append(clients, c)
	}
	return conns, clients
}

// TestWriters: every connection gets what it was sent, in its order, whoever writes; and one that does not read keeps its own
// writer waiting only.
func TestWriters(t *testing.T) {
	w := writers(t)
	conns, clients := several(t, 40, w)
	stuck := conns[0]
	for range 40 {
		stuck.Send(false, make([]byte, 1<<20))
	}
	var all sync.WaitGroup
	const rounds = 200
	for i, c := range clients[1:] {
		all.Go(func() {
			for n := range rounds {
				if _, b, err := c.ReadMessage(); err != nil || string(b) != fmt.Sprint(i+1, " ", n) {
					t.Error(i, n, string(b), err)
					return
				}
			}
		})
	}
	for n := range rounds {
		for i, c := range conns[1:] {
			c.Send(true, fmt.Append(nil, i+1, " ", n))
		}
		if n%50 == 0 {
			time.Sleep(2 * time.Millisecond) // all have written
		}
	}
	all.Wait()
}

// TestWriters_rest: those that are not needed are let go in a moment, and all of them when the host ends; what is written after
// that is written still.
func TestWriters_rest(t *testing.T) {
	w := writers(t)
	conns, clients := several(t, 30, w)
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
	waits := func() bool {
		send()
		return w.Idle() > 0
	}
	require.Eventually(t, waits, 5*time.Second, time.Millisecond)
	require.Eventually(t, func() bool { return w.Idle() == 0 }, 5*time.Second, 10*time.Millisecond)
	require.Eventually(t, waits, 5*time.Second, time.Millisecond)
	w.Close()
	require.Zero(t, w.Idle())
	send()
	time.Sleep(10 * time.Millisecond)
	require.Zero(t, w.Idle())
}
