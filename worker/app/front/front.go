// Package front is what answers clients. It finds the objects behind its bindings, so that they may live in another worker
// or in its own: the app worker and the backend worker, run alone, have the same front. It imports contracts only.
package front

import (
	"fmt"
	"log"
	"net/http"

	"durago.example/objects"
	"durago.example/objects/ratelimit"
	"durago.example/objects/websocket"
)

// Routes reach objects without running Go in the front: one limiter for each key.
var Routes = []objects.Route{{Pattern: "/limit/{key}", Binding: "RATE_LIMITER"}}

// Handler answers what no route takes.
func Handler() http.Handler {
	limited := ratelimit.Middleware(ratelimit.MiddlewareOptions{Key: ratelimit.ClientIP()})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", index)
	mux.HandleFunc("GET /counter/{name}", readCounter)
	mux.HandleFunc("POST /counter/{name}", countUp)
	mux.Handle("GET /greeting/{name}", limited(http.HandlerFunc(greet)))
	mux.Handle("PUT /greeting/{name}", limited(http.HandlerFunc(setGreeting)))
	mux.HandleFunc("GET /room/{name}", showRoom)
	rooms := websocket.Handler(websocket.Options{
		Binding:      "WS",
		Authenticate: guest,
		Authorize:    func(*http.Request, *websocket.Identity, string) bool { return true },
	})
	mux.Handle("/api/websocket", rooms)
	mux.Handle("/api/websocket/", rooms) // for clients without a socket
	return mux
}

func index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprint(w, `durago: Durable Objects in Go

  GET  /counter/{name}      read a counter; with an upgrade to WebSocket: each new value
  POST /counter/{name}      count up, by ?by=N
  GET  /greeting/{name}     a greeting kept in Workers KV, 10 at once; PUT stores one
  POST /limit/{key}         take one of 10 tokens; one comes back every 10 seconds
  GET  /room/{name}         a page: who is in the room, their cursors, what they say
  GET  /api/websocket       with an upgrade to WebSocket: a room, by ?room= and ?name=
  POST /api/websocket/messages   a message to the room, as JSON
  GET  /api/websocket/events     its messages as server-sent events; /poll, /history
`)
}

// guest is who enters a room: there are no accounts here, so anybody does, in any room, under any name. An application
// answers nil for whom it has not signed in, and Authorize tells whose a room is.
func guest(r *http.Request) (*websocket.Identity, error) {
	return &websocket.Identity{Room: "lobby", Meta: websocket.UserMeta{UserName: r.URL.Query().Get("name")}}, nil
}

// fail answers a request whose object or binding has failed; what exactly is the log's.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	log.Printf("%s %s: %v", r.Method, r.URL.Path, err)
	http.Error(w, "something went wrong: try again", http.StatusBadGateway)
}
