package ws_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/ws"
)

var deflating = websocket.Dialer{Subprotocols: []string{"chat"}, EnableCompression: true}

// TestConn_deflate: messages are deflated for who offers it, as workerd does by default, and for nobody else.
func TestConn_deflate(t *testing.T) {
	t.Run("a client that offers it", func(t *testing.T) {
		p, c, agreed := dialWith(t, deflating)
		require.Equal(t, "permessage-deflate; server_no_context_takeover; client_no_context_takeover", agreed)
		text := strings.Repeat("deflate ", 10_000)
		for range 3 { // each for itself
			require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte(text)))
			require.Equal(t, text, <-p.messages)
			p.conn.Send(true, []byte(text))
			require.Equal(t, text, read(t, c))
		}
		c.EnableWriteCompression(false) // it may send some as they are
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("plain")))
		require.Equal(t, "plain", <-p.messages)
	})
	t.Run("what is sent is small", func(t *testing.T) {
		_, raw, conn := offer(t, "permessage-deflate")
		conn.Send(true, bytes.Repeat([]byte("a"), 100_000))
		head := make([]byte, 4)
		_, err := io.ReadFull(raw, head)
		require.NoError(t, err)
		require.Equal(t, byte(0xc1), head[0], "RSV1 says that it is deflated")
		require.Equal(t, byte(126), head[1])
		require.Less(t, int(binary.BigEndian.Uint16(head[2:])), 1000)
	})
	for _, row := range []struct{ offer, agreed string }{
		{"", ""},
		{"permessage-deflate", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
		{"permessage-deflate; client_max_window_bits", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
		{"permessage-deflate; client_max_window_bits=10; server_no_context_takeover", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
		{"permessage-deflate; server_max_window_bits=10", ""}, // it could not inflate what we send
		{"permessage-deflate; server_max_window_bits=10, permessage-deflate", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
		{"permessage-deflate; unheard_of", ""},
		{"x-webkit-deflate-frame", ""},
	} {
		t.Run("offered "+row.offer, func(t *testing.T) {
			agreed, _, _ := offer(t, row.offer)
			require.Equal(t, row.agreed, agreed)
		})
	}
}

// offer opens a connection by hand, with an offer of extensions.
func offer(t testing.TB, extensions string) (agreed string, raw *bufio.Reader, conn *ws.Conn) {
	t.Helper()
	conns := make(chan *ws.Conn, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Upgrade(w, r, nil)
		if err == nil {
			conns <- c
			<-c.Ended()
		}
	}))
	t.Cleanup(s.Close)
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	require.NoError(t, err)
	r, err := http.NewRequest("GET", s.URL, nil)
	require.NoError(t, err)
	r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"x3JJHMbDL1EzLkh9GBhXDw=="},
		"Sec-Websocket-Extensions": {extensions}}
	require.NoError(t, r.Write(c))
	raw = bufio.NewReader(c)
	resp, err := http.ReadResponse(raw, r)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	conn = <-conns
	t.Cleanup(func() {
		conn.Drop()
		_ = c.Close()
	})
	return resp.Header.Get("Sec-WebSocket-Extensions"), raw, conn
}

// TestConn_bomb: the limit of a message's size counts what it is inflated.
func TestConn_bomb(t *testing.T) {
	p, c, _ := dialWith(t, deflating)
	require.NoError(t, c.WriteMessage(websocket.BinaryMessage, make([]byte, ws.MaxMessage)))
	require.Len(t, <-p.messages, len("binary ")+ws.MaxMessage)
	_, err := c.NetConn().Write(bomb(t, 64<<20))
	require.NoError(t, err)
	_, _, err = c.ReadMessage()
	var e *websocket.CloseError
	require.ErrorAs(t, err, &e)
	require.Equal(t, websocket.CloseError{Code: 1009, Text: "Message is too large"}, *e)
	require.Equal(t, gone{1009, "Message is too large", false}, <-p.gone)
	require.NoError(t, c.Close())
	<-p.served
}

// bomb is a frame of less than a hundredth of n bytes, which is n zeroes deflated.
func bomb(t *testing.T, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	require.NoError(t, err)
	zeroes := make([]byte, 1<<20)
	for range n >> 20 {
		_, err = w.Write(zeroes)
		require.NoError(t, err)
	}
	require.NoError(t, w.Flush())
	data := bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xff, 0xff})
	require.Less(t, len(data), n/100)
	frame := binary.BigEndian.AppendUint64([]byte{0xc2, 0xff}, uint64(len(data)))
	return append(append(frame, 0, 0, 0, 0), data...) // masked with nothing
}
