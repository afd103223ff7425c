package hosttest_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/build/wrangler"
	"durago.example/host/hosttest"
)

// conns are the options of the guest of ordinary sockets, whose notes are its instance's.
func conns() hosttest.Options {
	return hosttest.Options{Config: "../../testdata/guests/sockets/wrangler.toml", RealTime: true, RecycleAt: 1 << 40, SharedMemory: true}
}

// apart are conns for a scenario that reads no notes.
func apart() hosttest.Options {
	o := conns()
	o.SharedMemory = false
	return o
}

// ended is what a client gets until its connection ends, and how it ends.
func ended(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	for texts := ""; ; {
		_, b, err := c.ReadMessage()
		var e *websocket.CloseError
		if errors.As(err, &e) && e.Code != websocket.CloseAbnormalClosure {
			return fmt.Sprintf("%s%d %q", texts, e.Code, e.Text)
		}
		if err != nil { // without a close frame
			return texts + "1006"
		}
		texts += string(b) + ", "
	}
}

// noted is what the guest has noted under a name, once that has an end.
func noted(t *testing.T, h *hosttest.Host, name string) string {
	t.Helper()
	var text string
	h.Unrecorded(func() {
		require.Eventually(t, func() bool {
			_, more := h.Fetch("GET", "/log/"+name, "")
			text = strings.TrimPrefix(strings.TrimSuffix(text+"; "+more, "; "), "; ")
			return strings.Contains(text, "clean=")
		}, 5*time.Second, 5*time.Millisecond, "%s: %s", name, h.Log())
	})
	return text
}

// TestConns_closing is who closes an ordinary socket how, of an object and of the front, and what either side sees of it.
func TestConns_closing(t *testing.T) {
	t.Parallel()
	frame := websocket.FormatCloseMessage
	hosttest.Each(t, conns(), func(t *testing.T, h *hosttest.Host) {
		for _, at := range []string{"accept", "front"} {
			for i, row := range []struct {
				name  string
				texts []string
				do    func(c *websocket.Conn) error
			}{
				{"client: 4003", []string{"hi"}, func(c *websocket.Conn) error { return c.WriteMessage(websocket.CloseMessage, frame(4003, "cc")) }},
				{"client: no code", nil, func(c *websocket.Conn) error { return c.WriteMessage(websocket.CloseMessage, nil) }},
				{"client: vanishes", []string{"count"}, func(c *websocket.Conn) error { hear(t, c); return c.NetConn().Close() }},
				{"server: 4001", []string{"one", "close 4001 srv"}, nil},
				{"server: no code", []string{"close 0"}, nil},
				{"server: codes", []string{"close 999", "close 1005", "close 5000", "close 4999"}, nil},
				{"server: reasons", []string{"close 0 why", "close 1000 " + strings.Repeat("x", 124), "close 1000 " + strings.Repeat("x", 123)}, nil},
				{"server: panics", []string{"panic"}, nil},
				{"client: after messages", []string{"a", "count", "b"}, func(c *websocket.Conn) error { return c.WriteMessage(websocket.CloseMessage, frame(1000, "")) }},
				{"client: while nobody reads", []string{"pause 50", "unread"}, func(c *websocket.Conn) error { return c.WriteMessage(websocket.CloseMessage, frame(1000, "")) }},
			} {
				name := fmt.Sprintf("%s%d", at, i)
				c := h.Dial("/" + at + "/" + name + "?protocol=chat")
				for _, text := range row.texts {
					require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte(text)))
				}
				if row.do != nil {
					require.NoError(t, row.do(c))
				}
				saw := ended(t, c)
				if row.name == "server: panics" {
					h.Record("%s %s: client %s", at, row.name, saw)
					continue
				}
				h.Record("%s %s: client %s; server %s", at, row.name, saw, noted(t, h, name))
			}
		}
	})
}

// TestConns: what goes over an ordinary socket, and that the answer to it leaves at once.
func TestConns(t *testing.T) {
	t.Parallel()
	hosttest.Each(t, apart(), func(t *testing.T, h *hosttest.Host) {
		for _, at := range []string{"accept", "front"} {
			d := websocket.Dialer{Subprotocols: []string{"chat"}}
			c, resp, err := d.Dial("ws"+strings.TrimPrefix(h.URL, "http")+"/"+at+"/talk?protocol=chat", nil)
			require.NoError(t, err)
			t.Cleanup(func() { _ = c.Close() })
			h.Record("%s: %d own=%s protocol=%s", at, resp.StatusCode, resp.Header.Get("X-Own"), c.Subprotocol())
			require.Equal(t, "echo hi", say(t, c, "hi"))
			require.NoError(t, c.WriteMessage(websocket.BinaryMessage, []byte{0, 255}))
			kind, b, err := c.ReadMessage()
			require.NoError(t, err)
			h.Record("binary: %d %q", kind, b)
			h.Record("%s", say(t, c, "wait"))
			require.Equal(t, "3", say(t, c, "count"), "what a Receive that was given up would have got is not lost")
			require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("burst 200")))
			for i := range 200 {
				require.Equal(t, fmt.Sprint(i), hear(t, c))
			}
			for i := range 200 {
				require.NoError(t, c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "m%d", i)))
			}
			for i := range 200 {
				require.Equal(t, fmt.Sprintf("echo m%d", i), hear(t, c))
			}
			require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("bytes 3000000")))
			_, b, err = c.ReadMessage()
			require.NoError(t, err)
			require.Len(t, b, 3_000_000)
			_, text := h.Fetch("GET", "/accept/plain", "")
			require.Contains(t, text, "which did not contain the header")
		}
	})
}

// steps is a query of what a guest that dials does.
func steps(query string, do ...string) string {
	return query + "&" + url.Values{"do": do}.Encode()
}

// TestConns_pairs: sockets between programs: front and object, object and object, whose accepting side is of either kind.
func TestConns_pairs(t *testing.T) {
	t.Parallel()
	large := fmt.Sprint(33 << 20)
	hosttest.Each(t, conns(), func(t *testing.T, h *hosttest.Host) {
		n := 0
		for _, from := range []string{"frontpair", "pair"} {
			for _, via := range []string{"accept", "hibernate", "desk"} {
				for _, do := range [][]string{
					{"send hi", "receive", "send two", "send three", "receive", "receive", "close 4000 bye", "send late", "state", "receive", "receive", "state", "send late"},
					{"sendbytes " + large, "receive", "close 1000", "receive"},
					{"close 0", "receive"},
					{"close 1005", "close 0 why", "close 1000", "close 999", "receive"},
				} {
					n++
					name := fmt.Sprintf("p%d", n)
					h.Record("%s", name)
					h.Fetch("GET", "/"+from+"/"+name+"?"+steps("via="+via+"&protocol=chat&to="+name+"b", do...), "")
					h.Record("other side: %s", noted(t, h, name))
				}
			}
			n++
			name := fmt.Sprintf("p%d", n)
			h.Fetch("GET", "/"+from+"/"+name+"?"+steps("via=accept&to="+name+"b", "send close 4001 srv", "receive", "state", "send late"), "")
			h.Record("closed by an ordinary one: %s", noted(t, h, name))
			h.Fetch("GET", "/"+from+"/"+name+"?"+steps("via=hibernate&to="+name+"b", "send close", "receive", "state", "send late"), "")
			h.Record("closed by a hibernatable one: %s", noted(t, h, name))
			h.Fetch("GET", "/"+from+"/"+name+"?"+steps("via=refuse&to="+name+"b"), "")
			h.Fetch("GET", "/"+from+"/"+name+"?"+steps("via=abort&to="+name+"b"), "")
		}
		h.Fetch("GET", "/fetched/lonely", "")
		h.Record("taken by nobody: %s", noted(t, h, "lonely"))
	})
}

// TestConns_dial: sockets to the network, from the front and from an object.
func TestConns_dial(t *testing.T) {
	t.Parallel()
	over := make(chan int, 100)
	mux := http.NewServeMux()
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		u := websocket.Upgrader{Subprotocols: []string{"chat"}, EnableCompression: true}
		c, err := u.Upgrade(w, r, http.Header{"X-Own": {"server"}})
		if err != nil {
			return
		}
		defer c.Close()
		for {
			kind, b, err := c.ReadMessage()
			if err != nil {
				var e *websocket.CloseError
				if !errors.As(err, &e) {
					e = &websocket.CloseError{Code: websocket.CloseAbnormalClosure}
				}
				over <- e.Code
				return
			}
			switch string(b) {
			case "close":
				_ = c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4005, "server"))
			case "vanish":
				return
			case "headers":
				b = fmt.Appendf(nil, "%v %v %v", r.Header["Origin"], r.Header["Sec-Websocket-Extensions"], r.Header["Sec-Websocket-Protocol"])
				fallthrough
			default:
				_ = c.WriteMessage(kind, b)
			}
		}
	})
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ws", http.StatusFound) })
	mux.HandleFunc("/no", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "not today", http.StatusForbidden) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	hosttest.Each(t, apart(), func(t *testing.T, h *hosttest.Host) {
		for _, from := range []string{"frontdial", "dial"} {
			for _, row := range []struct {
				path string
				do   []string
			}{
				{"/ws", []string{"send hi", "receive", "sendbytes 1000", "receive", "send headers", "receive", "close 4000 bye", "receive", "state"}},
				{"/ws", []string{"send close", "receive", "send late", "state"}},
				{"/ws", []string{"send vanish", "receive", "send late", "state"}},
				{"/away", nil},
				{"/no", nil},
			} {
				var text string
				h.Unrecorded(func() { // the URL has a port that is never the same
					q := url.Values{"url": {server.URL + row.path}, "protocol": {"chat"}}.Encode()
					_, text = h.Fetch("GET", "/"+from+"/d?"+steps("x=", row.do...)+"&"+q, "")
				})
				h.Record("%s %s: %s", from, row.path, text)
			}
			for len(over) > 0 {
				<-over
			}
			if from == "frontdial" {
				h.Diverges("A dialled socket that a request leaves open", func() { h.Fetch("GET", "/frontdial/d?url="+server.URL+"/ws", "") })
				select {
				case code := <-over:
					require.Equal(t, map[bool]int{false: 1006, true: 1001}[h.Workerd()], code)
				case <-time.After(5 * time.Second):
					t.Fatal("it stays open")
				}
			}
		}
	})
}

// silent is a server of sockets that says nothing, and closes when it is told to.
func silent(t *testing.T) (url string, end func()) {
	t.Helper()
	ending := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		<-ending
		_ = c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1001, "over"))
		_ = c.Close()
	}))
	t.Cleanup(s.Close)
	return s.URL, sync.OnceFunc(func() { close(ending) })
}

// TestConns_memory: an object stays in memory while it has an ordinary socket, of Accept or of Dial, though its handler has
// returned; one whose sockets are hibernatable does not.
func TestConns_memory(t *testing.T) {
	t.Parallel()
	options := conns()
	options.Isolates, options.IdleAfter = 1, 10*time.Second
	options.RealTime = hosttest.WorkerdPath() != ""
	hosttest.Each(t, options, func(t *testing.T, h *hosttest.Host) {
		server, end := silent(t)
		defer end()
		names := []string{"none", "hibernatable", "accepted", "left", "dialled", "pair", "pairs"}
		born := func() (list []string) {
			h.Unrecorded(func() {
				for _, name := range names {
					_, n := h.Fetch("GET", "/born/"+name, "")
					list = append(list, n)
				}
			})
			return list
		}
		open := []*websocket.Conn{h.Dial("/hibernate/hibernatable"), h.Dial("/accept/accepted"), h.Dial("/accept/left")}
		require.NoError(t, open[2].WriteMessage(websocket.TextMessage, []byte("leave")))
		h.Unrecorded(func() {
			h.Fetch("GET", "/keep/dialled?url="+server, "")
			h.Fetch("GET", "/keep/pair?via=accept&to=pairs", "")
		})
		first := born()
		stayed := func() {
			for i, n := range born() {
				h.Record("%s stayed: %v", names[i], n == first[i])
				first[i] = n
			}
		}
		h.Wait(12 * time.Second)
		stayed()
		for _, c := range open {
			require.NoError(t, c.Close())
		}
		end()
		h.Fetch("GET", "/accept/none", "")
		h.Wait(12 * time.Second)
		h.Record("after the sockets")
		stayed()
	})
}

// TestConns_end: a socket ends with whoever has it, and the other side sees that it vanished.
func TestConns_end(t *testing.T) {
	t.Parallel()
	options := conns()
	options.Isolates = 2
	hosttest.Each(t, options, func(t *testing.T, h *hosttest.Host) {
		for _, via := range []string{"accept", "hibernate"} {
			name := "end" + via
			c := h.Dial("/" + via + "/" + name)
			require.NoError(t, c.WriteMessage(websocket.BinaryMessage, []byte("hi")))
			require.Equal(t, "hi", hear(t, c))
			h.Unrecorded(func() { h.Fetch("GET", "/keep/of"+name+"?via="+via+"&to="+name, "") })
			h.Fetch("GET", "/abort/"+name, "")
			h.Record("%s, aborted: client %s; object %s", via, ended(t, c), noted(t, h, "of"+name))
		}
		c := h.Dial("/accept/gone")
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("leave")))
		require.NoError(t, c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4000, "bye")))
		h.Record("nobody reads any more: %s", ended(t, c))
		f := h.Dial("/front/gone")
		require.NoError(t, f.WriteMessage(websocket.TextMessage, []byte("leave")))
		require.NoError(t, f.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4000, "bye")))
		h.Record("nor of the front: %s", ended(t, f))
	})
}

// TestConns_deflate: a client that offers to deflate messages may, however large they get.
func TestConns_deflate(t *testing.T) {
	t.Parallel()
	hosttest.Each(t, conns(), func(t *testing.T, h *hosttest.Host) {
		d := websocket.Dialer{EnableCompression: true}
		for _, at := range []string{"accept", "front", "hibernate"} {
			c, resp, err := d.Dial("ws"+strings.TrimPrefix(h.URL, "http")+"/"+at+"/deflate"+at, nil)
			require.NoError(t, err)
			t.Cleanup(func() { _ = c.Close() })
			agreed, _, _ := strings.Cut(resp.Header.Get("Sec-WebSocket-Extensions"), ";")
			h.Record("%s: %s", at, agreed)
			text := strings.Repeat("deflate ", 10_000)
			for range 3 {
				require.Contains(t, say(t, c, text), text)
			}
			if at == "hibernate" {
				continue
			}
			zeroes := make([]byte, 33<<20)
			require.NoError(t, c.WriteMessage(websocket.BinaryMessage, zeroes))
			h.Record("%s: client %s; server %s", at, ended(t, c), noted(t, h, "deflate"+at))
		}
	})
}

// TestConns_large: a client's message may have 32 MiB, and not a byte more.
func TestConns_large(t *testing.T) {
	t.Parallel()
	hosttest.Each(t, conns(), func(t *testing.T, h *hosttest.Host) {
		for _, at := range []string{"accept", "front"} {
			c := h.Dial("/" + at + "/large" + at)
			require.NoError(t, c.WriteMessage(websocket.BinaryMessage, make([]byte, 32<<20)))
			require.Equal(t, "got 33554432", hear(t, c))
			_ = c.WriteMessage(websocket.BinaryMessage, make([]byte, 32<<20+1))
			saw, _, _ := strings.Cut(ended(t, c), ": 33554433") // only workerd counts
			server, _, _ := strings.Cut(noted(t, h, "large"+at), ": 33554433")
			h.Record("%s: client %.26s; server %.26s", at, saw, server)
		}
	})
}

// TestConns_node: ws, the client of Node.js, sees of both runtimes the same.
func TestConns_node(t *testing.T) {
	t.Parallel()
	node, module := os.Getenv("DURAGO_NODE"), filepath.Join(filepath.Dir(os.Getenv("DURAGO_WRANGLER")), "ws", "wrapper.mjs")
	if node == "" {
		t.Skip("DURAGO_NODE and DURAGO_WRANGLER are not set")
	}
	hosttest.Each(t, apart(), func(t *testing.T, h *hosttest.Host) {
		for _, at := range []string{"accept", "front", "hibernate"} {
			out, err := exec.CommandContext(t.Context(), node, "../../testdata/scripts/sockets.mjs", module, "ws"+strings.TrimPrefix(h.URL, "http")+"/"+at+"/node").CombinedOutput()
			require.NoError(t, err, "%s", out)
			h.Record("%s\n%s", at, out)
		}
	})
}

// TestConns_sections: a socket that was dialled within a critical section is read there.
func TestConns_sections(t *testing.T) {
	t.Parallel()
	hosttest.Each(t, apart(), func(t *testing.T, h *hosttest.Host) {
		h.Fetch("GET", "/section/in?"+steps("to=other", "send hi", "receive", "close 1000", "receive"), "")
		c := h.Dial("/accept/outside")
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("section")))
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("hello")))
		h.Diverges("What an ordinary socket brings during a critical section", func() {
			if h.Workerd() { // it would wait for 30 s, and be reset
				_ = c.SetReadDeadline(time.Now().Add(time.Second))
				_, b, err := c.ReadMessage()
				require.Error(t, err, "%s", b)
				return
			}
			require.Equal(t, "inside: hello", hear(t, c))
		})
	})
}

// TestConns_stop: with the host all sockets end.
func TestConns_stop(t *testing.T) {
	t.Parallel()
	h := hosttest.Start(t, conns())
	server, end := silent(t)
	defer end()
	var open []*websocket.Conn
	for _, at := range []string{"accept", "front", "hibernate"} {
		c := h.Dial("/" + at + "/stop")
		require.NoError(t, c.WriteMessage(websocket.BinaryMessage, []byte("hi")))
		require.Equal(t, "hi", hear(t, c))
		open = append(open, c)
	}
	h.Fetch("GET", "/keep/dialled?url="+server, "")
	h.Fetch("GET", "/keep/pair?via=accept&to=other", "")
	h.Stop()
	for _, c := range open {
		require.Equal(t, "1006", ended(t, c))
	}
}

// TestConns_many: an object may have 32,768 ordinary sockets, as many as it may have hibernatable ones.
func TestConns_many(t *testing.T) {
	t.Parallel()
	h := hosttest.Start(t, conns())
	_, text := h.Fetch("GET", "/many/m?n=32768", "")
	require.Equal(t, "32768, then only 32768 websockets can be open on a single Durable Object instance", text)
	_, text = h.Fetch("GET", "/many/m?n=10", "")
	require.Empty(t, text, "they are closed")
}

// TestConns_update: sockets go on with the program that they began with, for as long as what else is under way.
func TestConns_update(t *testing.T) {
	t.Parallel()
	options := conns()
	options.RealTime, options.Isolates = false, 1
	h := hosttest.Start(t, options)
	c, err := wrangler.Load(options.Config)
	require.NoError(t, err)
	echoes := func(c *websocket.Conn) bool {
		require.NoError(t, c.WriteMessage(websocket.BinaryMessage, []byte("hi")))
		return hear(t, c) == "hi"
	}
	object, front, closed := h.Dial("/accept/a"), h.Dial("/front/a"), h.Dial("/front/b")
	all := []*websocket.Conn{object, front, closed}
	for _, c := range all {
		require.True(t, echoes(c))
	}
	require.NoError(t, h.Update(t.Context(), hosttest.Wasm(t, c, ""), 5*time.Minute))
	isolates := func() int {
		h.Settle()
		n := make(chan int, 1)
		require.NoError(t, h.Guests()[0].Do(func() { n <- h.Guests()[0].Isolates() }))
		return <-n
	}
	require.Equal(t, 2, isolates())
	for _, c := range all {
		require.True(t, echoes(c))
	}
	require.NoError(t, closed.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4000, "bye")))
	require.Equal(t, `4000 "bye"`, ended(t, closed))
	h.Advance(4 * time.Minute)
	require.True(t, echoes(object))
	require.True(t, echoes(front))
	require.Equal(t, 2, isolates())
	h.Advance(time.Minute)
	require.Equal(t, "1006", ended(t, object))
	require.Equal(t, "1006", ended(t, front))
	require.Equal(t, 1, isolates(), "nothing of the old program is left")

	front = h.Dial("/front/d")
	require.True(t, echoes(front))
	require.NoError(t, front.WriteMessage(websocket.TextMessage, []byte("leave"))) // its handler returns
	require.NoError(t, h.Update(t.Context(), hosttest.Wasm(t, c, ""), 5*time.Minute))
	require.Equal(t, 2, isolates())
	require.NoError(t, front.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4000, "bye")))
	require.Equal(t, `4000 "bye"`, ended(t, front))
	require.Eventually(t, func() bool { return isolates() == 1 }, 5*time.Second, time.Millisecond, "the last socket was all that was under way")
}

// TestConns_long: an ordinary socket has no limit of time, nor has the handler that accepted it.
func TestConns_long(t *testing.T) {
	t.Parallel()
	options := conns()
	options.RealTime, options.IdleAfter, options.Isolates = false, 10*time.Second, 1
	h := hosttest.Start(t, options)
	for _, at := range []string{"accept", "front"} {
		c := h.Dial("/" + at + "/long")
		require.Equal(t, "echo hi", say(t, c, "hi"))
		_, born := h.Fetch("GET", "/born/long", "")
		h.Advance(time.Hour)
		require.Equal(t, "echo again", say(t, c, "again"))
		if at == "accept" {
			_, n := h.Fetch("GET", "/born/long", "")
			require.Equal(t, born, n, "it has stayed in memory")
		}
	}
}
