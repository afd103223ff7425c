package host_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"durago.example/host"
	"durago.example/host/hosttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestHandler_body: a body over the limit is refused before the guest sees the request, if its length says so, and
// while the guest reads it, if it comes in chunks.
func TestHandler_body(t *testing.T) {
	h := hosttest.Start(t, hosttest.Options{Config: "../testdata/guests/scenario/wrangler.toml", MaxBody: 100_000})
	path := "/body/a"
	for _, row := range []struct {
		name   string
		size   int
		header string
		status int
		body   string
	}{
		{"at the limit", 100_000, "Content-Length: 100000", 200, "100000 bytes"},
		{"over it", 100_001, "Content-Length: 100001", 413, "the request's body is larger than 100000 bytes\n"},
		{"at the limit, in chunks", 100_000, "Transfer-Encoding: chunked", 200, "100000 bytes"},
		{"over it, in chunks", 100_001, "Transfer-Encoding: chunked", 413, "the request's body is larger than 100000 bytes\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, err := net.Dial("tcp", strings.TrimPrefix(h.URL, "http://"))
			require.NoError(t, err)
			defer c.Close()
			require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
			fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s\r\n\r\n", path, row.header)
			body := strings.Repeat("x", row.size)
			if strings.HasPrefix(row.header, "Transfer") {
				body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", row.size, body)
			}
			_, _ = io.WriteString(c, body) // the server may have gone
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			require.NoError(t, err)
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, row.status, resp.StatusCode, "%s", b)
			require.Equal(t, row.body, string(b))
		})
	}
}

// TestHandler_subrequests: an event may make so many calls, and each event anew.
func TestHandler_subrequests(t *testing.T) {
	h := hosttest.Start(t, hosttest.Options{Config: "../testdata/guests/scenario/wrangler.toml", Subrequests: 5})
	for range 2 {
		_, text := h.Fetch("GET", "/calls/a?n=5", "")
		require.Equal(t, "5 calls", text)
		_, text = h.Fetch("GET", "/calls/a?n=6", "")
		require.Equal(t, "5 calls, then Too many subrequests by single Worker invocation. To configure this limit, refer to https://developers.cloudflare.com/workers/wrangler/configuration/#limits", text)
	}
	_, n := h.Fetch("GET", "/n/a", "")
	require.Equal(t, "20", n)
}

// TestHandler_connections: so many requests wait for a response at a time, and the others for them.
func TestHandler_connections(t *testing.T) {
	h := hosttest.Start(t, hosttest.Options{Config: "../testdata/guests/scenario/wrangler.toml", RealTime: true, Connections: 2})
	var first atomic.Int32
	came, answer := make(chan struct{}, 9), make(chan struct{})
	far := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/first" {
			first.Add(1)
		}
		came <- struct{}{}
		<-answer
	}))
	defer far.Close()
	done := make(chan string, 2)
	for _, path := range []string{"/fetches/a?n=5&url=" + far.URL + "/first", "/fetches/b?n=2&url=" + far.URL + "/second"} {
		go func() {
			_, text := h.Fetch("GET", path, "")
			done <- text
		}()
		<-came
		<-came
	}
	n := first.Load()
	close(answer)
	require.EqualValues(t, 2, n, "those of the second request have come, which began later")
	require.Equal(t, "done", <-done)
	require.Equal(t, "done", <-done)
	require.EqualValues(t, 5, first.Load())
}

func TestCloudflare(t *testing.T) {
	require.Equal(t, host.Options{MemoryLimit: 128 << 20, CPULimit: 50 * time.Millisecond, MaxBody: 100_000_000, Subrequests: 10_000, Connections: 6},
		host.Cloudflare(host.Options{CPULimit: 50 * time.Millisecond}))
}
