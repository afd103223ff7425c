package hosttest_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// rooms are the objects that the clients of another process share.
const rooms = 100

// clients are WebSockets of another process, which is this program again: a process may only have so many files, and weighs what
// is in it. It does what it is told by a line, and answers each with "ok" or what went wrong.
type clients struct {
	in  io.WriteCloser
	out *bufio.Reader
}

// clientsOf is the environment variable that makes the program one of clients: an address and how many.
const clientsOf = "DURAGO_TEST_CLIENTS"

func startClients(t *testing.T, addr string, n int) *clients {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", clientsOf, addr, n))
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	require.NoError(t, err)
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		_ = in.Close()
		require.NoError(t, c.Wait())
	})
	return &clients{in, bufio.NewReader(out)}
}

// ask has the clients open themselves, or all say something and hear the answer.
func (c *clients) ask(t *testing.T, what string) {
	t.Helper()
	_, err := fmt.Fprintln(c.in, what)
	require.NoError(t, err)
	line, err := c.out.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ok\n", line, what)
}

// runClients is the other process.
func runClients(spec string) {
	var addr string
	var n int
	if _, err := fmt.Sscan(spec, &addr, &n); err != nil {
		panic(err)
	}
	conns := make([]net.Conn, n)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		do := map[string]func(c *net.Conn, i int) error{
			"open": func(c *net.Conn, i int) error { return openSocket(c, addr, i) },
			"say":  func(c *net.Conn, _ int) error { return saySomething(*c) },
		}[lines.Text()]
		if err := allOf(conns, do); err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println("ok")
	}
}

// allOf does something with all, sixteen at a time, and returns the first error.
func allOf(conns []net.Conn, do func(c *net.Conn, i int) error) (failed error) {
	var wg sync.WaitGroup
	var once sync.Once
	for k := range 16 {
		wg.Go(func() {
			for i := k; i < len(conns); i += 16 {
				if err := do(&conns[i], i); err != nil {
					once.Do(func() { failed = fmt.Errorf("client %d: %w", i, err) })
					return
				}
			}
		})
	}
	wg.Wait()
	return failed
}

func openSocket(c *net.Conn, addr string, i int) (err error) {
	if *c, err = net.Dial("tcp", addr); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(*c, "GET /ws/room%d HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", i%rooms); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(*c, 512), nil)
	if err == nil && resp.StatusCode != http.StatusSwitchingProtocols {
		err = fmt.Errorf("%s", resp.Status)
	}
	return err
}

func saySomething(c net.Conn) error {
	if _, err := io.WriteString(c, "\x81\x82\x00\x00\x00\x00hi"); err != nil { // masked with nothing
		return err
	}
	head := make([]byte, 2)
	if _, err := io.ReadFull(c, head); err != nil {
		return err
	}
	text := make([]byte, head[1])
	if _, err := io.ReadFull(c, text); err != nil {
		return err
	}
	if head[0] != 0x81 || !bytes.Contains(text, []byte("hi seen=1")) {
		return fmt.Errorf("heard %q after %x", text, head)
	}
	return nil
}

// TestClients_error: what goes wrong there is told here.
func TestClients_error(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	c := startClients(t, l.Addr().String(), 1)
	_, err = fmt.Fprintln(c.in, "open")
	require.NoError(t, err)
	line, err := c.out.ReadString('\n')
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(line, "client 0: "), line)
}
