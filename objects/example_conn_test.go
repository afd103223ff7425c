package objects_test

import (
	"context"
	"errors"
	"net/http"

	"durago.example/objects"
)

// Proxy is an object between its client and a server elsewhere: it reads both, and stays in memory meanwhile.
type Proxy struct{ state *objects.State }

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "wss://feed.example/", nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	server, _, err := objects.Dial(ctx, q)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	client, err := objects.Accept(w, r, nil) // the client has its answer now
	if err != nil {
		_ = server.Close(1001, "")
		return
	}
	p.state.Go(func(ctx context.Context) { copyMessages(ctx, client, server) })
	copyMessages(ctx, server, client)
}

// copyMessages returns when either side has closed.
func copyMessages(ctx context.Context, to, from *objects.Conn) {
	for {
		m, err := from.Receive(ctx)
		if err == nil {
			err = to.Send(m)
		}
		var closed *objects.CloseError
		if errors.As(err, &closed) && closed.Clean && closed.Code != 1005 {
			_ = to.Close(closed.Code, closed.Reason)
			return
		}
		if err != nil {
			_ = to.Close(1001, "")
			return
		}
	}
}

func ExampleAccept() {
	objects.NewClass("Proxy", func(state *objects.State) (*Proxy, error) { return &Proxy{state}, nil })
}

// The front of a worker talks to an object over a socket.
func ExampleStub_Dial() {
	_ = func(ctx context.Context, room *objects.Stub) (string, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://room/", nil)
		if err != nil {
			return "", err
		}
		c, _, err := room.Dial(ctx, r)
		if err != nil {
			return "", err
		}
		defer func() { _ = c.Close(1000, "") }()
		if err := c.Send(objects.Text("who is here?")); err != nil {
			return "", err
		}
		m, err := c.Receive(ctx)
		return string(m.Data), err
	}
}
