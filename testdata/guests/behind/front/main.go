// Command front is the worker in front of the classes of behind.
package main

import (
	"io"
	"net/http"

	"durago.example/objects"
)

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("/room/{name}", func(w http.ResponseWriter, r *http.Request) {
		if err := objects.NamespaceOf(r.Context(), "ROOM").GetByName(r.PathValue("name")).Forward(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	})
	// The other worker answers no requests itself.
	mux.HandleFunc("/behind", func(w http.ResponseWriter, r *http.Request) {
		resp, err := objects.ServiceOf(r.Context(), "BEHIND").Fetch(r.Context(), r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	})
	objects.Run(objects.Program{Fetch: mux})
}
