package hosttest_test

import (
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

func say(t *testing.T, c *websocket.Conn, message string) string {
	t.Helper()
	require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte(message)))
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
	options := hosttest.Options{Config: "../../testdata/guests/scenario/wrangler.toml", RealTime: true, Isolates: 1, IdleAfter: 10 * time.Second}
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
	require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("exit")))
	require.Equal(t, "after seen=2 calls=1", say(t, c, "after"))
}
