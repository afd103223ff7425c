// Command files is the guest of the tests of static files: it asks for some itself.
package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"durago.example/objects"
)

func main() {
	objects.Run(objects.Program{Fetch: http.HandlerFunc(serve)})
}

func serve(w http.ResponseWriter, r *http.Request) {
	files := objects.ServiceOf(r.Context(), "ASSETS")
	switch path, api := strings.CutPrefix(r.URL.Path, "/api"); {
	case !api: // as it is
		if err := files.Forward(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	case path == "/method":
		var n int
		http.Error(w, fmt.Sprint(files.Call(r.Context(), &n, "count")), http.StatusBadGateway)
	case path == "/left": // the head is enough
		resp, err := files.Fetch(r.Context(), get(r, "/large.bin"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		resp.Body.Close()
		fmt.Fprint(w, resp.Header.Get("Content-Length"))
	default:
		resp, err := files.Fetch(r.Context(), get(r, path))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		fmt.Fprintf(w, "%d %s %s %v", resp.StatusCode, resp.Header.Get("Content-Type"), body, err)
	}
}

func get(r *http.Request, path string) *http.Request {
	q, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://files"+path, nil)
	if err != nil {
		panic(err)
	}
	return q
}
