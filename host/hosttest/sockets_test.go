package hosttest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	scenarioguest "durago.example/testdata/guests/scenario/scenario"
)

// say sends a message and returns its answer, which comes after those to messages sent before.
func say(t *testing.T, c *websocket.Conn, message string, before ...string) string {
	t.Helper()
	require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte(message)))
	for _, m := range before {
		require.Contains(t, hear(t, c), m)
	}
	return hear(t, c)
}

func hear(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(5*time.Second)))
	_, b, err := c.ReadMessage()
	require.NoError(t, err)
	return string(b)
}

// hearClose reads to the close frame.
func hearClose(t *testing.T, c *websocket.Conn) *websocket.CloseError {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(5*time.Second)))
	_, _, err := c.ReadMessage()
	var e *websocket.CloseError
	require.ErrorAs(t, err, &e)
	return e
}

func TestSockets(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, h *hosttest.Host) {
		o := h.Object("HOME", "room")
		c := h.Dial("/ws/room")
		require.Equal(t, "hi seen=1 calls=2", say(t, c, "hi"))
		require.NoError(t, o.Hibernate())
		require.Equal(t, "again seen=2 calls=1", say(t, c, "again"), "the attachment outlives hibernation, memory does not")

		d := h.Dial("/ws/room")
		require.NoError(t, d.WriteMessage(websocket.TextMessage, []byte("all")))
		require.Equal(t, "to all", hear(t, c))
		require.Equal(t, "to all", hear(t, d))

		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("panic")))
		h.Record("after a panic: %s", say(t, c, "after"))

		require.NoError(t, d.WriteMessage(websocket.BinaryMessage, []byte{0, 255}))
		kind, b, err := d.ReadMessage()
		require.NoError(t, err)
		h.Record("binary: %d %q", kind, b)

		require.NoError(t, c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4003, "bye")))
		e := hearClose(t, c)
		h.Record("close: %d %s", e.Code, e.Text)
		require.NoError(t, d.WriteMessage(websocket.CloseMessage, nil))
		h.Record("close without a code: %d", hearClose(t, d).Code)
	})
}

// TestSockets_idle holds that an object with a socket and nothing pending leaves memory by itself after ten seconds,
// though it slept, had goroutines and was woken by others before.
func TestSockets_idle(t *testing.T) {
	t.Parallel()
	options := natively(hosttest.Options{Config: "../../testdata/guests/scenario/wrangler.toml", RealTime: true, Isolates: 1, IdleAfter: 10 * time.Second}, scenarioguest.Program())
	if hosttest.WorkerdPath() == "" {
		options.RealTime = false
	}
	hosttest.Each(t, options, func(t *testing.T, h *hosttest.Host) {
		c := h.Dial("/ws/idle")
		require.Equal(t, "hi seen=1 calls=2", say(t, c, "hi"))
		h.Unrecorded(func() {
			for _, path := range []string{"/sleep/idle?ms=40", "/later/idle?ms=60"} {
				for answer := get(t, h, path); len(answer) == 0; {
					h.Wait(10 * time.Millisecond)
				}
			}
			h.Wait(100 * time.Millisecond)
		})
		h.Wait(11 * time.Second)
		require.Equal(t, "again seen=2 calls=1", say(t, c, "again"))
	})
}

// TestSockets_death holds that the end of the isolate leaves the sockets of an object that had nothing uncommitted.
func TestSockets_death(t *testing.T) {
	t.Parallel()
	h := scenario(t)
	c := h.Dial("/ws/room")
	require.Equal(t, "hi seen=1 calls=2", say(t, c, "hi"))
	for n := 2; n < 20; n += 3 { // the messages after it arrive before it is over
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("exit")))
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("one")))
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("two")))
		require.Equal(t, fmt.Sprintf("after seen=%d calls=3", n+2), say(t, c, "after", "one", "two"))
	}
}

// TestSockets_burst: messages that arrive together begin in their order, each after the gate is open for it.
func TestSockets_burst(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, h *hosttest.Host) {
		c := h.Dial("/ws/burst")
		var list []string
		for i := range 200 {
			list = append(list, fmt.Sprintf("m%d", i))
		}
		list[20], list[90], list[91] = "block", "block", "block"
		for _, m := range list {
			require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte(m)))
		}
		for i, m := range list {
			require.Equal(t, fmt.Sprintf("%s seen=%d calls=%d", m, i+1, i+2), hear(t, c))
		}
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("sleep 50")))
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("overtakes")))
		h.Record("%s, %s", hear(t, c), hear(t, c))
	})
}

// TestSockets_held: what clients send while a section is open waits, whoever else is refused for overload, and is handled in
// the order of each client.
func TestSockets_held(t *testing.T) {
	t.Parallel()
	const clients, each = 170, 70 // 64 of each wait for the object, which is more than 10,000; the others have not been read
	h := scenario(t)
	list := make([]*websocket.Conn, clients)
	for i := range list {
		list[i] = h.Dial("/ws/held")
	}
	blocked := get(t, h, "/block/held?ms=20000")
	o := h.Object("HOME", "held")
	require.Eventually(t, func() bool { n, _ := o.SQL(`SELECT n FROM c`); return len(n) == 1 }, 5*time.Second, time.Millisecond, "the section is open")
	for i := range each {
		for _, c := range list {
			require.NoError(t, c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "m%d", i)))
		}
	}
	require.Eventually(t, func() bool { return o.Waiting() == 64*clients }, 10*time.Second, time.Millisecond)
	_, text := h.Fetch("GET", "/n/held", "")
	require.Contains(t, text, "Too many requests queued")
	h.Advance(20 * time.Second)
	<-blocked
	for _, c := range list {
		for i := range each {
			require.Contains(t, hear(t, c), fmt.Sprintf("m%d seen=%d ", i, i+1))
		}
	}
}

// TestSockets_close is who closes how, and what either side sees of it.
func TestSockets_close(t *testing.T) {
	t.Parallel()
	frame := websocket.FormatCloseMessage
	both(t, func(t *testing.T, h *hosttest.Host) {
		ended := func(c *websocket.Conn) string { // how the client's connection ends
			require.NoError(t, c.SetReadDeadline(time.Now().Add(5*time.Second)))
			for texts := ""; ; {
				_, b, err := c.ReadMessage()
				var e *websocket.CloseError
				if errors.As(err, &e) {
					return fmt.Sprintf("%s%d %q", texts, e.Code, e.Text)
				}
				require.NoError(t, err)
				texts += string(b) + ", "
			}
		}
		for _, row := range []struct {
			name string
			do   func(c *websocket.Conn) error
		}{
			{"client: 4003", func(c *websocket.Conn) error {
				return c.WriteMessage(websocket.CloseMessage, frame(4003, "bye"))
			}},
			{"client: after messages", func(c *websocket.Conn) error {
				return errors.Join(c.WriteMessage(websocket.TextMessage, []byte("one")), c.WriteMessage(websocket.TextMessage, []byte("two")),
					c.WriteMessage(websocket.CloseMessage, frame(1000, "")))
			}},
			{"client: no code", func(c *websocket.Conn) error { return c.WriteMessage(websocket.CloseMessage, nil) }},
			{"client: the object has a last word", func(c *websocket.Conn) error {
				return c.WriteMessage(websocket.CloseMessage, frame(4004, ""))
			}},
			{"client: vanishes", func(c *websocket.Conn) error { return c.NetConn().Close() }},
			{"object: 4001", func(c *websocket.Conn) error { return c.WriteMessage(websocket.TextMessage, []byte("close srv")) }},
			{"object: no code", func(c *websocket.Conn) error { return c.WriteMessage(websocket.TextMessage, []byte("close")) }},
		} {
			c := h.Dial("/ws/closing")
			require.NoError(t, row.do(c))
			client := "gone"
			if row.name != "client: vanishes" {
				client = ended(c)
			}
			seen := ""
			h.Unrecorded(func() {
				require.Eventually(t, func() bool {
					_, more := h.Fetch("GET", "/closes/closing", "")
					if seen != "" && more != "" {
						seen += "; "
					}
					seen += more
					return strings.Contains(seen, "clean=")
				}, 5*time.Second, time.Millisecond, row.name)
			})
			h.Record("%s: the client sees %s, the object %s", row.name, client, seen)
		}
	})
}

// TestSockets_closeAsleep: closes while the object is out of memory, and when it is reset.
func TestSockets_closeAsleep(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, h *hosttest.Host) {
		o := h.Object("HOME", "asleep")
		closes := func() (seen string) {
			h.Unrecorded(func() {
				require.Eventually(t, func() bool {
					_, seen = h.Fetch("GET", "/closes/asleep", "")
					return strings.Contains(seen, "clean=")
				}, 5*time.Second, time.Millisecond)
			})
			return seen
		}
		c := h.Dial("/ws/asleep")
		require.Equal(t, "hi seen=1 calls=2", say(t, c, "hi"))
		require.NoError(t, o.Hibernate())
		require.NoError(t, c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4005, "bye")))
		e := hearClose(t, c)
		h.Record("by the client: it sees %d %q, the object %s", e.Code, e.Text, closes())

		c = h.Dial("/ws/asleep")
		c.SetCloseHandler(func(int, string) error { return nil }) // it does not answer yet
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("close srv")))
		e = hearClose(t, c)
		require.NoError(t, o.Hibernate())
		require.NoError(t, c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(e.Code, "ok"), time.Now().Add(time.Second)))
		h.Record("by the object, which left memory before the answer: it sees %s", closes())

		c = h.Dial("/ws/asleep")
		require.Contains(t, say(t, c, "hi"), "hi seen=1 ")
		h.Unrecorded(func() { h.Fetch("POST", "/abort/asleep", "") })
		_, _, err := c.ReadMessage()
		var left *websocket.CloseError
		require.ErrorAs(t, err, &left)
		_, seen := h.Fetch("GET", "/closes/asleep", "")
		h.Record("a reset: the client sees %d, the object %q", left.Code, seen)
	})
}

// TestSockets_silent: a client whose close the object does not answer is not left waiting.
func TestSockets_silent(t *testing.T) {
	t.Parallel()
	h := scenario(t)
	c := h.Dial("/ws/silent")
	require.Contains(t, say(t, c, "silent"), "silent seen=1 ")
	require.NoError(t, c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4003, "bye")))
	require.Equal(t, 1006, hearClose(t, c).Code)
	_, seen := h.Fetch("GET", "/closes/silent", "")
	require.Equal(t, `4003 "bye" clean=true state=2 of 1`, seen)
}
