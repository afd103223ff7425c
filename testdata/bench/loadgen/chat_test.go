package loadgen_test

import (
	"bytes"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/testdata/bench/loadgen"
)

// chatServer is a room in which harm may change what the member of a number, from 0 on, is sent of a message.
func chatServer(t *testing.T, harm func(message, member int, frame []byte) [][]byte) loadgen.Target {
	var mu sync.Mutex
	var members []*websocket.Conn
	sent := 0
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		u := websocket.Upgrader{}
		c, err := u.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		mu.Lock()
		members = append(members, c)
		_ = c.WriteMessage(websocket.TextMessage, []byte(`{"event":"session:list"}`))
		mu.Unlock()
		for {
			_, b, err := c.ReadMessage()
			if err != nil {
				return
			}
			mu.Lock()
			for i, to := range members {
				frames := [][]byte{b}
				if harm != nil {
					frames = harm(sent, i, b)
				}
				for _, f := range frames {
					_ = to.WriteMessage(websocket.TextMessage, f)
				}
			}
			sent++
			mu.Unlock()
		}
	})
}

func TestChat_Run(t *testing.T) {
	load := loadgen.Chat{Route: "chat", Members: 3, Size: 128, Window: 2, Warm: 20 * time.Millisecond, Duration: 100 * time.Millisecond}
	t.Run("counts deliveries", func(t *testing.T) {
		for _, rate := range []float64{0, 200} {
			load := load
			load.Target, load.Rate = chatServer(t, func(_, _ int, b []byte) [][]byte {
				require.Len(t, b, 128)
				return [][]byte{b}
			}), rate
			r, err := load.Run(t.Context())
			require.NoError(t, err)
			require.Zero(t, r.Errors, r.FirstError)
			require.Positive(t, r.P50)
			if rate > 0 {
				require.Positive(t, r.Broadcasts)
			}
		}
	})
	for name, row := range map[string]struct {
		says string
		harm func(message, member int, b []byte) [][]byte
	}{
		"lost": {"got message 6, want 5", func(k, m int, b []byte) [][]byte { return map[bool][][]byte{k != 5 || m != 1: {b}}[true] }},
		"doubled": {"got message 5, want 6", func(k, m int, b []byte) [][]byte {
			return append([][]byte{b}, map[bool][][]byte{k == 5 && m == 2: {b}}[true]...)
		}},
		"refused": {`got {"event":"error"}`, func(int, int, []byte) [][]byte { return [][]byte{[]byte(`{"event":"error"}`)} }},
		"spoilt": {"which was never sent", func(_, _ int, b []byte) [][]byte {
			return [][]byte{bytes.Replace(b, []byte(`"stamp":"`), []byte(`"stamp":"x`), 1)}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			load := load
			load.Target, load.Rate = chatServer(t, row.harm), 200
			r, err := load.Run(t.Context())
			require.NoError(t, err)
			require.Positive(t, r.Errors)
			require.Contains(t, r.FirstError, row.says)
		})
	}
}
