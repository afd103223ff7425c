package objects

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"durago.example/objects/driver"
)

// Conn is an ordinary socket, of Accept or Dial: whoever has it reads it in a loop, as elsewhere in Go. While one is open its
// object stays in memory and does not hibernate; use State.AcceptWebSocket for many clients that are mostly silent. It ends
// with its object, or the request to the front that it belongs to: the other side sees 1006. See
// https://developers.cloudflare.com/durable-objects/best-practices/websockets/.
//
// A close of the other side is answered at once, by the runtime. Messages of a client on the network are at most 32 MiB.
// Send, Close and ReadyState may be called from any goroutine of the object or request, Receive from one at a time.
type Conn struct {
	conn       driver.Conn
	protocol   string
	extensions string
}

// CloseError is what Receive returns at the end of a socket: how the other side closed.
type CloseError = driver.CloseError

// Accept answers r, an upgrade request, with a socket, of an object or of the worker's front. The answer leaves at once; the
// handler goes on, and the event lasts until it returns. A request to the front lasts as long as its socket, too. o may be nil
// and has no tags. w is the handler's own or wraps it with an Unwrap method; after Accept nothing else is written to it. If the
// handler panics the socket is closed with 1011.
func Accept(w http.ResponseWriter, r *http.Request, o *AcceptOptions) (*Conn, error) {
	a, ok := unwrap[driver.Acceptor](w)
	switch {
	case !ok:
		return nil, errors.New("objects: Accept needs the handler's own http.ResponseWriter, or one that unwraps to it")
	case !strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		return nil, &Error{Name: "TypeError", Message: `Worker tried to return a WebSocket in a response to a request which did not contain the header "Upgrade: websocket".`}
	case o == nil:
		o = &AcceptOptions{}
	case len(o.Tags) > 0:
		return nil, errors.New("objects: only hibernatable sockets have tags: see State.AcceptWebSocket")
	}
	c, err := a.Accept(o.header())
	if err != nil {
		return nil, err
	}
	return &Conn{conn: c, protocol: o.Protocol}, nil
}

// Dial asks a server of the network for a socket. r is a GET of a URL of the scheme http, https, ws or wss; subprotocols are
// offered with the header Sec-WebSocket-Protocol. Redirects are not followed. If the server answers otherwise than with 101
// there is an error, and its response, whose body the caller closes.
func Dial(ctx context.Context, r *http.Request) (*Conn, *http.Response, error) {
	s := scopeOf(ctx)
	if s == nil {
		return nil, nil, errNoScope
	}
	return dial(ctx, s.Platform(), r)
}

// Dial asks the object for a socket, of which the caller is the client: the object accepts it either way, and nothing is
// between the two, nor a limit of a message's size. If its HTTP handler answers otherwise than with 101 there is an error, and
// the response, whose body the caller closes.
func (s *Stub) Dial(ctx context.Context, r *http.Request) (*Conn, *http.Response, error) {
	if s.err != nil {
		return nil, nil, s.err
	}
	return dial(ctx, s.stub, r)
}

func dial(ctx context.Context, via any, r *http.Request) (*Conn, *http.Response, error) {
	d, ok := via.(driver.Dialer)
	if !ok {
		return nil, nil, errors.New("objects: Dial: this runtime has no sockets")
	}
	if r.URL.Host == "" {
		return nil, nil, &Error{Name: "TypeError", Message: "Invalid URL: " + r.URL.String()}
	}
	q := r.Clone(ctx)
	q.URL = httpURL(r.URL)
	q.Header.Set("Upgrade", "websocket")
	c, resp, err := d.Dial(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	if c == nil {
		return nil, resp, fmt.Errorf("objects: Dial %s: the answer is %d %s, not 101", r.URL, resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	return &Conn{conn: c, protocol: resp.Header.Get("Sec-WebSocket-Protocol"), extensions: resp.Header.Get("Sec-WebSocket-Extensions")}, resp, nil
}

// httpURL is u with the scheme that fetch knows.
func httpURL(u *url.URL) *url.URL {
	scheme := map[string]string{"ws": "http", "wss": "https"}[u.Scheme]
	if scheme == "" {
		return u
	}
	v := *u
	v.Scheme = scheme
	return &v
}

// Receive waits for the next message. When the other side has closed or vanished, and what came before has been received,
// the error is a *CloseError. If ctx ends first its cause is the error, and nothing is lost.
func (c *Conn) Receive(ctx context.Context) (Message, error) {
	text, data, err := c.conn.Receive(ctx)
	return Message{data, text}, err
}

// Send sends a message once the writes before it are on disk. It does not wait for the other side. After Close, or once the
// other side has closed, it fails; what is sent to one that has vanished is dropped.
func (c *Conn) Send(m Message) error { return c.conn.Send(m.Text, m.Data) }

// Close begins the closing handshake, which ends when Receive returns the answer. Code and reason are as WebSocket.Close has
// them. A second Close does nothing.
func (c *Conn) Close(code int, reason string) error { return c.conn.Close(code, reason) }

// ReadyState is Open; Closing after Close; Closed at the end, whether it has been received or not.
func (c *Conn) ReadyState() (int, error) { return c.conn.ReadyState() }

// Protocol is the subprotocol that was chosen, or empty.
func (c *Conn) Protocol() string { return c.protocol }

// Extensions are those that the other side agreed to, of a socket of Dial; empty if it was accepted.
func (c *Conn) Extensions() string { return c.extensions }
