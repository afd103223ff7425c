package hosttest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

// TestFetch: outgoing requests of objects and of the front, with bodies both ways.
func TestFetch(t *testing.T) {
	t.Parallel()
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("X-Seen", r.Header.Get("X-From"))
		w.WriteHeader(http.StatusTeapot)
		_, _ = fmt.Fprintf(w, "%s %s %d ", r.Method, r.URL.Path, len(b))
		_, _ = w.Write(b)
	}))
	t.Cleanup(far.Close)
	closed := httptest.NewServer(nil)
	closed.Close()
	both(t, func(t *testing.T, h *hosttest.Host) {
		big := strings.Repeat("0123456789abcdef", 1<<15)
		for _, path := range []string{"/out/a", "/fout/a"} {
			for _, body := range []string{"", "small", big} {
				h.Unrecorded(func() {
					resp := h.Do("POST", path+"?url="+url.QueryEscape(far.URL+"/x"), body)
					defer resp.Body.Close()
					b, err := io.ReadAll(resp.Body)
					require.NoError(t, err)
					require.Equal(t, http.StatusTeapot, resp.StatusCode, string(b))
					require.Equal(t, "durago", resp.Header.Get("X-Seen"))
					require.True(t, string(b) == fmt.Sprintf("POST /x %d %s", len(body), body), "%.100s", b)
				})
				h.Record("%s: %d bytes there and back", path, len(body))
			}
			h.Unrecorded(func() {
				status, answer := h.Fetch("POST", path+"?url="+url.QueryEscape(closed.URL), "")
				require.GreaterOrEqual(t, status, 500, answer)
			})
		}
	}, outside)
}

// TestObject_direct: the harness reaches an object past the front.
func TestObject_direct(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, h *hosttest.Host) {
		o := h.Object("HOME", "direct / named")
		o.Fetch("POST", "/count/x", "")
		o.Fetch("POST", "/body/x", "hello")
		o.Fetch("GET", "/nowhere", "")
		c := o.Dial("/ws/x")
		require.Equal(t, "hi seen=1 calls=5", say(t, c, "hi"))
	})
}
