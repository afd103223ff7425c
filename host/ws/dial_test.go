package ws_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/ws"
)

// TestDial: what a server is asked for, and its answers.
func TestDial(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		u := websocket.Upgrader{Subprotocols: []string{"b"}, EnableCompression: true}
		c, err := u.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		_ = c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "%v %v %v", r.Header["Sec-Websocket-Protocol"], r.Header["Sec-Websocket-Extensions"], r.Header["X-Own"]))
		for {
			kind, b, err := c.ReadMessage() // gorilla answers a close
			if err != nil {
				return
			}
			_ = c.WriteMessage(kind, b)
		}
	})
	mux.HandleFunc("/no", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, strings.Repeat("no ", 1000), http.StatusForbidden)
	})
	mux.HandleFunc("/never", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)

	t.Run("a socket", func(t *testing.T) {
		h := http.Header{"Upgrade": {"websocket"}, "Sec-Websocket-Protocol": {"a, b"}, "Sec-Websocket-Key": {"mine"}, "X-Own": {"yes"}}
		c, resp, err := ws.Dial(t.Context(), s.URL+"/ws", h)
		require.NoError(t, err)
		require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
		require.Equal(t, "b", resp.Header.Get("Sec-WebSocket-Protocol"))
		require.Empty(t, resp.Header.Get("Sec-WebSocket-Extensions"))
		p := &peer{conn: c, messages: make(chan string, 8), gone: make(chan gone, 1), hold: make(chan struct{}), served: make(chan struct{})}
		close(p.hold)
		go func() {
			defer close(p.served)
			c.Serve(p)
		}()
		require.Equal(t, "[a, b] [] [yes]", <-p.messages)
		c.Send(false, []byte("x"))
		require.Equal(t, "binary x", <-p.messages)
		c.Close(4000, "bye")
		require.Equal(t, gone{4000, "", true}, <-p.gone)
		<-p.served
		require.Equal(t, "mine", h.Get("Sec-WebSocket-Key"), "the caller's header is not touched")
	})
	t.Run("another answer", func(t *testing.T) {
		c, resp, err := ws.Dial(t.Context(), s.URL+"/no", http.Header{})
		require.NoError(t, err)
		require.Nil(t, c)
		require.Equal(t, http.StatusForbidden, resp.StatusCode)
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Len(t, b, 1024, "gorilla reads no more")
	})
	t.Run("nobody there", func(t *testing.T) {
		_, _, err := ws.Dial(t.Context(), "http://127.0.0.1:1/", http.Header{})
		require.Error(t, err)
	})
	t.Run("given up", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, _, err := ws.Dial(ctx, s.URL+"/never", http.Header{})
		require.Error(t, err)
	})
}
