// Package httpclient has the requests of an http.Client go where those of objects.Fetch go: for libraries that take a client
// or an http.RoundTripper. A program that imports it grows by up to 4.6 MiB, what http.Client links; objects.Fetch and
// Stub.Fetch need none of that.
//
//	client := &http.Client{Transport: httpclient.Transport{}}
//	resp, err := client.Get("https://example.com/")
//
// A Transport may be used by several goroutines at once. It knows nothing of redirects, cookies and timeouts, which are the
// client's.
package httpclient

import (
	"net/http"

	"durago.example/objects"
)

// Transport is an http.RoundTripper that sends requests on behalf of the object or request that their context belongs to; one
// whose context belongs to none, such as context.Background(), on behalf of that whose goroutine it is called on. See
// https://developers.cloudflare.com/workers/runtime-apis/fetch/.
type Transport struct {
	// Stub is the object that requests go to, whatever the host of their URLs. They go to the network if it is nil.
	Stub *objects.Stub
}

var _ http.RoundTripper = Transport{}

// RoundTrip sends r and returns the response once its header is there; the caller closes the response's body. It fails as
// objects.Fetch and Stub.Fetch do: if the context ends, the network has no answer, or the object fails. Redirects are not
// followed. The request's body is closed if it fails.
func (t Transport) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	if t.Stub != nil {
		resp, err = t.Stub.Fetch(r.Context(), r)
	} else {
		resp, err = objects.Fetch(r.Context(), r)
	}
	if err != nil && r.Body != nil {
		_ = r.Body.Close()
	}
	return resp, err
}
