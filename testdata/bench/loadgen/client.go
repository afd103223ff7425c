package loadgen

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// requestLimit is how long one request may take.
const requestLimit = 30 * time.Second

// client is one connection with one request in flight. It is not http.Client: on a machine that the generator shares
// with the server, what the generator saves the server can use, and a faster server is not punished more.
type client struct {
	addr string
	conn net.Conn
	in   *bufio.Reader
	body [32 << 10]byte
}

// appendRequest writes a request as it goes over the wire.
func appendRequest(dst []byte, method, host, path, body string) []byte {
	dst = fmt.Appendf(dst, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, host)
	if body != "" || method == http.MethodPost || method == http.MethodPut {
		dst = fmt.Appendf(dst, "Content-Length: %d\r\n", len(body))
	}
	return append(append(dst, "\r\n"...), body...)
}

// do sends a request and reads the whole answer. A limiter's 429 is an answer, not an error. After an error the next
// request gets a new connection.
func (c *client) do(request []byte) error {
	err := c.exchange(request)
	if err != nil {
		c.close()
	}
	return err
}

func (c *client) exchange(request []byte) error {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.addr, 5*time.Second)
		if err != nil {
			return err
		}
		c.conn, c.in = conn, bufio.NewReader(conn)
	}
	if err := c.conn.SetDeadline(time.Now().Add(requestLimit)); err != nil {
		return err
	}
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusTooManyRequests {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return fmt.Errorf("%s: %s", resp.Status, text)
	}
	for {
		if _, err := resp.Body.Read(c.body[:]); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	if resp.Close {
		c.close()
	}
	return nil
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// failures counts errors and keeps the first.
type failures struct {
	n     atomic.Int64
	once  sync.Once
	first string
}

func (f *failures) add(err error) {
	f.once.Do(func() { f.first = err.Error() })
	f.n.Add(1)
}

// fill writes the errors into r, once nobody adds any more.
func (f *failures) fill(r *Result) { r.Errors, r.FirstError = int(f.n.Load()), f.first }
