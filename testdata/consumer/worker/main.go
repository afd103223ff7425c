// Command worker is a user's program: one class, and a front that finds its objects by name.
package main

import (
	"net/http"

	"consumer.example/poll"
	"durago.example/objects"
)

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("/poll/{name}", func(w http.ResponseWriter, r *http.Request) {
		if err := objects.NamespaceOf(r.Context(), "POLL").GetByName(r.PathValue("name")).Forward(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	})
	objects.Run(objects.Program{Classes: []*objects.Class{poll.Class}, Fetch: mux})
}
