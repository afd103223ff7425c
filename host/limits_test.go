package host_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

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
