// Command worker is the program that is measured: the routes of ../loadgen/README.md as Durable Objects in Go. Per route
// it does what the JavaScript of ../peer/worker.mjs does: the same statements in the same order, the same answer. A
// change here belongs there too, and `loadgen -mode verify` compares the answers.
package main

import (
	"encoding/json"
	"net/http"

	"durago.example/objects"
)

func main() {
	objects.Run(objects.Program{
		Classes: []*objects.Class{limiterClass, counterClass, roomClass, rateClass, chatClass, keptClass},
		Routes:  routes,
		Fetch:   front(),
	})
}

// answer writes v as JSON without a final newline, as Response.json does. An error becomes a 500.
func answer(w http.ResponseWriter, status int, v any, err error) {
	var b []byte
	if err == nil {
		b, err = json.Marshal(v)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}
