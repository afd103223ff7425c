package ws

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// handshakeLimit is how long a server may take to answer.
const handshakeLimit = 30 * time.Second

// own are the headers of a handshake that the dialer makes itself.
var own = []string{"Upgrade", "Connection", "Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Extensions"}

// Dial asks the server at url, of the scheme http or https, for a socket. If it answers otherwise there is a response, of whose
// body the first 1,024 bytes are read, and no connection. Redirects are answers. As workerd does it offers no extension.
func Dial(ctx context.Context, url string, header http.Header) (*Conn, *http.Response, error) {
	header = header.Clone()
	for _, name := range own {
		header.Del(name)
	}
	d := websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: handshakeLimit,
		ReadBufferSize: 4096, WriteBufferSize: 4096, WriteBufferPool: buffers}
	c, resp, err := d.DialContext(ctx, "ws"+strings.TrimPrefix(url, "http"), header)
	if errors.Is(err, websocket.ErrBadHandshake) && resp != nil {
		return nil, resp, nil
	}
	if err != nil {
		return nil, nil, err
	}
	return newConn(c), resp, nil
}
