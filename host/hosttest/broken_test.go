package hosttest_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/wasm/value"
)

// born calls an object of the class Broken in the background, and returns what will come of it: how often its constructor has
// run, or the error.
func born(t *testing.T, o *hosttest.Object) <-chan string {
	c := make(chan string, 1)
	args := arguments(t)
	go func() {
		b, err := o.CallRPC(t.Context(), "born", args)
		if err != nil {
			c <- err.Error()
			return
		}
		var n int
		err = value.Unmarshal(b, &n)
		c <- fmt.Sprint(n, " ", err)
	}()
	return c
}

// TestBroken_waiting: 5,000 events wait for an object whose constructor fails. Each gets its error, nothing of them stays in the
// guest, and the next has the constructor run anew.
func TestBroken_waiting(t *testing.T) {
	t.Parallel()
	const events = 5000
	h := scenario(t, func(o *hosttest.Options) { o.Isolates = 1 })
	neighbour := h.Dial("/ws/neighbour")
	require.Equal(t, "hi seen=1 calls=2", say(t, neighbour, "hi"))
	var before uint64
	for round := range 3 {
		o := h.Object("BROKEN", fmt.Sprint("slow", round))
		all := []<-chan string{born(t, o)}
		require.Eventually(t, o.InMemory, 5*time.Second, time.Millisecond)
		first := o.Waiting() // it may be one of them
		for len(all) < events {
			all = append(all, born(t, o))
		}
		require.Eventually(t, func() bool { return o.Waiting() == first+events-1 }, 20*time.Second, time.Millisecond)
		h.Advance(2 * time.Second)
		for _, c := range all {
			require.Equal(t, "not yet: 1", <-c)
		}
		require.False(t, o.InMemory())
		next := born(t, o)
		require.Eventually(t, o.InMemory, 5*time.Second, time.Millisecond)
		h.Advance(2 * time.Second)
		require.Equal(t, "2 <nil>", <-next)
		if round == 0 {
			before = memory(t, h)
		}
	}
	require.LessOrEqual(t, memory(t, h), before+4, "MiB of the guest")
	require.NotContains(t, h.Log(), "the isolate ended")
	require.Contains(t, say(t, neighbour, "still"), "still seen=2 ")
}

// long is the error of a section, or a constructor, that has not ended after 30 s.
const long = "A call to blockConcurrencyWhile() in a Durable Object waited for too long. The call was canceled and the Durable Object was reset."

// TestBroken_never: a constructor that does not return fails as a section does; the next event has it run anew.
func TestBroken_never(t *testing.T) {
	t.Parallel()
	h := scenario(t, func(o *hosttest.Options) { o.Isolates = 1 })
	o := h.Object("BROKEN", "stuck")
	first := born(t, o)
	require.Eventually(t, o.InMemory, 5*time.Second, time.Millisecond)
	waiting := o.Waiting()
	second := born(t, o)
	require.Eventually(t, func() bool { return o.Waiting() > waiting }, 5*time.Second, time.Millisecond)
	h.Advance(29 * time.Second)
	require.Empty(t, first)
	h.Advance(time.Second)
	for _, c := range []<-chan string{first, second} {
		require.Equal(t, long, <-c)
	}
	require.Equal(t, "2 <nil>", <-born(t, o))
}

// TestBroken_alarm: the alarm of an object that is broken runs; if its constructor fails then, it is tried again.
func TestBroken_alarm(t *testing.T) {
	t.Parallel()
	o := everyScenario()
	o.RealTime, o.SharedMemory = hosttest.WorkerdPath() != "", true
	hosttest.Each(t, o, func(t *testing.T, h *hosttest.Host) {
		h.Fetch("POST", "/count/a", "")
		h.Fetch("POST", "/alarm/a?ms=500", "")
		h.Fetch("POST", "/abort/a", "")
		h.Wait(4 * time.Second) // the handler fails once, and counts by a hundred
		h.Fetch("GET", "/n/a", "")

		o := h.Object("BROKEN", "slow")
		in := func(method string, args ...any) string { // which takes time, if the constructor runs
			c := make(chan string, 1)
			frame := arguments(t, args...)
			go func() {
				b, err := o.CallRPC(t.Context(), method, frame)
				var v any
				if err == nil {
					err = value.Unmarshal(b, &v)
				}
				c <- fmt.Sprint(v, " ", err)
			}()
			for {
				select {
				case got := <-c:
					return got
				default:
					h.Wait(100 * time.Millisecond)
				}
			}
		}
		h.Unrecorded(func() {
			require.Equal(t, "<nil> not yet: 1", in("born"))
			require.Equal(t, "2 <nil>", in("born"))
			_, err := o.CallRPC(t.Context(), "alarmIn", arguments(t, 500)) // takes no time, in which the alarm could run here
			require.NoError(t, err)
		})
		require.NoError(t, o.Evict())
		h.Wait(9 * time.Second) // the third constructor fails, the fourth does not
		text := ""
		h.Unrecorded(func() { text = in("alarmed") })
		h.Record("the alarm ran in %s", text)
	})
}

// TestBroken_sections: whatever breaks a section, those that wait get its error, what was committed is kept, sockets are dropped,
// and the next event is served.
func TestBroken_sections(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		path, text, kept string
		takes            time.Duration
	}{
		"fails":    {"/block/a?ms=5000&fail", "block failed", "2", 5 * time.Second},
		"30 s":     {"/block/a?ms=40000", long, "2", 30 * time.Second},
		"too deep": {"/deep/a", "blockConcurrencyWhile() calls are nested too deeply.", "1", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := scenario(t, func(o *hosttest.Options) { o.Isolates = 1 })
			_, n := h.Fetch("POST", "/count/a", "")
			require.Equal(t, "1", n)
			c := h.Dial("/ws/a")
			require.Contains(t, say(t, c, "hi"), "hi seen=1 ")
			first := get(t, h, row.path)
			if row.takes > 0 {
				o := h.Object("HOME", "a")
				require.Eventually(t, func() bool { n, _ := o.SQL(`SELECT n FROM c`); return len(n) == 1 && n[0] == "2" }, 5*time.Second, time.Millisecond)
				waiting := []<-chan string{get(t, h, "/count/a"), get(t, h, "/count/a")}
				require.Eventually(t, func() bool { return o.Waiting() == 2 }, 5*time.Second, time.Millisecond)
				h.Advance(row.takes)
				for _, w := range waiting {
					require.Contains(t, <-w, row.text)
				}
			}
			require.Contains(t, <-first, row.text)
			require.Equal(t, websocket.CloseAbnormalClosure, hearClose(t, c).Code)
			_, n = h.Fetch("GET", "/n/a", "")
			require.Equal(t, row.kept, n)
			before, err := strconv.Atoi(row.kept)
			require.NoError(t, err)
			_, n = h.Fetch("POST", "/count/a", "")
			require.Equal(t, strconv.Itoa(before+1), n)
		})
	}
}

// TestBroken_sockets: an object aborts while its sockets send. Each client is dropped, what an answer has told is kept, and
// nothing is counted that no client has sent.
func TestBroken_sockets(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, h *hosttest.Host) {
		const clients, each = 4, 50
		told, sent := 0, 0
		for round := range 3 {
			var list []*websocket.Conn
			for range clients {
				c := h.Dial("/ws/sending")
				list = append(list, c)
				n, err := strconv.Atoi(say(t, c, "count"))
				require.NoError(t, err)
				sent, told = sent+1, n
			}
			for i := range each {
				for k, c := range list {
					message := "count"
					if i == each/2 && k == round {
						message = "abort"
					}
					if c.WriteMessage(websocket.TextMessage, []byte(message)) == nil && message == "count" {
						sent++
					}
				}
			}
			for _, c := range list {
				require.NoError(t, c.SetReadDeadline(time.Now().Add(5*time.Second)))
				for {
					_, b, err := c.ReadMessage()
					if err != nil {
						require.False(t, websocket.IsUnexpectedCloseError(err, websocket.CloseAbnormalClosure), "%v", err)
						break
					}
					n, err := strconv.Atoi(string(b))
					require.NoError(t, err)
					told = max(told, n)
				}
			}
			h.Unrecorded(func() {
				_, n := h.Fetch("GET", "/n/sending", "")
				kept, err := strconv.Atoi(n)
				require.NoError(t, err)
				require.GreaterOrEqual(t, kept, told)
				require.LessOrEqual(t, kept, sent)
			})
			h.Record("%d: what was told is kept", round)
		}
	}, outside)
}

// TestBroken_again: an object that breaks again and again: each new stub reaches it, those of before keep the error that they had.
func TestBroken_again(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, h *hosttest.Host) {
		_, text := h.Fetch("POST", "/again/often?n=6", "")
		require.Contains(t, text, "7 <nil>", "only what was not committed is lost")
		h.Fetch("GET", "/n/often", "")
	})
}
