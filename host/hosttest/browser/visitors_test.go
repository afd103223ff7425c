package browser_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// pause is how often a visitor says something.
const pause = 30 * time.Millisecond

// visitors are clients of three kinds in one room: each says something every pause, and opens a socket again that has closed.
type visitors struct {
	t      *testing.T
	names  []string
	stops  []func() map[string][]connection
	tabs   []*page
	stdout strings.Builder
}

// enter lets n visitors of each kind in. url begins with http; the visitor's name is put behind it.
func enter(t *testing.T, b *browser, n int, origin, path string) *visitors {
	t.Helper()
	v := &visitors{t: t}
	url := "ws" + strings.TrimPrefix(origin, "http") + path
	v.pages(b, n, origin, url)
	v.node(n, url)
	v.gorilla(n, url)
	return v
}

// stop has all stop, and returns what they remember.
func (v *visitors) stop() map[string][]connection {
	v.t.Helper()
	all := map[string][]connection{}
	for _, stop := range v.stops {
		for name, list := range stop() {
			all[name] = list
		}
	}
	require.Len(v.t, all, len(v.names))
	return all
}

// opened is how many connections a page has had, at most.
func (v *visitors) opened() (n int) {
	v.t.Helper()
	for _, p := range v.tabs {
		n = max(n, evaluate[int](p, "visit.connections.length"))
	}
	return n
}

func (v *visitors) pages(b *browser, n int, origin, url string) {
	v.t.Helper()
	source, err := os.ReadFile("testdata/visitor.js")
	require.NoError(v.t, err)
	for i := range n {
		name := fmt.Sprint("page", i)
		p := b.open(origin)
		p.do(fmt.Sprintf("%s; window.visit = visitor(WebSocket, %q, %q, %d);", source, url+name, name, pause.Milliseconds()))
		v.names, v.tabs = append(v.names, name), append(v.tabs, p)
		v.stops = append(v.stops, func() map[string][]connection {
			return map[string][]connection{name: evaluate[[]connection](p, "visit.stop()")}
		})
	}
}

// node are visitors with the package ws, in one process.
func (v *visitors) node(n int, url string) {
	v.t.Helper()
	node, module := os.Getenv("DURAGO_NODE"), os.Getenv("DURAGO_WS")
	if node == "" || module == "" {
		v.t.Skip("DURAGO_NODE and DURAGO_WS are not set: run make browser")
	}
	args := []string{filepath.Join("testdata", "visitors.mjs"), module, fmt.Sprint(pause.Milliseconds()), url}
	for i := range n {
		name := fmt.Sprint("node", i)
		args, v.names = append(args, name), append(v.names, name)
	}
	cmd := exec.Command(node, args...)
	cmd.Stdout, cmd.Stderr = &v.stdout, os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(v.t, err)
	require.NoError(v.t, cmd.Start())
	ended := sync.OnceValue(func() error { return errors.Join(in.Close(), cmd.Wait()) })
	v.t.Cleanup(func() { _ = ended() })
	v.stops = append(v.stops, func() (all map[string][]connection) {
		require.NoError(v.t, ended())
		require.NoError(v.t, json.NewDecoder(strings.NewReader(v.stdout.String())).Decode(&all))
		return all
	})
}

func (v *visitors) gorilla(n int, url string) {
	v.t.Helper()
	for i := range n {
		g := &gorilla{name: fmt.Sprint("go", i), stopped: make(chan struct{}), done: make(chan struct{})}
		go g.visit(url + g.name)
		stop := sync.OnceFunc(func() {
			close(g.stopped)
			<-g.done
		})
		v.t.Cleanup(stop)
		v.names = append(v.names, g.name)
		v.stops = append(v.stops, func() map[string][]connection {
			stop()
			return map[string][]connection{g.name: g.list}
		})
	}
}

// gorilla is a visitor in Go.
type gorilla struct {
	name    string
	n       int
	list    []connection // visit's, until done
	stopped chan struct{}
	done    chan struct{}
}

func (g *gorilla) visit(url string) {
	defer close(g.done)
	for !g.over() {
		c, _, err := websocket.DefaultDialer.Dial(url, nil)
		if err != nil {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		g.list = append(g.list, g.talk(c))
	}
}

// over tells whether the visitor has closed by itself after it was stopped.
func (g *gorilla) over() bool {
	return len(g.list) > 0 && g.list[len(g.list)-1].Reason == "stopped"
}

// talk talks on a connection until that ends.
func (g *gorilla) talk(c *websocket.Conn) (end connection) {
	defer c.Close()
	heard := make(chan connection)
	go func() { heard <- listen(c) }()
	say := func() {
		text := fmt.Sprint(g.name, "-", g.n)
		g.n++
		end.Said = append(end.Said, text)
		_ = c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"event":"chat","text":%q}`, text))
	}
	tick := time.NewTicker(pause)
	defer tick.Stop()
	stopped := g.stopped
	for {
		select {
		case <-tick.C:
			if stopped != nil {
				say()
			}
		case <-stopped:
			for range 5 {
				say()
			}
			_ = c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "enough"))
			stopped = nil
		case l := <-heard:
			end.Heard, end.Code, end.Reason = l.Heard, l.Code, l.Reason
			if stopped == nil {
				end.Reason = "stopped"
			}
			return end
		}
	}
}

// listen reads a connection to its end.
func listen(c *websocket.Conn) (end connection) {
	for {
		_, b, err := c.ReadMessage()
		var e *websocket.CloseError
		switch {
		case errors.As(err, &e):
			end.Code, end.Reason = e.Code, e.Text
			return end
		case err != nil:
			end.Code, end.Reason = websocket.CloseAbnormalClosure, err.Error()
			return end
		}
		if text, ok := chat(b); ok {
			end.Heard = append(end.Heard, text)
		}
	}
}

// chat is the text of a frame that a visitor has sent.
func chat(frame []byte) (text string, ok bool) {
	var m struct{ Event, Text string }
	err := json.Unmarshal(frame, &m)
	return m.Text, err == nil && m.Event == "chat"
}
