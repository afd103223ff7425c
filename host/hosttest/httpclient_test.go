package hosttest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

// TestHTTPClient: an http.Client of the standard library reaches the network, whose redirects it follows, and an object.
func TestHTTPClient(t *testing.T) {
	t.Parallel()
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/from" {
			http.Redirect(w, r, "/to", http.StatusFound)
			return
		}
		fmt.Fprint(w, "here")
	}))
	t.Cleanup(far.Close)
	hosttest.Each(t, connected(everyLibrary()), func(t *testing.T, h *hosttest.Host) {
		h.Unrecorded(func() {
			_, text := h.Fetch("GET", "/a/client?url="+url.QueryEscape(far.URL+"/from"), "")
			require.Equal(t, "/to 200 here", text)
		})
		h.Fetch("GET", "/a/self?verb=nowhere", "")
	})
}
