package main

import (
	"io"
	"net/http"

	"durago.example/objects"
	"durago.example/objects/ratelimit"
)

// routes send a request to the object that the second part of its path names.
var routes = []objects.Route{
	{Pattern: "/limit/{key}", Binding: "LIMITER"},
	{Pattern: "/limitkv/{key}", Binding: "LIMITER"},
	{Pattern: "/rate/{key}", Binding: "RATE"},
	{Pattern: "/decide/{object}/{rule...}", Binding: "RATE"},
	{Pattern: "/fill/{object}", Binding: "RATE"},
	{Pattern: "/purge/{object}", Binding: "RATE"},
	{Pattern: "/counter/{name}", Binding: "COUNTER"},
	{Pattern: "/kvcounter/{name}", Binding: "COUNTER"},
	{Pattern: "/akvcounter/{name}", Binding: "COUNTER"},
	{Pattern: "/insert/{name}", Binding: "COUNTER"},
	{Pattern: "/touch/{name}", Binding: "COUNTER"},
	{Pattern: "/relay/{name}", Binding: "COUNTER"},
	{Pattern: "/ws/{room}", Binding: "ROOM"},
	{Pattern: "/room/{room}", Binding: "ROOM"},
	{Pattern: "/chat/{room}", Binding: "CHAT"},
	{Pattern: "/kept/{room}", Binding: "KEPT"},
}

// front answers what no route takes.
func front() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /exact/{key}", decide(&ratelimit.Allowance{}))
	mux.HandleFunc("POST /leased/{key}", decide(&ratelimit.Allowance{Units: 1000}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/":
			_, _ = io.WriteString(w, "ok\n")
		case r.Method == http.MethodPost:
			mux.ServeHTTP(w, r)
		default:
			http.Error(w, "not found", http.StatusNotFound)
		}
	})
}
