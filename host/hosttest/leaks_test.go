package hosttest_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/wasm/abi"
)

// held is what a worker has of sockets, and of what serves them.
type held struct {
	goroutines, files                int // of the process
	inGuest, contexts, conns, memory int // of all isolates
}

// holds looks when nothing goes on.
func holds(t *testing.T, h *hosttest.Host) (n held) {
	t.Helper()
	h.Settle()
	for _, g := range h.Guests() {
		c := make(chan held, 1)
		require.NoError(t, g.Do(func() {
			b := g.Present()
			c <- held{inGuest: int(b.Stat(abi.StatGoroutines)), contexts: int(b.Stat(abi.StatContexts)), conns: b.Conns(), memory: int(b.Stat(abi.StatHeap))}
		}))
		got := <-c
		n.inGuest, n.contexts, n.conns, n.memory = n.inGuest+got.inGuest, n.contexts+got.contexts, n.conns+got.conns, n.memory+got.memory
	}
	files, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	n.goroutines, n.files = runtime.NumGoroutine(), len(files)
	return n
}

// TestConns_leaks: of a thousand sockets of each kind, ended in each way, nothing is left.
func TestConns_leaks(t *testing.T) { // not parallel: it counts what the process has
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		for {
			kind, b, err := c.ReadMessage()
			if err != nil || c.WriteMessage(kind, b) != nil {
				return
			}
		}
	}))
	t.Cleanup(echo.Close)
	options := conns()
	options.RealTime, options.IdleAfter = false, 10*time.Second
	h := hosttest.Start(t, options)
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 10}}
	network := func(path string, how int) {
		c, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(h.URL, "http")+path, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		switch _ = c.WriteMessage(websocket.BinaryMessage, []byte("hi")); how % 4 {
		case 0: // a handshake that the client begins
			_, _, err = c.ReadMessage()
			err = errors.Join(err, c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4000, "bye")))
			_, _, _ = c.ReadMessage()
		case 1: // it vanishes
			_, _, err = c.ReadMessage()
		case 2: // the program begins
			text := "close 4001 srv"
			if strings.HasPrefix(path, "/hibernate") {
				text = "close"
			}
			_ = c.WriteMessage(websocket.TextMessage, []byte(text))
			for err == nil {
				_, _, err = c.ReadMessage()
			}
			err = nil
		case 3: // nobody reads what comes
			_ = c.WriteMessage(websocket.TextMessage, []byte("leave"))
			_ = c.WriteMessage(websocket.BinaryMessage, []byte("unread"))
		}
		if err != nil {
			t.Error(path, err)
		}
	}
	program := func(path string, how int) {
		do := [][]string{{"send hi", "receive", "close 1000", "receive"}, {"send hi", "receive"}, {"send hi"}, {"send hi", "close 4000 bye"}}[how%4]
		resp, err := client.Get(h.URL + path + "&" + url.Values{"do": do}.Encode())
		if err != nil {
			t.Error(err)
			return
		}
		if resp.StatusCode != http.StatusOK {
			t.Error(path, resp.Status)
		}
		_ = resp.Body.Close()
	}
	kinds := []struct {
		path string
		use  func(path string, how int)
	}{
		{"/accept/", network}, {"/front/", network}, {"/hibernate/", network},
		{"/frontpair/%s?via=accept", program}, {"/frontpair/%s?via=hibernate", program},
		{"/pair/%s?via=accept&to=other", program}, {"/pair/%s?via=hibernate&to=other", program},
		{"/frontdial/%s?url=" + echo.URL, program}, {"/dial/%s?url=" + echo.URL, program},
		{"/fetched/%s?", program},
	}
	use := func(n int) {
		for _, kind := range kinds {
			each(8, n, func(i int) {
				name := fmt.Sprintf("o%d", i%20)
				path := kind.path + name
				if strings.Contains(kind.path, "%s") {
					path = fmt.Sprintf(kind.path, name)
				}
				kind.use(path, i)
			})
		}
		for i := range 20 { // the sockets that an object has left open go with it
			h.Fetch("GET", fmt.Sprintf("/abort/o%d", i), "")
		}
		h.Advance(11 * time.Second)
		client.CloseIdleConnections()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	}
	use(40)
	before := holds(t, h)
	use(1000)
	var after held
	for range 100 { // the machine closes connections in its own time
		if after = holds(t, h); after.goroutines <= before.goroutines+10 && after.files <= before.files+10 && after.conns == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Logf("before %+v, after %+v", before, after)
	require.LessOrEqual(t, after.goroutines, before.goroutines+10)
	require.LessOrEqual(t, after.files, before.files+10)
	require.Zero(t, after.conns)
	require.LessOrEqual(t, after.contexts, before.contexts+2)
	require.LessOrEqual(t, after.inGuest, before.inGuest+2*64, "as many as may be idle")
	require.LessOrEqual(t, after.memory, before.memory+8<<20)
}

// TestConns_closed: a host that is closed leaves no socket behind, also none that waits for a client which has broken the protocol
// to end, or could not tell it so.
func TestConns_closed(t *testing.T) { // not parallel: it looks at the goroutines of the process
	h := scenario(t)
	c := raw(t, h)
	_, err := io.WriteString(c, "GET /ws/a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	require.NoError(t, err)
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	_, err = io.WriteString(c, "\x81\x02hi") // not masked
	require.NoError(t, err)
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "\x88", string(b[:1]), "a close frame, and nothing more is written")
	require.Eventually(t, func() bool { return strings.Contains(stacks(), "ws.(*Conn).linger") }, 4*time.Second, time.Millisecond)
	h.Stop()
	require.NotContains(t, stacks(), "host/ws.")
	require.NoError(t, c.Close())
}

// stacks are those of all goroutines.
func stacks() string {
	b := make([]byte, 4<<20)
	return string(b[:runtime.Stack(b, true)])
}
