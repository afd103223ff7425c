package httpclient_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/objects"
	"durago.example/objects/httpclient"
)

// body is a request's body that knows whether it was closed.
type body struct {
	io.Reader
	closed bool
}

func (b *body) Close() error {
	b.closed = true
	return nil
}

// TestTransport_RoundTrip: outside of objects and requests it fails, and closes the body.
func TestTransport_RoundTrip(t *testing.T) {
	b := &body{Reader: strings.NewReader("x")}
	client := &http.Client{Transport: httpclient.Transport{}}
	resp, err := client.Post("https://example.com/", "text/plain", b)
	if err == nil {
		_ = resp.Body.Close()
	}
	require.ErrorContains(t, err, "objects: this context belongs to no object or request; pass the handler's context")
	require.True(t, b.closed)
}

// A client for the network, and one for an object whose handler serves an API.
func ExampleTransport() {
	_ = func(stub *objects.Stub) error {
		network := &http.Client{Transport: httpclient.Transport{}}
		object := &http.Client{Transport: httpclient.Transport{Stub: stub}}
		_, err := network.Head("https://example.com/")
		_, err2 := object.Head("https://desk/")
		return errors.Join(err, err2)
	}
}
