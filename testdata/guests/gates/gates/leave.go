package gates

import (
	"errors"
	"fmt"
	"net/http"

	"durago.example/objects"
)

// leave writes, and then lets something leave that says so; loosely, with a write that need not be confirmed.
func (g *Gate) leave(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	var err error
	if q.Has("loosely") {
		err = objects.NewKey[string]("loose").PutAsync(ctx, g.storage.Async(), "x", &objects.AsyncOptions{AllowUnconfirmed: true})
	} else {
		err = g.add("left")
	}
	if err != nil {
		return err
	}
	switch q.Get("by") {
	case "response":
		fmt.Fprint(w, "response")
	case "error":
		return errors.New("error")
	case "fetch":
		out, err := http.NewRequestWithContext(ctx, http.MethodGet, q.Get("url"), nil)
		if err != nil {
			return err
		}
		resp, err := objects.Fetch(ctx, out)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	case "stub":
		_, err := touch.Call(ctx, objects.NamespaceOf(ctx, "GATE").GetByName("another"))
		return err
	case "kv":
		kv, err := g.state.Env().KV("KV")
		if err != nil {
			return err
		}
		return kv.Put(ctx, "k", []byte("left"), 0)
	case "log":
		g.state.Logf(ctx, "the log says so")
	case "print":
		fmt.Println("print says so")
	case "stream":
		fmt.Fprint(w, "first")
		w.(http.Flusher).Flush()
		pause(1)
	case "abort":
		g.state.Logf(ctx, "the log says so")
		g.state.Abort(errors.New("aborted"))
	}
	return nil
}
