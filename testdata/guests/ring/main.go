// Command ring is the guest of tests of many workers: a request goes as far as its path says, to the next worker at /s/ and to an
// object of the worker's own at /o/.
package main

import (
	"fmt"
	"net/http"
	"strings"

	"durago.example/objects"
)

type room struct{}

func newRoom(*objects.State) (*room, error) { return &room{}, nil }

func (r *room) ServeHTTP(w http.ResponseWriter, q *http.Request) { hop(w, q) }

func hop(w http.ResponseWriter, r *http.Request) {
	var to *objects.Stub
	kind, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch kind {
	case "s":
		to = objects.ServiceOf(r.Context(), "NEXT")
	case "o":
		to = objects.NamespaceOf(r.Context(), "ROOM").GetByName("a")
	default:
		fmt.Fprint(w, "the end")
		return
	}
	q := r.Clone(r.Context())
	q.URL.Path = "/" + rest
	if err := to.Forward(w, q); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
	}
}

func main() {
	objects.Run(objects.Program{Classes: []*objects.Class{objects.NewClass("Room", newRoom)}, Fetch: http.HandlerFunc(hop)})
}
