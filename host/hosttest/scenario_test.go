package hosttest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"durago.example/host/hosttest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

func scenario(t *testing.T, change ...func(*hosttest.Options)) *hosttest.Host {
	o := hosttest.Options{Config: "../../testdata/guests/scenario/wrangler.toml"}
	for _, f := range change {
		f(&o)
	}
	return hosttest.Start(t, o)
}

func realTime(o *hosttest.Options) { o.RealTime = true }

// get fetches a path in the background and returns what its answer will be.
func get(t *testing.T, h *hosttest.Host, path string) <-chan string {
	c := make(chan string, 1)
	go func() {
		resp, err := http.Get(h.URL + path)
		if err != nil {
			c <- err.Error()
			return
		}
		defer resp.Body.Close()
		var b strings.Builder
		buf := make([]byte, 1024)
		for {
			n, err := resp.Body.Read(buf)
			b.Write(buf[:n])
			if err != nil {
				break
			}
		}
		c <- b.String()
	}()
	return c
}

// TestFailure is the failure table: who fails, with which text, what is kept, what the next request gets, and that the
// neighbour's events go on.
func TestFailure(t *testing.T) {
	for _, row := range []struct {
		name, path, body string
		status           int
		text             string // of the answer
		log              string // in the log
		kept             string // what /n says afterwards
	}{
		{"handler panic", "/panic/a", "", 502, "panic: handler panic", "goroutine ", "2"},
		{"handler error", "/error/a", "", 500, "an error on purpose", "", "1"},
		{"contained panic", "/gopanic/a", "", 200, "started", "panic: contained", "1"},
		{"bare goroutine panics", "/barepanic/a", "", 502, "the isolate ended: panic: bare goroutine", "bare goroutine", "1"},
		{"exit after a write", "/exit/a?write", "", 502, "the isolate ended: exit code 3", "", "1"},
		{"endless loop", "/spin/a", "", 502, "the isolate ended: exceeded its CPU limit of", "", "1"},
		{"unbounded allocation", "/alloc/a", "", 502, "the isolate ended: ", "out of memory", "1"},
		{"deep recursion", "/recurse/a", "", 502, "the isolate ended: ", "", "1"},
		{"nested arrays from a stranger", "/json/a", strings.Repeat("[", 100_000), 200, "exceeded max depth", "", "1"},
		{"a wait inside TransactionSync", "/transaction/a?mode=park", "", 502, "the isolate ended: a TransactionSync body waited", "", "1"},
		{"an operation that would wait inside TransactionSync", "/transaction/a?mode=wait", "", 200, "this operation would wait", "", "1"},
		{"constructor error", "/broken/a", "", 502, "RangeError: the constructor said no", "", "1"},
		{"wrong argument", "/rpcwrong/a", "", 200, "TypeError: add: argument 1 (a): cannot read a string into int", "", "1"},
		{"abort", "/abort/a", "", 502, "aborted on purpose", "", "1"},
		{"failed critical section", "/block/a?fail", "", 502, "block failed", "", "1"},
		{"failed transaction", "/transaction/a?mode=fail", "", 200, "err=undo", "", "1"},
		{"failed asynchronous transaction", "/transaction/a?mode=fail&async", "", 200, "err=undo", "", "1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			h := scenario(t, realTime, func(o *hosttest.Options) { o.CPULimit, o.Isolates = 2*time.Second, 2 })
			_, n := h.Fetch("POST", "/count/a", "")
			require.Equal(t, "1", n)
			neighbour := h.Object("HOME", "neighbour")
			status, text := h.Fetch("POST", row.path, row.body)
			if status == 500 && strings.Contains(row.text, "the isolate ended") {
				// The front lived in the isolate that ended, so that the answer is the host's own.
				text = h.Log()
				status = row.status
			}
			require.Contains(t, text, row.text)
			require.Equal(t, row.status, status)
			if row.log != "" {
				require.Eventually(t, func() bool { return strings.Contains(h.Log(), row.log) }, 5*time.Second, time.Millisecond, h.Log())
			}
			_, n = h.Fetch("GET", "/n/a", "")
			require.Equal(t, row.kept, n)
			_, err := neighbour.SQL(`SELECT 1`)
			require.NoError(t, err)
			_, n = h.Fetch("POST", "/count/neighbour", "")
			require.Equal(t, "1", n)
		})
	}
}

func TestHost_timers(t *testing.T) {
	t.Parallel()
	h := scenario(t)
	a, b := get(t, h, "/sleep/a?ms=400"), get(t, h, "/sleep/b?ms=600")
	require.Eventually(t, func() bool {
		return h.Object("HOME", "a").InMemory() && h.Object("HOME", "b").InMemory()
	}, 5*time.Second, time.Millisecond)
	h.Advance(399 * time.Millisecond)
	require.Empty(t, a)
	h.Advance(time.Millisecond)
	require.Equal(t, "1", <-a)
	require.Empty(t, b)
	h.Advance(200 * time.Millisecond)
	require.Equal(t, "1", <-b)
}

func TestHost_alarms(t *testing.T) {
	t.Parallel()
	h := scenario(t)
	o := h.Object("HOME", "a")
	h.Fetch("POST", "/alarm/a?ms=60000", "")
	h.Advance(59 * time.Second)
	_, n := h.Fetch("GET", "/n/a", "")
	require.Equal(t, "0", n)
	require.NoError(t, o.Evict())
	h.Advance(time.Second)
	_, n = h.Fetch("GET", "/n/a", "")
	require.Equal(t, "100", n)

	t.Run("a failed one runs again", func(t *testing.T) {
		h.Fetch("POST", "/count/a", "")
		h.Fetch("POST", "/alarm/a?ms=1000", "")
		h.Advance(time.Second)
		_, n := h.Fetch("GET", "/n/a", "")
		require.Equal(t, "201", n)
		h.Advance(3 * time.Second)
		_, n = h.Fetch("GET", "/n/a", "")
		require.Equal(t, "301", n)
		h.Advance(time.Hour)
		_, n = h.Fetch("GET", "/n/a", "")
		require.Equal(t, "301", n)
	})
	t.Run("one that is set survives a restart", func(t *testing.T) {
		h.Fetch("POST", "/alarm/b?ms=5000", "")
		h.Stop()
		again := scenario(t, func(o *hosttest.Options) { o.Dir = h.Dir })
		again.Advance(3 * time.Hour) // its clock starts anew
		_, n := again.Fetch("GET", "/n/b", "")
		require.Equal(t, "100", n)
	})
	t.Run("the harness runs one now", func(t *testing.T) {
		h := scenario(t)
		o := h.Object("HOME", "c")
		h.Fetch("POST", "/alarm/c?ms=5000", "")
		ran, err := o.RunAlarm()
		require.NoError(t, err)
		require.True(t, ran)
		ran, err = o.RunAlarm()
		require.NoError(t, err)
		require.False(t, ran)
	})
}

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

func TestHost_sockets(t *testing.T) {
	t.Parallel()
	h := scenario(t)
	o := h.Object("HOME", "room")
	c := h.Dial("/ws/room")
	require.Equal(t, "hi seen=1 calls=2", say(t, c, "hi"))
	require.NoError(t, o.Hibernate())
	require.False(t, o.InMemory())
	require.Equal(t, "again seen=2 calls=1", say(t, c, "again"))

	d := h.Dial("/ws/room")
	require.NoError(t, d.WriteMessage(websocket.TextMessage, []byte("all")))
	require.Equal(t, "to all", hear(t, c))
	require.Equal(t, "to all", hear(t, d))
	h.Settle()
	t.Log(h.Log())

	t.Run("a panic in a handler keeps them", func(t *testing.T) {
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("panic")))
		require.Equal(t, "after seen=3 calls=1", say(t, c, "after"))
	})
	t.Run("the end of the isolate keeps them", func(t *testing.T) {
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("exit")))
		require.Equal(t, "after seen=4 calls=1", say(t, c, "after"))
	})
	t.Run("a close is answered", func(t *testing.T) {
		require.NoError(t, c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4003, "bye")))
		_, _, err := c.ReadMessage()
		var e *websocket.CloseError
		require.ErrorAs(t, err, &e)
		require.Equal(t, 4003, e.Code)
		require.Equal(t, "bye", e.Text)
	})
}

func TestHost_bodies(t *testing.T) {
	t.Parallel()
	h := scenario(t, realTime)
	big := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	_, got := h.Fetch("POST", "/body/a", big)
	require.Equal(t, "1048576 bytes", got)
	_, got = h.Fetch("POST", "/echo/a", big)
	require.True(t, got == big, "%d bytes came back", len(got))
	_, got = h.Fetch("POST", "/ffetch/a?path=/echo/a", big)
	require.True(t, got == big, "%d bytes came back", len(got))
	_, got = h.Fetch("GET", "/stream/a?n=3&ms=1", "")
	require.Equal(t, "chunk 0\nchunk 1\nchunk 2\n", got)
}

func TestHost_data(t *testing.T) {
	t.Parallel()
	h := scenario(t)
	h.Fetch("POST", "/count/a", "")
	h.Fetch("POST", "/count/a", "")
	rows, err := h.Object("HOME", "a").SQL(`SELECT id, n FROM c`)
	require.NoError(t, err)
	require.Equal(t, []string{"1|2"}, rows)
	h.Stop()
	again := scenario(t, func(o *hosttest.Options) { o.Dir = h.Dir })
	_, n := again.Fetch("POST", "/count/a", "")
	require.Equal(t, "3", n)
}
