package hosttest_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/host/storage/journal"
	"durago.example/host/storage/powerloss"
)

// slowDisk makes files durable only while it is let.
type slowDisk struct {
	journal.Machine
	mu      sync.Mutex
	let     chan struct{}
	waiting int
	failed  error
}

func (d *slowDisk) OpenFile(path string, create bool) (journal.File, error) {
	return powerloss.Synced(d, path, create)
}

func (d *slowDisk) SyncDir(string) error { return nil }

func (d *slowDisk) SyncFile(string) error {
	d.mu.Lock()
	let := d.let
	if let != nil {
		d.waiting++
	}
	d.mu.Unlock()
	if let != nil {
		<-let
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failed
}

// stop holds every sync from now on.
func (d *slowDisk) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.let, d.waiting = make(chan struct{}), 0
}

// held tells whether a write waits to be durable.
func (d *slowDisk) held() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.waiting > 0
}

// resume lets syncs go on, or fail.
func (d *slowDisk) resume(failed error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.let != nil {
		close(d.let)
		d.let, d.failed = nil, failed
	}
}

// leaving are the ways in which something leaves an object: each request writes, and then has it leave.
var leaving = []struct {
	name, path string
	socket     string // sent instead of the request
}{
	{"a response", "leave?by=response", ""},
	{"an exception", "leave?by=error", ""},
	{"the first part of a response", "leave?by=stream", ""},
	{"a request to the network", "leave?by=fetch", ""},
	{"a call of another object", "leave?by=stub", ""},
	{"a write to a KV namespace", "leave?by=kv", ""},
	{"a line of the log", "leave?by=log", ""},
	{"a line that is printed", "leave?by=print", ""},
	{"a message of a socket", "", "hello"},
	{"the close of a socket", "", "close"},
}

// world sees what leaves.
type world struct {
	h    *hosttest.Host
	disk *slowDisk
	net  *httptest.Server

	mu   sync.Mutex
	hits int
	conn *websocket.Conn
	said []string
}

func newWorld(t *testing.T) *world {
	w := &world{disk: &slowDisk{}}
	w.net = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.hits++
	}))
	t.Cleanup(w.net.Close)
	o := gates()
	o.Disk = w.disk
	w.h = hosttest.Start(t, o)
	t.Cleanup(func() { w.disk.resume(nil) })
	w.h.Fetch("POST", "/gate/a/note", "") // both are made
	w.h.Fetch("POST", "/gate/another/log", "")
	w.conn = w.h.Dial("/gate/a/ws")
	go func() {
		for {
			_, b, err := w.conn.ReadMessage()
			w.mu.Lock()
			if err != nil {
				w.said = append(w.said, err.Error())
				w.mu.Unlock()
				return
			}
			w.said = append(w.said, string(b))
			w.mu.Unlock()
		}
	}()
	return w
}

// seen tells what has left, but for answers.
func (w *world) seen(t *testing.T) string {
	t.Helper()
	var out []string
	w.mu.Lock()
	if w.hits > 0 {
		out = append(out, "network")
	}
	out = append(out, w.said...)
	w.mu.Unlock()
	if _, log := w.h.Object("GATE", "another").Fetch("GET", "/peek", ""); log != "" {
		out = append(out, log)
	}
	if _, v := w.h.Fetch("GET", "/kv/k/", ""); v != "" {
		out = append(out, "kv "+v)
	}
	for _, line := range strings.Split(w.h.Log(), "\n") {
		if strings.HasSuffix(line, "says so") {
			out = append(out, line)
		}
	}
	return strings.Join(out, ", ")
}

// TestOutput_leaving: nothing leaves an object before what it wrote is durable, in whatever way.
func TestOutput_leaving(t *testing.T) {
	t.Parallel()
	for _, row := range leaving {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.disk.stop()
			answer := make(chan string, 1)
			if row.socket != "" {
				require.NoError(t, w.conn.WriteMessage(websocket.TextMessage, []byte(row.socket)))
			} else {
				go func() {
					resp, err := http.Get(w.h.URL + "/gate/a/" + row.path + "&url=" + w.net.URL)
					if err != nil {
						answer <- err.Error()
						return
					}
					answer <- resp.Status // with the head of the response, if that came
					_ = resp.Body.Close()
				}()
			}
			require.Eventually(t, w.disk.held, 5*time.Second, time.Millisecond) // so what follows has been asked for
			require.NoError(t, w.conn.WriteMessage(websocket.TextMessage, []byte("ping")))
			require.Eventually(t, func() bool { return w.seen(t) == "pong" }, 5*time.Second, time.Millisecond, "an automatic response passes")
			require.Empty(t, answer)
			w.disk.resume(nil)
			if row.socket == "" {
				<-answer
			}
			by := row.path[strings.Index(row.path, "=")+1:]
			want := map[string]string{"fetch": "network, pong", "stub": "pong, touched", "kv": "pong, kv left", "log": "pong, the log says so", "print": "pong, print says so",
				"": "pong, hello"}[by]
			switch {
			case row.socket == "close":
				want = "pong, websocket: close 4000: closed"
			case want == "":
				want = "pong"
			}
			seen := ""
			require.Eventually(t, func() bool { seen = w.seen(t); return seen == want }, 5*time.Second, time.Millisecond, "want %s, have %s", want, seen)
		})
	}
	t.Run("after a write that need not be confirmed it does", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.disk.stop()
		_, text := w.h.Fetch("POST", "/gate/a/leave?by=response&loosely", "")
		require.Equal(t, "response", text)
		w.disk.resume(nil)
	})
	t.Run("what never becomes durable never leaves, but the log says so", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.disk.stop()
		answer := get(t, w.h, "/gate/a/leave?by=log")
		require.Eventually(t, w.disk.held, 5*time.Second, time.Millisecond)
		w.disk.resume(errors.New("input/output error"))
		require.Contains(t, <-answer, "input/output error")
		require.Contains(t, w.h.Log(), "undone: the log says so")
		require.ErrorContains(t, w.h.Fail(), "input/output error")
	})
	t.Run("an abort undoes what its turn wrote, and says so of its lines", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		_, text := w.h.Fetch("POST", "/gate/a/leave?by=abort", "")
		require.Contains(t, text, "aborted")
		require.Contains(t, w.h.Log(), "undone: the log says so")
	})
}

// TestSections_limit: a section that waits for what can only happen outside is ended after 30 seconds, with its object.
func TestSections_limit(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"outer", "block?ms=40000", "block?ms=40000&depth=3", "hold?ms=40000"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			o := gates()
			o.RealTime = false
			h := hosttest.Start(t, o)
			h.Fetch("POST", "/gate/a/note", "")
			answer := get(t, h, "/gate/a/"+path)
			require.Eventually(t, func() bool { h.Advance(time.Second); return len(answer) > 0 }, 10*time.Second, time.Millisecond)
			require.False(t, h.Now().Before(hosttest.Epoch.Add(30*time.Second))) // how much later depends on the answer's way here
			require.Contains(t, <-answer, "A call to blockConcurrencyWhile() in a Durable Object waited for too long. The call was canceled and the Durable Object was reset.")
			_, text := h.Fetch("GET", "/gate/a/all", "")
			require.Empty(t, text, "what it wrote is undone, and the next object is new")
		})
	}
}
