// Package program is what the worker exports: one class, and a front that finds its objects by name.
package program

import (
	"net/http"

	"consumer.example/poll"
	"durago.example/objects"
)

// Program is the worker's program.
func Program() objects.Program {
	mux := http.NewServeMux()
	mux.HandleFunc("/poll/{name}", func(w http.ResponseWriter, r *http.Request) {
		if err := objects.NamespaceOf(r.Context(), "POLL").GetByName(r.PathValue("name")).Forward(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	})
	return objects.Program{Classes: []*objects.Class{poll.Class}, Fetch: mux}
}
