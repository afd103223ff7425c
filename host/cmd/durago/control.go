package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// A worker that runs is asked by other commands over a socket in its data directory: HTTP, a POST to the verb's path with the
// verb as JSON and the worker's name in the query, and the answer is a line of JSON for each thing that it gives, and one for its end. Whoever may open the
// socket may read the data as well.

// socketFile is the socket's name. A longer path than socketPath has no room in an address.
const (
	socketFile = "durago.sock"
	socketPath = 100
)

// answer is a line of an answer. The last one has End, and Failed if the verb did.
type answer struct {
	Value  json.RawMessage `json:"value,omitempty"`
	End    bool            `json:"end,omitempty"`
	Failed string          `json:"failed,omitempty"`
}

// maxVerb bounds a verb on its way, in bytes: a value has up to 2 MB.
const maxVerb = 16 << 20

// serveControl answers commands until stop is called.
func serveControl(list workers, dir string) (stop func() error, err error) {
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
	for name, empty := range verbs() {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) { control(w, r, list, empty()) })
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

// control does what a command asks for.
func control(w http.ResponseWriter, r *http.Request, list workers, v verb) {
	out := json.NewEncoder(w)
	p, err := list.operator(r.URL.Query().Get("worker"))
	if err == nil {
		err = json.NewDecoder(http.MaxBytesReader(w, r.Body, maxVerb)).Decode(v)
	}
	if err == nil {
		err = v.do(r.Context(), p, func(x any) error {
			b, err := json.Marshal(x)
			if err != nil {
				return err
			}
			return out.Encode(answer{Value: b})
		})
	}
	last := answer{End: true}
	if err != nil {
		last.Failed = err.Error()
	}
	_ = out.Encode(last) // else the client has gone
}

// errNoAnswer says that whoever has the directory takes no commands.
var errNoAnswer = errors.New("nobody answers")

// errEnded says that a worker's answer has no end.
var errEnded = errors.New("the worker ended before it answered")

// askWorker has the worker that runs on a directory do a verb.
func askWorker(ctx context.Context, dir, worker, name string, v verb, show func(json.RawMessage) error) error {
	path := filepath.Join(dir, socketFile)
	if len(path) > socketPath {
		return errNoAnswer
	}
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	resp, err := c.Do(request(ctx, worker, name, body))
	var dial *net.OpError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial":
		return errNoAnswer
	case err != nil:
		return fmt.Errorf("%w: %w", errEnded, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the worker that runs does not know the command %s: its durago is another version", name)
	}
	return readAnswer(resp.Body, show)
}

func readAnswer(r io.Reader, show func(json.RawMessage) error) error {
	for d := json.NewDecoder(r); ; {
		var a answer
		switch err := d.Decode(&a); {
		case err != nil:
			return fmt.Errorf("%w: %w", errEnded, err)
		case a.Failed != "":
			return errors.New(a.Failed)
		case a.End:
			return nil
		}
		if err := show(a.Value); err != nil {
			return err
		}
	}
}
