package ws_test

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/durable"
	"durago.example/host/ws"
)

// TestConn_shared: a message that goes to several is the same for all, deflated or not, among others of their own.
func TestConn_shared(t *testing.T) {
	deflated, d, _ := dialWith(t, deflating)
	plain, p, _ := dialWith(t, websocket.Dialer{Subprotocols: []string{"chat"}})
	for i, text := range []string{"short", strings.Repeat("long ", 5000), "", "\x00é"} {
		shared := &durable.Shared{}
		for _, to := range []*peer{deflated, plain} {
			to.conn.Send(true, []byte("before"))
			to.conn.SendShared(i%2 == 0, []byte(text), shared)
			to.conn.Send(true, []byte("after"))
		}
		for _, c := range []*websocket.Conn{d, p} {
			require.Equal(t, "before", read(t, c))
			kind, b, err := c.ReadMessage()
			require.NoError(t, err)
			require.Equal(t, text, string(b))
			require.Equal(t, map[bool]int{true: websocket.TextMessage, false: websocket.BinaryMessage}[i%2 == 0], kind)
			require.Equal(t, "after", read(t, c))
		}
	}
	a, b := &durable.Shared{}, 0
	for range 3 {
		require.Equal(t, 1, a.Made(func() any { b++; return b }))
	}
}

// TestConn_shared_once: it is deflated once, however many get it, and not for those who have not agreed to that.
func TestConn_shared_once(t *testing.T) {
	for _, row := range []struct {
		offered string
		made    bool
	}{{"permessage-deflate", true}, {"", false}} {
		shared := &durable.Shared{}
		_, raw, conn := offer(t, row.offered)
		conn.SendShared(true, []byte("message"), shared)
		_, err := raw.ReadByte()
		require.NoError(t, err)
		made := true
		shared.Made(func() any { made = false; return nil })
		require.Equal(t, row.made, made)
	}
}

// processor is the processor time of this process.
func processor() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkConn_broadcast sends one message to 100 clients, as a room does, and waits until all have it: the processor time
// of a delivery, what reads it included, and the bytes it takes.
func BenchmarkConn_broadcast(b *testing.B) {
	const members = 100
	for _, size := range []int{128, 1024} {
		text := []byte(`{"event":"chat","text":"`)
		for i := range size {
			text = append(text, fmt.Sprint(i * i)[0])
		}
		text = append(text[:size-2], `"}`...)
		for _, way := range []struct {
			name, offered string
			share         bool
		}{{"plain", "", true}, {"deflated for each", "permessage-deflate", false}, {"deflated once", "permessage-deflate", true}} {
			b.Run(fmt.Sprintf("%d bytes, %s", size, way.name), func(b *testing.B) {
				var conns []*ws.Conn
				var arriving sync.WaitGroup
				var length int
				for i := range members {
					_, raw, conn := offer(b, way.offered)
					conns = append(conns, conn)
					if i == 0 {
						conn.Send(true, text)
						buf := make([]byte, 64<<10)
						var err error
						length, err = raw.Read(buf)
						require.NoError(b, err)
					}
					go func() { // ends with its connection
						buf := make([]byte, 64<<10)
						for have := 0; ; {
							n, err := raw.Read(buf)
							if err != nil {
								return
							}
							for have += n; have >= length; have -= length {
								arriving.Done()
							}
						}
					}()
				}
				began := processor()
				for b.Loop() {
					arriving.Add(members)
					shared := &durable.Shared{}
					for _, c := range conns {
						if way.share {
							c.SendShared(true, text, shared)
						} else {
							c.Send(true, text)
						}
					}
					arriving.Wait()
				}
				b.ReportMetric(float64(processor()-began)/float64(b.N*members), "cpu-ns/delivery")
				b.ReportMetric(float64(length), "wire-bytes")
			})
		}
	}
}
