// Command visitor is the guest of the tests of several workers: it has no class, and reaches those of others.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"durago.example/objects"
)

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("/home/{name}/{path...}", answer(forward))
	mux.HandleFunc("/add/{name}", answer(add))
	mux.HandleFunc("/back/{path...}", answer(back))
	mux.HandleFunc("/entry/{method}", answer(entry))
	mux.HandleFunc("/lend", answer(lend))
	objects.Run(objects.Program{Fetch: mux, Routes: []objects.Route{{Pattern: "/ws/{name}", Binding: "HOME"}, {Pattern: "/count/{name}", Binding: "HOME"}}})
}

// answer has a handler's error be the answer.
func answer(f func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := f(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	}
}

func stub(r *http.Request) *objects.Stub {
	binding := "HOME"
	if b := r.URL.Query().Get("binding"); b != "" {
		binding = b
	}
	return objects.NamespaceOf(r.Context(), binding).GetByName(r.PathValue("name"))
}

func forward(w http.ResponseWriter, r *http.Request) error {
	q := r.Clone(r.Context())
	q.URL.Path = "/" + r.PathValue("path")
	return stub(r).Forward(w, q)
}

func add(w http.ResponseWriter, r *http.Request) error {
	var n int
	if err := stub(r).Call(r.Context(), &n, "add", 2, 3); err != nil {
		return err
	}
	fmt.Fprint(w, n)
	return nil
}

// back asks the other worker's front.
func back(w http.ResponseWriter, r *http.Request) error {
	q := r.Clone(r.Context())
	q.URL.Path = "/" + r.PathValue("path")
	resp, err := objects.ServiceOf(r.Context(), "BACK").Fetch(r.Context(), q)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	w.WriteHeader(resp.StatusCode)
	_, err = io.Copy(w, resp.Body)
	return err
}

// entry calls a method of the other worker's entrypoint.
func entry(w http.ResponseWriter, r *http.Request) error {
	binding := "ENTRY"
	if b := r.URL.Query().Get("binding"); b != "" {
		binding = b
	}
	var v any
	err := objects.ServiceOf(r.Context(), binding).Call(r.Context(), &v, r.PathValue("method"))
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(v)
}

// lend has the other worker's entrypoint call back, and reads a stream of its.
func lend(w http.ResponseWriter, r *http.Request) error {
	f := objects.NewCallback(func(_ context.Context, n int) (int, error) { return n * 10, nil })
	s := objects.ServiceOf(r.Context(), "ENTRY")
	var n int
	if err := s.Call(r.Context(), &n, "apply", f); err != nil {
		return err
	}
	var lines io.Reader
	if err := s.Call(r.Context(), &lines, "lines", 3); err != nil {
		return err
	}
	b, err := io.ReadAll(lines)
	fmt.Fprint(w, n, " ", strings.Count(string(b), "line"))
	return err
}
