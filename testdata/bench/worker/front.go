package main

import (
	"io"
	"net/http"

	"durago.example/objects"
)

// routes send a request to the object that the second part of its path names.
var routes = []objects.Route{
	{Pattern: "/limit/{key}", Binding: "LIMITER"},
	{Pattern: "/limitkv/{key}", Binding: "LIMITER"},
	{Pattern: "/counter/{name}", Binding: "COUNTER"},
	{Pattern: "/kvcounter/{name}", Binding: "COUNTER"},
	{Pattern: "/akvcounter/{name}", Binding: "COUNTER"},
	{Pattern: "/insert/{name}", Binding: "COUNTER"},
	{Pattern: "/touch/{name}", Binding: "COUNTER"},
	{Pattern: "/relay/{name}", Binding: "COUNTER"},
	{Pattern: "/ws/{room}", Binding: "ROOM"},
	{Pattern: "/room/{room}", Binding: "ROOM"},
}

// front answers what no route takes.
func front(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}
