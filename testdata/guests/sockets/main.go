// Command sockets is a guest whose objects and front accept sockets in either way, dial each other and the network, and say
// what they saw.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"durago.example/objects"
)

func main() {
	objects.Run(objects.Program{
		Classes:  []*objects.Class{objects.NewClass("Peer", newPeer)},
		Fetch:    http.HandlerFunc(front),
		Services: []*objects.Service{objects.NewService("Desk", func(context.Context) (*desk, error) { return &desk{}, nil })},
	})
}

// logs is what was seen on sockets that had nobody to tell, by the name in the path.
var (
	mu   sync.Mutex
	logs = map[string][]string{}
)

func note(name, format string, args ...any) {
	mu.Lock()
	defer mu.Unlock()
	logs[name] = append(logs[name], fmt.Sprintf(format, args...))
}

// parts are the verb and the name in a path.
func parts(r *http.Request) (verb, name string) {
	verb, name, _ = strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	return verb, name
}

// front answers /front…, /pair and /dial itself; the rest goes to the object that the path names.
func front(w http.ResponseWriter, r *http.Request) {
	verb, name := parts(r)
	stub := objects.NamespaceOf(r.Context(), "PEER").GetByName(name)
	var err error
	switch verb {
	case "front":
		err = serve(w, r, nil, name)
	case "frontpair":
		q := r.URL.Query()
		if q.Get("via") == "desk" {
			stub = objects.ServiceOf(r.Context(), "DESK")
		}
		err = answer(w, r, func() (*objects.Conn, *http.Response, error) {
			return stub.Dial(r.Context(), request(r, "http://object/"+q.Get("via")+"/"+name+"?"+r.URL.RawQuery))
		})
	case "frontdial":
		err = answer(w, r, func() (*objects.Conn, *http.Response, error) {
			return objects.Dial(r.Context(), request(r, r.URL.Query().Get("url")))
		})
	case "fetched": // a socket that nobody takes
		var resp *http.Response
		q := request(r, "http://object/accept/"+name)
		q.Header.Set("Upgrade", "websocket")
		if resp, err = stub.Fetch(r.Context(), q); err == nil {
			fmt.Fprint(w, resp.StatusCode)
		}
	case "log":
		mu.Lock()
		fmt.Fprint(w, strings.Join(logs[name], "; "))
		delete(logs, name)
		mu.Unlock()
	case "goroutines":
		runtime.GC()
		fmt.Fprint(w, runtime.NumGoroutine())
	default:
		err = stub.Forward(w, r)
	}
	if err != nil {
		http.Error(w, "front: "+err.Error(), http.StatusBadGateway)
	}
}

// desk is an entrypoint that accepts sockets.
type desk struct{}

func (*desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, name := parts(r)
	if err := serve(w, r, nil, name); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// request is a GET of a URL, with the subprotocol that the query asks for.
func request(r *http.Request, url string) *http.Request {
	q, err := http.NewRequestWithContext(r.Context(), http.MethodGet, url, nil)
	if err != nil {
		panic(err)
	}
	if p := r.URL.Query().Get("protocol"); p != "" {
		q.Header.Set("Sec-WebSocket-Protocol", p)
	}
	return q
}

// Peer is an object.
type Peer struct {
	state *objects.State
	born  int
}

var (
	births int

	_ objects.MessageHandler = (*Peer)(nil)
	_ objects.CloseHandler   = (*Peer)(nil)
)

func newPeer(state *objects.State) (*Peer, error) {
	births++
	return &Peer{state, births}, nil
}

// ServeHTTP does what the first part of the path says.
func (p *Peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	verb, name := parts(r)
	ctx := r.Context()
	var err error
	switch verb {
	case "accept":
		err = serve(w, r, p.state, name)
	case "hibernate":
		_, err = p.state.AcceptWebSocket(w, r, &objects.AcceptOptions{Tags: []string{name}, Protocol: r.URL.Query().Get("protocol")})
	case "refuse":
		http.Error(w, "no sockets here", http.StatusTeapot)
	case "pair":
		stub := objects.NamespaceOf(ctx, "PEER").GetByName(r.URL.Query().Get("to"))
		if r.URL.Query().Get("via") == "desk" {
			stub = objects.ServiceOf(ctx, "DESK")
		}
		err = answer(w, r, func() (*objects.Conn, *http.Response, error) {
			return stub.Dial(ctx, request(r, "http://object/"+r.URL.Query().Get("via")+"/"+name))
		})
	case "dial":
		err = answer(w, r, func() (*objects.Conn, *http.Response, error) {
			return objects.Dial(ctx, request(r, r.URL.Query().Get("url")))
		})
	case "section": // dials within a critical section, as a constructor may
		err = p.state.BlockConcurrencyWhile(ctx, func(ctx context.Context) error {
			stub := objects.NamespaceOf(ctx, "PEER").GetByName(r.URL.Query().Get("to"))
			return answer(w, r, func() (*objects.Conn, *http.Response, error) {
				return stub.Dial(ctx, request(r, "http://object/accept/"+name))
			})
		})
	case "keep": // a socket to the network, or to an object, that outlives its event
		err = p.keep(name, func() (*objects.Conn, *http.Response, error) {
			q := r.URL.Query()
			if url := q.Get("url"); url != "" {
				return objects.Dial(ctx, request(r, url))
			}
			stub := objects.NamespaceOf(ctx, "PEER").GetByName(q.Get("to"))
			return stub.Dial(ctx, request(r, "http://object/"+q.Get("via")+"/"+q.Get("to")))
		})
	case "many": // sockets to one object, and another beyond
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		list := make([]*objects.Conn, 0, n+1)
		for i := range n + 1 {
			to := objects.NamespaceOf(ctx, "PEER").GetByName(fmt.Sprint(name, i/n))
			c, _, err := to.Dial(ctx, request(r, "http://object/hibernate/many"))
			if err != nil {
				fmt.Fprintf(w, "%d, then %v", i, err)
				break
			}
			list = append(list, c)
		}
		for _, c := range list {
			_ = c.Close(1000, "")
		}
	case "born": // the same while the object stays in memory
		fmt.Fprint(w, p.born)
	case "abort":
		p.state.Abort(fmt.Errorf("aborted on purpose"))
	case "exit":
		os.Exit(3)
	default:
		http.NotFound(w, r)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// keep dials, and has a goroutine note how the socket ends.
func (p *Peer) keep(name string, dial func() (*objects.Conn, *http.Response, error)) error {
	c, _, err := dial()
	if err != nil {
		return err
	}
	p.state.Go(func(ctx context.Context) {
		for {
			if m, err := c.Receive(ctx); err != nil {
				note(name, "%s", last(m, err))
				return
			}
		}
	})
	return nil
}

// WebSocketMessage echoes, and closes if it is told to.
func (p *Peer) WebSocketMessage(_ context.Context, ws *objects.WebSocket, m objects.Message) error {
	if string(m.Data) == "close" {
		return ws.Close(4001, "srv")
	}
	return ws.Send(echo(m))
}

// WebSocketClose answers.
func (p *Peer) WebSocketClose(_ context.Context, ws *objects.WebSocket, c objects.CloseInfo) error {
	tags, err := ws.Tags()
	if err != nil {
		return err
	}
	for _, name := range tags {
		note(name, "%d %q clean=%v", c.Code, c.Reason, c.Clean)
	}
	if c.Code == 1005 || c.Code == 1006 {
		return ws.Close(1000, "")
	}
	return ws.Close(c.Code, c.Reason)
}
