package program

import (
	"fmt"
	"net/http"

	"durago.example/objects"
)

// routes reach objects past the front: one limiter for each key, one counter for each name.
var routes = []objects.Route{
	{Pattern: "/limit/{key}", Binding: "RATE_LIMITER"},
	{Pattern: "/counter/{name}", Binding: "COUNTER"},
}

// front answers what no route takes.
func front() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", home)
	mux.HandleFunc("/greeting/{name}", greeting)
	return mux
}

func home(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprint(w, `durago: Durable Objects in Go

  POST /limit/{key}      take one of 10 tokens; one comes back every 10 seconds
  GET  /counter/{name}   read a counter
  POST /counter/{name}   count up, by ?by=N
  GET  /counter/{name}   with an upgrade to WebSocket: each new value
  GET  /greeting/{name}  a greeting kept in Workers KV; PUT stores one
`)
}

// greeting shows the cold path: a variable and a KV namespace.
func greeting(w http.ResponseWriter, r *http.Request) {
	env := objects.EnvOf(r.Context())
	kv, err := env.KV("GREETINGS")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	name := r.PathValue("name")
	if r.Method == http.MethodPut {
		buf := make([]byte, 1024)
		n, _ := r.Body.Read(buf)
		if err := kv.Put(r.Context(), name, buf[:n], 0); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
		return
	}
	word, ok, err := kv.Get(r.Context(), name)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if !ok {
		s, _ := env.Var("GREETING")
		word = []byte(s)
	}
	fmt.Fprintf(w, "%s, %s\n", word, name)
}
