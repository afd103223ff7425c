// Command app is the program that the scripts of durago run: an object that logs, and routes that show what the worker
// was given.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"durago.example/objects"
)

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("/room/{name}", func(w http.ResponseWriter, r *http.Request) {
		if err := objects.NamespaceOf(r.Context(), "ROOM").GetByName(r.PathValue("name")).Forward(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	})
	mux.HandleFunc("GET /var/{name}", func(w http.ResponseWriter, r *http.Request) {
		v, ok := objects.EnvOf(r.Context()).Var(r.PathValue("name"))
		fmt.Fprintf(w, "%q %t\n", v, ok)
	})
	mux.HandleFunc("POST /length", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "counting")
		_ = http.NewResponseController(w).Flush()
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintln(w, n, err)
	})
	objects.Run(objects.Program{Classes: []*objects.Class{class}, Fetch: mux})
}

// Room counts its visits, and logs each. It has an alarm.
type Room struct{ state *objects.State }

var class = objects.NewClass("Room", func(s *objects.State) (*Room, error) { return &Room{s}, nil },
	objects.Method1("greet", (*Room).greet, "name"))

var (
	visits = objects.NewKey[int]("visits")
	rung   = objects.NewKey[time.Time]("rung")
	hold   = objects.NewKey[bool]("hold")
)

// Alarm keeps when it rang, once nobody holds it up.
func (r *Room) Alarm(ctx context.Context, _ objects.AlarmInfo) error {
	r.state.Logf(ctx, "ringing")
	kv := r.state.Storage().KV()
	for {
		held, _, err := hold.Get(kv)
		if err != nil {
			return err
		}
		if !held {
			return rung.Put(kv, time.Now())
		}
		time.Sleep(time.Millisecond)
	}
}

func (r *Room) greet(_ context.Context, name string) (string, error) { return "hello, " + name, nil }

func (r *Room) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if q.Header.Get("Upgrade") == "websocket" {
		if _, err := r.state.AcceptWebSocket(w, q, nil); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
		return
	}
	kv := r.state.Storage().KV()
	n, _, err := visits.Get(kv)
	if err == nil {
		err = visits.Put(kv, n+1)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	r.state.Logf(q.Context(), "visit %d", n+1)
	fmt.Fprintln(w, n+1)
}
