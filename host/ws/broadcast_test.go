package ws_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
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

// TestConn_shared_once: each form is made once, however many get it, and only if somebody does.
func TestConn_shared_once(t *testing.T) {
	for _, row := range []struct {
		offered          string
		size             int
		framed, deflated bool
	}{{"permessage-deflate", 10, false, true}, {"permessage-deflate", 100_000, false, true}, {"", 10, true, false}, {"", 4096, true, false}, {"", 4097, false, false}} {
		t.Run(fmt.Sprint(row.offered, row.size), func(t *testing.T) {
			s := &durable.Shared{}
			for range 2 {
				_, raw, conn := offer(t, row.offered)
				conn.SendShared(true, make([]byte, row.size), s)
				_, err := raw.ReadByte()
				require.NoError(t, err)
			}
			framed, deflated := ws.Forms(s)
			require.Equal(t, row.framed, framed)
			require.Equal(t, row.deflated, deflated)
		})
	}
}

// TestConn_shared_frames: one frame for all is, byte for byte, what gorilla makes for each.
func TestConn_shared_frames(t *testing.T) {
	_, raw, conn := offer(t, "")
	for _, text := range []bool{true, false} {
		for _, size := range []int{0, 1, 125, 126, 127, 255, 4096, 4097, 65_535, 65_536, 200_000} {
			data := make([]byte, size)
			var frames [2][]byte
			for i, send := range []func(){func() { conn.Send(text, data) }, func() { conn.SendShared(text, data, &durable.Shared{}) }} {
				send()
				head, err := raw.Peek(2)
				require.NoError(t, err)
				heads := map[byte]int{126: 4, 127: 10}
				frames[i] = make([]byte, max(2, heads[head[1]])+size)
				_, err = io.ReadFull(raw, frames[i])
				require.NoError(t, err)
			}
			require.True(t, bytes.Equal(frames[0], frames[1]), size)
		}
	}
}

// TestConn_shared_close: nothing follows a close frame, neither the object's nor the one that says what a client did wrong.
func TestConn_shared_close(t *testing.T) {
	for name, shut := range map[string]func(p *peer, c *websocket.Conn){
		"of the object": func(p *peer, _ *websocket.Conn) { p.conn.Close(1000, "") },
		"after a breach": func(p *peer, c *websocket.Conn) {
			_, err := c.NetConn().Write([]byte(masked(0x83, "")))
			require.NoError(t, err)
			<-p.gone
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, c, _ := dialWith(t, websocket.Dialer{Subprotocols: []string{"chat"}})
			p.conn.SendShared(true, []byte("before"), &durable.Shared{})
			require.Equal(t, "before", read(t, c))
			shut(p, c)
			for range 10 {
				p.conn.SendShared(true, []byte("after"), &durable.Shared{})
			}
			require.Eventually(t, func() bool { return ended(p.conn) }, 10*time.Second, time.Millisecond)
			rest, err := io.ReadAll(c.NetConn())
			require.NoError(t, err)
			require.Equal(t, byte(0x88), rest[0])
			require.NotContains(t, string(rest), "after")
		})
	}
}

// TestConn_shared_stuck: a breach ends the connection of a client that does not read either, though a write waits for it.
func TestConn_shared_stuck(t *testing.T) {
	p, c, _ := dialWith(t, websocket.Dialer{Subprotocols: []string{"chat"}})
	for range 5000 {
		p.conn.SendShared(false, make([]byte, 4096), &durable.Shared{})
	}
	time.Sleep(50 * time.Millisecond) // the buffers of both sides are full
	_, err := c.NetConn().Write([]byte(masked(0x83, "")))
	require.NoError(t, err)
	select {
	case g := <-p.gone:
		require.Equal(t, 1002, g.code)
	case <-time.After(15 * time.Second):
		t.Fatal("the reader waits for the writer")
	}
	require.Eventually(t, func() bool { return ended(p.conn) }, 15*time.Second, time.Millisecond)
}

// ended tells whether nothing is written any more.
func ended(c *ws.Conn) bool {
	select {
	case <-c.Ended():
		return true
	default:
		return false
	}
}

// TestConn_shared_deadline: a client has half a minute to take a write, and a deadline is not set for each of many.
func TestConn_shared_deadline(t *testing.T) {
	var mu sync.Mutex
	var set []time.Duration
	layer := func(c net.Conn) net.Conn {
		return &timed{suspicious{Conn: c}, func(until time.Time) {
			mu.Lock()
			defer mu.Unlock()
			set = append(set, time.Until(until))
		}}
	}
	conns, clients := several(t, 1, writers(t), layer)
	mu.Lock()
	set = nil // of the handshake
	mu.Unlock()
	began := time.Now()
	for range 100 {
		conns[0].SendShared(true, []byte("x"), &durable.Shared{})
		require.Equal(t, "x", read(t, clients[0]))
	}
	most := 1 + int(time.Since(began)/(1500*time.Millisecond)) // one in two seconds or so
	mu.Lock()
	defer mu.Unlock()
	require.NotEmpty(t, set)
	require.LessOrEqual(t, len(set), most)
	for _, until := range set {
		require.LessOrEqual(t, until, 30*time.Second)
		require.Greater(t, until, 20*time.Second, "a slow machine may have taken some of it")
	}
}

// timed tells of the deadlines of writes.
type timed struct {
	suspicious
	set func(time.Time)
}

func (c *timed) SetWriteDeadline(t time.Time) error {
	c.set(t)
	return c.suspicious.SetWriteDeadline(t)
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
