//go:build !js

package websocketserver_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/objects/websocket"
)

// follower reads the stream of events of a compiled room over HTTP, or polls, and comes back with its last number.
type follower struct {
	t      *testing.T
	stream *sse
	query  string
	last   int64
	got    []string
	waits  []sseEvent // what has come and has not been looked at
}

// connect opens a stream, unless the room is not there.
func (f *follower) connect(h *hosttest.Host) {
	f.stream = eventStream(f.t, h, f.query, strconv.FormatInt(f.last, 10))
	if f.stream.resp.StatusCode != http.StatusOK {
		require.Equal(f.t, http.StatusServiceUnavailable, f.stream.resp.StatusCode)
		f.drop()
	}
}

func (f *follower) drop() {
	f.stream.close()
	f.stream, f.waits = nil, nil
}

// collect takes what has come.
func (f *follower) collect() {
	for {
		select {
		case e := <-f.stream.events:
			f.waits = append(f.waits, e)
		default:
			return
		}
	}
}

// take looks at up to n events that have come; an error is a broken promise.
func (f *follower) take(n int) error {
	f.collect()
	for ; n > 0 && len(f.waits) > 0; n-- {
		e := f.waits[0]
		f.waits = f.waits[1:]
		if e.err != nil {
			f.drop()
			return nil
		}
		if e.data == "" {
			if id, _ := strconv.ParseInt(e.id, 10, 64); id != f.last {
				return fmt.Errorf("the stream is at %s, but %d was the last", e.id, f.last)
			}
			continue
		}
		var m struct {
			Event, Text string
			Seq         int64
		}
		if err := json.Unmarshal([]byte(e.data), &m); err != nil {
			return err
		}
		if m.Event == websocket.SessionGap || e.id != strconv.FormatInt(m.Seq, 10) {
			return fmt.Errorf("event %s: %s", e.id, e.data)
		}
		if m.Seq != f.last+1 {
			return fmt.Errorf("%d after %d", m.Seq, f.last)
		}
		f.last = m.Seq
		f.got = append(f.got, fmt.Sprint(m.Seq, " ", m.Text))
	}
	return nil
}

// poll asks once in place of a stream.
func (f *follower) poll(h *hosttest.Host) error {
	resp, err := h.Client().Get(h.URL + "/api/websocket/poll" + f.query + "&wait=0&after=" + strconv.FormatInt(f.last, 10))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusServiceUnavailable {
		return nil
	}
	var a struct {
		Messages []struct {
			Seq  int64
			Text string
		}
		Seq int64
		Gap *websocket.Gap
	}
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return err
	}
	for _, m := range a.Messages {
		if m.Seq != f.last+1 {
			return fmt.Errorf("polled %d after %d", m.Seq, f.last)
		}
		f.last = m.Seq
		f.got = append(f.got, fmt.Sprint(m.Seq, " ", m.Text))
	}
	if a.Seq != f.last || a.Gap != nil {
		return fmt.Errorf("polled up to %d, told %d, gap %v", f.last, a.Seq, a.Gap)
	}
	return nil
}

// harm applies a defect to what waits, and tells whether it could.
func (f *follower) harm(d defect) bool {
	f.collect()
	message := func(i int) bool {
		return i < len(f.waits) && f.waits[i].err == nil && f.waits[i].data != ""
	}
	if !message(0) || !message(1) {
		return false
	}
	switch d {
	case losing:
		f.waits = f.waits[1:]
	case swapping:
		f.waits[0], f.waits[1] = f.waits[1], f.waits[0]
	case doubling:
		f.waits = append(f.waits[:1:1], f.waits...)
	default:
		return false
	}
	return true
}

// follow plays the schedule of a seed: messages by HTTP, some of them twice with one key, and by RPC; streams that drop, the
// object evicted, the host restarted.
func follow(t *testing.T, h *hosttest.Host, seed uint64, d defect) (f *follower, again *hosttest.Host, applied bool, err error) {
	r := rand.New(rand.NewPCG(seed, 10))
	name := fmt.Sprint("fast-follow-", d, "-", seed)
	f = &follower{t: t, query: "?user=bob&room=" + name}
	defer func() {
		if f.stream != nil {
			f.drop()
		}
	}()
	restart := -1
	if r.IntN(10) == 0 {
		restart = r.IntN(50)
	}
	var sent []string
	for i := range 50 {
		room := h.Object("WEBSOCKET", name)
		if i == restart {
			h.Settle()
			h = h.Restart()
			continue
		}
		switch p := r.IntN(100); {
		case p < 30:
			text := fmt.Sprint("m", i)
			for range 1 + r.IntN(2) {
				resp, body := ask(t, h, "POST", "/messages"+f.query, say(text), "Idempotency-Key", text)
				if resp.StatusCode != http.StatusOK {
					return f, h, applied, fmt.Errorf("%d: %s", resp.StatusCode, body)
				}
			}
			sent = append(sent, text)
		case p < 40:
			text := fmt.Sprint("m", i)
			for range 1 + r.IntN(2) {
				_, err := websocket.Publish.Call(t.Context(), room, map[string]any{"event": "note", "text": text}, &websocket.PublishOptions{Key: text})
				if err != nil {
					return f, h, applied, err
				}
			}
			sent = append(sent, text)
		case f.stream == nil && p < 50:
			err = f.poll(h)
		case f.stream == nil:
			f.connect(h)
		case p < 75:
			h.Settle()
			err = f.take(1 + r.IntN(4))
		case p < 82:
			f.drop()
		case p < 90:
			_ = room.Evict() // it may be busy
		case d != sound:
			h.Settle()
			applied = f.harm(d) || applied
		}
		if err != nil {
			return f, h, applied, err
		}
	}
	for limit := time.Now().Add(20 * time.Second); f.last < int64(len(sent)); {
		if time.Now().After(limit) {
			return f, h, applied, fmt.Errorf("it does not come to rest: %d of %d", f.last, len(sent))
		}
		if f.stream == nil {
			f.connect(h)
			continue
		}
		if err := f.take(1000); err != nil {
			return f, h, applied, err
		}
		time.Sleep(200 * time.Microsecond) // the connection is real
	}
	for i, text := range sent {
		sent[i] = fmt.Sprint(i+1, " ", text)
	}
	if !slices.Equal(sent, f.got) {
		return f, h, applied, fmt.Errorf("saw %v, want %v", f.got, sent)
	}
	return f, h, applied, nil
}

// TestScenario_followers: nothing is lost or doubled for who reads events over HTTP of the compiled room. DURAGO_FOLLOWERS is
// how many schedules are played, 12.
func TestScenario_followers(t *testing.T) {
	t.Parallel()
	n := 12
	if s := os.Getenv("DURAGO_FOLLOWERS"); s != "" {
		var err error
		n, err = strconv.Atoi(s)
		require.NoError(t, err)
	}
	h := hosttest.Start(t, hosttest.Options{Config: guest})
	seen := 0
	for seed := range n {
		f, again, _, err := follow(t, h, uint64(seed), sound)
		h = again
		require.NoError(t, err, "seed %d", seed)
		seen += len(f.got)
	}
	t.Logf("%d schedules: %d messages seen", n, seen)
}

// TestScenario_followers_defects: each defect is caught.
func TestScenario_followers_defects(t *testing.T) {
	t.Parallel()
	h := hosttest.Start(t, hosttest.Options{Config: guest})
	for _, d := range []defect{losing, doubling, swapping} {
		caught := false
		for seed := uint64(0); seed < 100 && !caught; seed++ {
			_, again, applied, err := follow(t, h, seed, d)
			h = again
			if err != nil {
				require.True(t, applied, "%v", err)
				caught = true
				t.Logf("defect %d is caught with seed %d: %v", d, seed, err)
			}
		}
		require.True(t, caught, "defect %d", d)
	}
}
