package hosttest_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host"
	"durago.example/host/hosttest"
)

// raw is a connection to the worker's server that sends what it likes.
func raw(t *testing.T, h *hosttest.Host) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(h.URL, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	return c
}

// answers reads what comes until the server closes the connection, or has been silent for d, as statuses and the bodies of 200s.
func answers(c net.Conn, method string, d time.Duration) string {
	_ = c.SetReadDeadline(time.Now().Add(d))
	var out []string
	for r := bufio.NewReader(c); ; {
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			if e, ok := err.(net.Error); ok && e.Timeout() {
				return strings.Join(append(out, "open"), " ")
			}
			return strings.Join(append(out, "closed"), " ")
		}
		b, err := io.ReadAll(resp.Body)
		said := fmt.Sprint(resp.StatusCode)
		if err != nil {
			said += " broken"
		} else if resp.StatusCode == 200 {
			said += fmt.Sprintf(" %q", b)
		}
		out = append(out, said)
	}
}

const smuggled = "POST /count/smuggled HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"

// hostile are requests that are not what they seem, and what the server makes of them. A request that is hidden in one
// must never reach the object.
var hostile = []struct{ name, text, want string }{
	{"both lengths: it is chunked", "POST /body/a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /n/b HTTP/1.1\r\nHost: h\r\n\r\n", `200 "0 bytes" 200 "0" open`},
	{"two lengths", "POST /body/a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde", `400 closed`},
	{"the same length twice", "POST /body/a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", `200 "3 bytes" open`},
	{"a list of lengths", "POST /body/a HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 3\r\n\r\nabc", `400 closed`},
	{"a signed length", "POST /body/a HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc", `400 closed`},
	{"a negative length", "POST /body/a HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", `400 closed`},
	{"a huge length", "POST /body/a HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n", `400 closed`},
	{"a length past the limit", "POST /body/a HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999999\r\n\r\n" + smuggled, `413 closed`},
	{"an unknown coding", "POST /body/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", `501 closed`},
	{"two codings", "POST /body/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", `501 closed`},
	{"a list of codings", "POST /body/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", `501 closed`},
	{"a coding after a tab", "POST /body/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n", `200 "0 bytes" open`},
	{"a coding with a vertical tab", "POST /body/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", `400 closed`},
	{"a space before the colon", "POST /body/a HTTP/1.1\r\nHost: h\r\nContent-Length : 3\r\n\r\nabc", `400 closed`},
	{"a folded header", "GET /n/a HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n Content-Length: 5\r\n\r\n", `200 "0" open`},
	{"a folded first header", "GET /n/a HTTP/1.1\r\n Host: h\r\n\r\n", `400 closed`},
	{"bare line feeds", "GET /n/a HTTP/1.1\nHost: h\n\n", `200 "0" open`},
	{"a bare carriage return", "GET /n/a HTTP/1.1\r\nHost: h\r\nX: a\rContent-Length: 3\r\n\r\n", `400 closed`},
	{"a zero byte in a value", "GET /n/a HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n", `400 closed`},
	{"a name that is none", "GET /n/a HTTP/1.1\r\nHost: h\r\nX(y): 1\r\n\r\n", `400 closed`},
	{"chunk extensions", "POST /body/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b;c=\"d\"\r\nabc\r\n0\r\n\r\n", `200 "3 bytes" open`},
	{"a chunk extension ended by a line feed", "POST /body/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;a\nabc\r\n0\r\n\r\n" + smuggled, `200 "0 byteschunked line ends with bare LF\n" closed`},
	{"a chunk extension without end", "POST /body/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;" + strings.Repeat("a", 1<<16) + "\r\nabc\r\n0\r\n\r\n" + smuggled, `200 "0 bytesheader line too long\n" closed`},
	{"a chunk size that is none", "POST /body/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + smuggled, `200 "0 bytesinvalid byte in chunk length\n" closed`},
	{"a negative chunk size", "POST /body/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n" + smuggled, `200 "0 bytesinvalid byte in chunk length\n" closed`},
	{"a chunk size that overflows", "POST /body/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n" + smuggled, `200 "0 byteshttp chunk length too large\n" closed`},
	{"a chunk longer than its size", "POST /body/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n" + smuggled, `200 "3 bytesmalformed chunked encoding\n" closed`},
	{"a bad chunk after an answer has begun", "POST /echo/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n" + smuggled, `200 "abcinvalid byte in chunk length\n" closed`},
	{"a bad chunk that nobody reads", "POST /n/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + smuggled, `200 "0" closed`},
	{"a length in a trailer", "POST /body/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n", `400 closed`},
	{"a body of a GET", "GET /body/a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", `200 "3 bytes" open`},
	{"no host", "GET /n/a HTTP/1.1\r\n\r\n", `400 closed`},
	{"two hosts", "GET /n/a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", `400 closed`},
	{"a host that is none", "GET /n/a HTTP/1.1\r\nHost: a b\r\n\r\n", `400 closed`},
	{"another host in the line", "GET http://other/n/a HTTP/1.1\r\nHost: h\r\n\r\n", `200 "0" open`},
	{"a scheme that is not HTTP", "GET file:///etc/passwd HTTP/1.1\r\nHost: h\r\n\r\n", `400 closed`},
	{"a user in the line", "GET http://u:p@h/n/a HTTP/1.1\r\nHost: h\r\n\r\n", `200 "0" open`},
	{"no path", "GET h HTTP/1.1\r\nHost: h\r\n\r\n", `400 closed`},
	{"a star", "GET * HTTP/1.1\r\nHost: h\r\n\r\n", `400 closed`},
	{"a star of OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", `200 "" open`},
	{"CONNECT", "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", `405 closed`},
	{"TRACE", "TRACE /n/a HTTP/1.1\r\nHost: h\r\n\r\n", `200 "0" open`},
	{"a method of one's own", "SMUGGLE /n/a HTTP/1.1\r\nHost: h\r\n\r\n", `200 "0" open`},
	{"a method that is none", "G(T /n/a HTTP/1.1\r\nHost: h\r\n\r\n", `400 closed`},
	{"dots in the path", "GET /../../n/a HTTP/1.1\r\nHost: h\r\n\r\n", `404 open`},
	{"a broken escape", "GET /n/%zz HTTP/1.1\r\nHost: h\r\n\r\n", `400 closed`},
	{"an escaped zero byte", "GET /n/%00 HTTP/1.1\r\nHost: h\r\n\r\n", `200 "0" open`},
	{"bytes that are no UTF-8", "GET /n/\xff\xfe HTTP/1.1\r\nHost: h\r\n\r\n", `200 "0" open`},
	{"two slashes", "GET //n/a HTTP/1.1\r\nHost: h\r\n\r\n", `404 open`},
	{"a fragment", "GET /n/a#x HTTP/1.1\r\nHost: h\r\n\r\n", `200 "0" open`},
	{"a long path", "GET /n/a?" + strings.Repeat("x", 1<<16+8192) + " HTTP/1.1\r\nHost: h\r\n\r\n", `431 closed`},
	{"a long header", "GET /n/a HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 1<<16+8192) + "\r\n\r\n", `431 closed`},
	{"very many headers", "GET /n/a HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("a:\r\n", 18<<10) + "\r\n", `431 closed`},
	{"many headers", "GET /n/a HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("a:\r\n", 15<<10) + "\r\n", `200 "0" open`},
	{"many different headers", "GET /n/a HTTP/1.1\r\nHost: h\r\n" + different(6000) + "\r\n", `200 "0" open`},
	{"HTTP/0.9", "GET /n/a\r\n\r\n", `400 closed`},
	{"HTTP/1.0", "GET /n/a HTTP/1.0\r\n\r\n", `200 "0" closed`},
	{"HTTP/3.0", "GET /n/a HTTP/3.0\r\nHost: h\r\n\r\n", `505 closed`},
	{"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", `505 closed`},
	{"an upgrade to HTTP/2", "GET /n/a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", `200 "0" open`},
	{"a handshake of TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", `400 closed`},
	{"an unknown expectation", "POST /body/a HTTP/1.1\r\nHost: h\r\nExpect: 200-maybe\r\nContent-Length: 0\r\n\r\n", `417 closed`},
	{"a socket without a key", "GET /ws/a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n", `400 open`},
	{"a socket of an old version", "GET /ws/a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", `400 open`},
	{"a socket by POST", "POST /ws/a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nContent-Length: 0\r\n\r\n", `405 open`},
	{"a socket with a body", "GET /ws/a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nContent-Length: 20000\r\n\r\n", `400 closed`},
	{"a socket with frames ahead of the answer", "GET /ws/a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n" + smuggled, `closed`},
	{"an upgrade of what is no socket", "GET /n/b HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", `200 "0" open`},
	{"pipelined", "GET /n/p HTTP/1.1\r\nHost: h\r\n\r\nPOST /count/p HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\nGET /n/p HTTP/1.1\r\nHost: h\r\n\r\n", `200 "0" 200 "1" 200 "1" open`},
	{"half a request", "GET /n/a HTTP/1.1\r\nHos", `400 closed`},
}

func different(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "x%d:\r\n", i)
	}
	return b.String()
}

func TestServer_hostile(t *testing.T) {
	t.Parallel()
	h := scenario(t, realTime, func(o *hosttest.Options) {
		o.BodyTimeout = time.Second
		o.Server = host.ServerOptions{HeaderTimeout: time.Second, IdleTimeout: 10 * time.Second}
	})
	conns := make([]net.Conn, len(hostile))
	got := make([]string, len(hostile))
	var wg sync.WaitGroup
	for i, row := range hostile {
		c := raw(t, h)
		conns[i] = c
		go func() { _, _ = io.WriteString(c, row.text) }()
		wg.Go(func() {
			method, _, _ := strings.Cut(row.text, " ")
			got[i] = answers(c, method, 5*time.Second)
		})
	}
	wg.Wait()
	for i, row := range hostile {
		require.Equal(t, row.want, got[i], row.name)
		require.NoError(t, conns[i].Close())
	}
	status, n := h.Fetch("GET", "/n/smuggled", "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "0", n)
	require.NotContains(t, h.Log(), "the isolate ended")
	c := raw(t, h) // the check finds what it looks for
	_, err := io.WriteString(c, smuggled)
	require.NoError(t, err)
	require.Equal(t, `200 "1" open`, answers(c, "POST", time.Second))
	_, n = h.Fetch("GET", "/n/smuggled", "")
	require.Equal(t, "1", n)
}

// TestServer_slow: whoever is slow is waited for only so long, at each place where a server waits for its client.
func TestServer_slow(t *testing.T) {
	t.Parallel()
	const limit = 300 * time.Millisecond
	h := scenario(t, realTime, func(o *hosttest.Options) {
		o.BodyTimeout = limit
		o.Server = host.ServerOptions{HeaderTimeout: limit, IdleTimeout: limit}
	})
	const post = "POST /body/a HTTP/1.1\r\nHost: h\r\n"
	for _, row := range []struct{ name, text, drip, want string }{
		{"nothing", "", "", "closed"},
		{"half a head", "GET /n/a HTTP/1.1\r\nHost: h\r\n", "", "closed"},
		{"a head that trickles", "GET /n/a HTTP/1.1\r\nX: ", "x", "closed"},
		{"idle after a request", "GET /n/a HTTP/1.1\r\nHost: h\r\n\r\n", "", `200 "0" closed`},
		{"no body", post + "Content-Length: 10\r\n\r\n", "", "408 closed"},
		{"a small body that trickles", post + "Content-Length: 16000\r\n\r\n", "x", "408 closed"},
		{"half of a large body", post + "Content-Length: 20000\r\n\r\nabc", "", "408 closed"},
		{"half of chunks", post + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "", "408 closed"},
		{"a body that nobody reads", "POST /n/a HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\n\r\nabc", "", `200 "0" closed`},
	} {
		c := raw(t, h)
		began := time.Now()
		stop := make(chan struct{})
		go func() {
			_, err := io.WriteString(c, row.text)
			for err == nil && row.drip != "" {
				select {
				case <-stop:
					return
				case <-time.After(limit / 6):
					_, err = io.WriteString(c, row.drip)
				}
			}
		}()
		require.Equal(t, row.want, answers(c, http.MethodGet, 5*time.Second), row.name)
		close(stop)
		require.Less(t, time.Since(began), 4*time.Second, row.name)
		require.NoError(t, c.Close())
	}

	// A client that takes nothing of its response; the object hears of it.
	c := raw(t, h)
	_, err := io.WriteString(c, "GET /flood/slow?mb=64 HTTP/1.1\r\nHost: h\r\n\r\n")
	require.NoError(t, err)
	slow := h.Object("HOME", "slow")
	require.Eventually(t, slow.InMemory, 5*time.Second, time.Millisecond)
	require.Error(t, slow.Evict(), "its response is under way")
	require.Eventually(t, func() bool { return slow.Evict() == nil }, 10*time.Second, 10*time.Millisecond)
	got, err := io.Copy(io.Discard, c)
	t.Logf("%d MiB of 64 had left; then %v", got>>20, err)
	require.Less(t, got, int64(32<<20))
}

// TestServer_cancelled: a request that whoever serves has cancelled has no answer of the worker's, and must not look as if it had
// one: the client is there, and would take it for done.
func TestServer_cancelled(t *testing.T) {
	t.Parallel()
	h := scenario(t, realTime)
	for name, body := range map[string]string{"no body": "", "a small one": "abc", "a large one": strings.Repeat("x", 100_000)} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			s := httptest.NewUnstartedServer(h.Handler())
			s.Config.BaseContext = func(net.Listener) context.Context { return ctx }
			s.Start()
			defer s.Close()
			time.AfterFunc(30*time.Millisecond, cancel)
			resp, err := s.Client().Post(s.URL+"/sleep/a?ms=60000", "", strings.NewReader(body))
			require.NoError(t, err)
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode, "%s", b)
			require.True(t, resp.Close, "nor may what follows on this connection")
		})
	}
}

// TestServer_crowd: idle and half-open connections give way to those that ask for something; those that do do not.
func TestServer_crowd(t *testing.T) {
	t.Parallel()
	const connections = 40
	h := scenario(t, realTime, func(o *hosttest.Options) { o.Server = host.ServerOptions{Connections: connections} })
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func() string {
		resp, err := client.Get(h.URL + "/n/a")
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return string(b)
	}
	idle := make([]net.Conn, 0, 3*connections)
	for i := range cap(idle) {
		c := raw(t, h)
		_, _ = io.WriteString(c, []string{"", "GET /n/a HTTP/1.1\r\n", "GET /n/a HTTP/1.1\r\nHost: h\r\n\r\n"}[i%3])
		idle = append(idle, c)
		require.Equal(t, "0", ask(), "%d", i)
	}
	_, err := idle[0].Read(make([]byte, 1))
	require.Error(t, err, "the oldest was closed")

	sockets := make([]*websocket.Conn, connections)
	for i := range sockets {
		sockets[i] = h.Dial("/ws/room")
	}
	require.NotEqual(t, "0", ask(), "all of them are in use")
	for i, c := range sockets {
		require.Contains(t, say(t, c, "hi"), "hi seen=1", "%d", i)
	}
	require.NoError(t, sockets[0].Close())
	require.Eventually(t, func() bool { return ask() == "0" }, 5*time.Second, time.Millisecond)
}

// TestServer_flood: thousands of connections that are idle, half-open or send garbage do not slow others down by more than
// their own work does. The test's bound is generous; it reports the figures.
func TestServer_flood(t *testing.T) {
	h := scenario(t, realTime, func(o *hosttest.Options) { o.Server = host.ServerOptions{Connections: 1000} })
	h.Fetch("GET", "/touch/a", "")
	before := touches(t, h.URL+"/touch/a", after(time.Second))
	var done atomic.Bool
	var wg sync.WaitGroup
	var opened atomic.Int64
	var small []string
	for _, row := range hostile {
		if len(row.text) < 1000 && !strings.Contains(row.text, "smuggled") {
			small = append(small, row.text)
		}
	}
	small = append(small, "", "GET /touch/b HTTP/1.1\r\n")
	for k := range 4 {
		wg.Go(func() {
			var held []net.Conn
			for i := k; !done.Load(); i++ {
				c, err := net.Dial("tcp", strings.TrimPrefix(h.URL, "http://"))
				if err != nil {
					t.Error(err)
					return
				}
				opened.Add(1)
				_, _ = io.WriteString(c, small[i%len(small)])
				if held = append(held, c); len(held) > 500 {
					_ = held[0].Close()
					held = held[1:]
				}
				time.Sleep(time.Millisecond)
			}
			for _, c := range held {
				_ = c.Close()
			}
		})
	}
	long := after(2 * time.Second)
	during := touches(t, h.URL+"/touch/a", func() bool { return long() && opened.Load() > 1000 || t.Failed() }) // more than there is room for
	done.Store(true)
	wg.Wait()
	p, q := before[len(before)*99/100], during[len(during)*99/100]
	t.Logf("p99 %v of %d, and %v of %d while %d hostile connections come: %.1f times", p, len(before), q, len(during), opened.Load(), float64(q)/float64(p))
	require.Less(t, q, time.Second)
}

// TestServer_tls: a connection of HTTP/2 serves many requests at a time, and is idle when it serves none.
func TestServer_tls(t *testing.T) {
	t.Parallel()
	certificate, key := selfSigned(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	begun, release := make(chan struct{}), make(chan struct{})
	taken := make(chan net.Conn, 1)
	s := host.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/wait":
			begun <- struct{}{}
			<-release
		case "/take":
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
			}
			taken <- c
			return
		}
		_, _ = io.WriteString(w, r.Proto)
	}), host.ServerOptions{Connections: 1})
	served := make(chan error, 1)
	go func() { served <- s.ServeTLS(l, certificate, key) }()
	ask := func(c *http.Client, path string) string {
		resp, err := c.Get("https://" + l.Addr().String() + path)
		if err != nil {
			return "refused"
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return string(b)
	}
	client := func() *http.Client {
		tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
		t.Cleanup(tr.CloseIdleConnections)
		return &http.Client{Transport: tr}
	}
	first, second := client(), client()
	require.Equal(t, "HTTP/2.0", ask(first, "/"))
	waiting := make(chan string, 2)
	for range 2 {
		go func() { waiting <- ask(first, "/wait") }()
	}
	<-begun
	<-begun
	require.Equal(t, "refused", ask(second, "/"))
	require.Equal(t, "HTTP/2.0", ask(first, "/"), "two others wait, and it still serves")
	require.Equal(t, "refused", ask(second, "/"))
	close(release)
	require.Equal(t, "HTTP/2.0", <-waiting)
	require.Equal(t, "HTTP/2.0", <-waiting)
	require.Eventually(t, func() bool { return ask(second, "/") == "HTTP/2.0" }, 5*time.Second, time.Millisecond)

	// One that was taken over is never idle, though nothing is asked of the server there any more.
	c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	_, err = io.WriteString(c, "GET /take HTTP/1.1\r\nHost: h\r\n\r\n")
	require.NoError(t, err)
	own := <-taken
	require.Equal(t, "refused", ask(second, "/"))
	require.Equal(t, "refused", ask(first, "/"))
	require.NoError(t, own.Close())
	require.NoError(t, c.Close())
	require.Eventually(t, func() bool { return ask(second, "/") == "HTTP/2.0" }, 5*time.Second, time.Millisecond)
	require.NoError(t, s.Close())
	require.ErrorIs(t, <-served, http.ErrServerClosed)
}

// selfSigned are files of a certificate and its key.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &secret.PublicKey, secret)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(secret)
	require.NoError(t, err)
	write := func(name, kind string, b []byte) string {
		file := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600))
		return file
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", private)
}
