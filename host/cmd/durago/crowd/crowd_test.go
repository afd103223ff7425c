package crowd_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"durago.example/host/cmd/durago/crowd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hub is a room that does wrong what a test asks for, to messages of a number from 5 on.
type hub struct {
	mu    sync.Mutex
	conns []*websocket.Conn
	harm  func(number, member int, frame []byte) [][]byte
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u := websocket.Upgrader{}
	c, err := u.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	h.mu.Lock()
	h.conns = append(h.conns, c)
	_ = c.WriteMessage(websocket.TextMessage, []byte(`{"event":"session:list","sessions":[]}`))
	h.mu.Unlock()
	for {
		_, b, err := c.ReadMessage()
		if err != nil {
			return
		}
		var m struct {
			Event string
			I     int
		}
		if json.Unmarshal(b, &m) != nil || m.Event != "chat" {
			continue
		}
		h.mu.Lock()
		for i, to := range h.conns {
			frames := [][]byte{b}
			if h.harm != nil && m.I >= 5 {
				frames = h.harm(m.I, i, b)
			}
			for _, f := range frames {
				_ = to.WriteMessage(websocket.TextMessage, f)
			}
		}
		h.mu.Unlock()
	}
}

func run(t *testing.T, h *hub) *crowd.Report {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	r, err := crowd.Run(t.Context(), crowd.Options{URL: s.URL, Event: "chat", Rooms: 1, Members: 2, Rate: 200, Size: 200, Duration: 100 * time.Millisecond, Wait: 100 * time.Millisecond, Seed: 1})
	require.NoError(t, err)
	require.EqualValues(t, 20, r.Sent)
	require.EqualValues(t, 40, r.Expected)
	return r
}

// TestRun: what a room does wrong is counted, each wrong as what it is.
func TestRun(t *testing.T) {
	t.Run("nothing", func(t *testing.T) {
		r := run(t, &hub{})
		require.True(t, r.Sound())
		require.EqualValues(t, 40, r.Delivered)
		require.Positive(t, r.P50)
		require.LessOrEqual(t, r.P99, r.Max)
	})
	t.Run("lost", func(t *testing.T) {
		r := run(t, &hub{harm: func(number, member int, b []byte) [][]byte {
			if number == 7 && member == 1 || number == 9 {
				return nil
			}
			return [][]byte{b}
		}})
		require.EqualValues(t, 3, r.Lost)
		require.EqualValues(t, 37, r.Delivered)
		require.False(t, r.Sound())
		require.Zero(t, r.Doubled+r.OutOfOrder)
	})
	t.Run("doubled", func(t *testing.T) {
		r := run(t, &hub{harm: func(number, _ int, b []byte) [][]byte {
			if number == 7 {
				return [][]byte{b, b}
			}
			return [][]byte{b}
		}})
		require.EqualValues(t, 2, r.Doubled)
		require.EqualValues(t, 40, r.Delivered)
		require.Zero(t, r.Lost+r.OutOfOrder)
	})
	t.Run("out of order", func(t *testing.T) {
		held := map[string][]byte{} // by sender and member
		r := run(t, &hub{harm: func(number, member int, b []byte) [][]byte {
			var m struct{ Sender int }
			_ = json.Unmarshal(b, &m)
			key := fmt.Sprint(m.Sender, " ", member)
			if before, ok := held[key]; ok {
				if before == nil {
					return [][]byte{b}
				}
				held[key] = nil
				return [][]byte{b, before}
			}
			held[key] = b
			return nil
		}})
		require.EqualValues(t, 4, r.OutOfOrder, "of two senders, at two members")
		require.Zero(t, r.Lost+r.Doubled)
	})
	t.Run("late", func(t *testing.T) { // the clock of a message does not wait for the room
		r := run(t, &hub{harm: func(number, _ int, b []byte) [][]byte {
			if number == 5 {
				time.Sleep(60 * time.Millisecond)
			}
			return [][]byte{b}
		}})
		require.Greater(t, r.Max, 55.0)
		require.Greater(t, r.P90, 40.0, "those that were due meanwhile were late too")
	})
}
