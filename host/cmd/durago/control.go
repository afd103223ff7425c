package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"durago.example/host"
)

// A worker that runs is asked by other commands over a socket in its data directory: HTTP, one path for each command, and
// the answer is a status and a sentence. Whoever may open the socket may read the data as well.

// socketFile is the socket's name. A longer path than socketPath has no room in an address.
const (
	socketFile = "durago.sock"
	socketPath = 100
)

// archive does what backup and restore ask for: a worker that runs, or its data when none does.
type archive interface {
	Backup(ctx context.Context, class, object, file string) error
	Restore(ctx context.Context, class, object, file string) error
}

var (
	_ archive = (*host.Host)(nil)
	_ archive = (*host.Data)(nil)
	_ archive = running("")
)

// serveControl answers commands until stop is called.
func serveControl(h archive, dir string) (stop func() error, err error) {
	path := filepath.Join(dir, socketFile)
	if len(path) > socketPath {
		return func() error { return nil }, nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // of a process that was killed
		return nil, fmt.Errorf("cannot serve commands: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("cannot serve commands: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot serve commands: %w", err), l.Close())
	}
	mux := http.NewServeMux()
	for name, f := range map[string]func(ctx context.Context, class, object, file string) error{"backup": h.Backup, "restore": h.Restore} {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			if err := f(r.Context(), q.Get("class"), q.Get("object"), q.Get("file")); err != nil {
				w.WriteHeader(http.StatusConflict)
				_, _ = io.WriteString(w, err.Error())
			}
		})
	}
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), shutdownLimit)
		defer cancel()
		if s.Shutdown(ctx) != nil {
			_ = s.Close()
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}, nil
}

// running is a worker that runs, by its data directory.
type running string

// errNoAnswer says that whoever has the directory takes no commands.
var errNoAnswer = errors.New("nobody answers")

func (dir running) Backup(ctx context.Context, class, object, file string) error {
	return dir.ask(ctx, "backup", class, object, file)
}

func (dir running) Restore(ctx context.Context, class, object, file string) error {
	return dir.ask(ctx, "restore", class, object, file)
}

func (dir running) ask(ctx context.Context, command, class, object, file string) error {
	path := filepath.Join(string(dir), socketFile)
	if len(path) > socketPath {
		return errNoAnswer
	}
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	q := url.Values{"class": {class}, "object": {object}, "file": {file}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://worker/"+command+"?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(r)
	var dial *net.OpError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial":
		return errNoAnswer
	case err != nil:
		return fmt.Errorf("the worker ended before it answered: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(strings.TrimSpace(string(text)))
	}
	return err
}
