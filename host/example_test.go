package host_test

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"durago.example/host"
	"durago.example/host/local"
)

// A server of one's own serves a worker beside its other routes.
func Example() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	o, err := local.Options(local.Settings{File: "wrangler.toml", Environ: os.Environ()})
	if err != nil {
		return err
	}
	if o.Wasm, err = os.ReadFile("build/dist/durago-demo/app.wasm"); err != nil { // of durago build
		return err
	}
	o.CacheDir = "/var/cache/durago"
	o.Log = func(l host.Line) { log.Printf("%s %s %s: %s", l.Class, l.Name, l.ID, l.Text) }
	h, err := host.New(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }() // once no request is under way

	mux := http.NewServeMux()
	mux.Handle("/", h.Handler())
	mux.HandleFunc("GET /hits", func(w http.ResponseWriter, r *http.Request) { // what an operator may, the server may
		n, err := h.Value(r.Context(), "COUNTER", "room-1", "hits")
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		_, _ = w.Write(n.JSON)
	})
	l, err := net.Listen("tcp", "127.0.0.1:8787")
	if err != nil {
		return err
	}
	s := host.NewServer(mux, host.ServerOptions{}) // an *http.Server would have no limits
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	select {
	case err = <-failed:
		return err
	case err = <-h.Failed(): // the disk: nothing will be durable any more
		_ = s.Close()
		return err
	case <-ctx.Done():
		h.Drain()
		grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return s.Shutdown(grace)
	}
}
