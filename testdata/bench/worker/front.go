package main

import (
	"io"
	"net/http"
	"strings"

	"durago.example/objects"
)

// front sends a request to the object that the second part of its path names.
func front(w http.ResponseWriter, r *http.Request) {
	kind, rest, _ := strings.Cut(r.URL.Path[1:], "/")
	name, _, _ := strings.Cut(rest, "/")
	var binding string
	switch kind {
	case "":
		_, _ = io.WriteString(w, "ok\n")
		return
	case "limit", "limitkv":
		binding = "LIMITER"
	case "counter", "kvcounter", "akvcounter", "insert", "touch":
		binding = "COUNTER"
	case "ws", "room":
		binding = "ROOM"
	default:
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	if err := objects.NamespaceOf(r.Context(), binding).GetByName(name).Forward(w, r); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
	}
}
