package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// serveBare answers everything with "ok" until ctx ends: the least that a Go server can do. It runs in a process of its
// own, so that the generator's processor time is told from the server's.
func serveBare(ctx context.Context, addr string) error {
	s := &http.Server{Addr: addr, ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})}
	ended := make(chan error, 1)
	go func() { ended <- s.ListenAndServe() }()
	select {
	case err := <-ended:
		return fmt.Errorf("bare server: %w", err)
	case <-ctx.Done():
		return errors.Join(s.Close(), ignoreClosed(<-ended))
	}
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
