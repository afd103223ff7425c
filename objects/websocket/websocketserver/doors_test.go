//go:build !js

package websocketserver_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/objects/websocket"
)

// sse is a stream of events, read as browsers do. See https://html.spec.whatwg.org/multipage/server-sent-events.html.
type sse struct {
	resp     *http.Response
	events   chan sseEvent
	cancel   func()
	id       string
	comments atomic.Int64
}

type sseEvent struct {
	id, data string
	err      error // the end of the stream
}

// eventStream opens a stream. It is read as it comes: a client that reads nothing is cut off.
func eventStream(t testing.TB, h *hosttest.Host, query, last string) *sse {
	t.Helper()
	return openStream(t, h, query, last, false)
}

// openStream opens one that, if slow, nobody reads yet.
func openStream(t testing.TB, h *hosttest.Host, query, last string, slow bool) *sse {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", h.URL+"/api/websocket/events"+query, nil)
	require.NoError(t, err)
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	resp, err := h.Client().Do(r)
	require.NoError(t, err)
	s := &sse{resp: resp, events: make(chan sseEvent, 10_000), cancel: cancel, id: last}
	if !slow {
		go s.read()
	}
	t.Cleanup(s.close)
	return s
}

func (s *sse) close() {
	s.cancel()
	_ = s.resp.Body.Close()
}

func (s *sse) read() {
	lines := bufio.NewScanner(s.resp.Body)
	lines.Buffer(nil, 4<<20)
	id := s.id
	var data []string
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			s.events <- sseEvent{id: id, data: strings.Join(data, "\n")}
			data = nil
		case field == "":
			s.comments.Add(1)
		case field == "id":
			id = value
		case field == "data":
			data = append(data, value)
		}
	}
	s.events <- sseEvent{id: id, err: errors.Join(io.EOF, lines.Err())}
}

// next is the data of the next event; an error is the end of the stream.
func (s *sse) next() (string, error) {
	for {
		e := <-s.events
		if e.err != nil || e.data != "" {
			if s.id = e.id; e.err != nil {
				s.events <- e
			}
			return e.data, e.err
		}
		s.id = e.id
	}
}

// hears is the next event, which is recorded with its id.
func (s *sse) hears(t testing.TB, h *hosttest.Host) string {
	t.Helper()
	data, err := s.next()
	require.NoError(t, err)
	h.Record("event %s: %s", s.id, data)
	return data
}

// ask sends a request and records the answer.
func ask(t testing.TB, h *hosttest.Host, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, h.URL+"/api/websocket"+path, strings.NewReader(body))
	require.NoError(t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	} else {
		r.Body = nil
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := h.Client().Do(r)
	require.NoError(t, err)
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	if len(body) > 100 {
		body = body[:100] + "…"
	}
	h.Record("%s %s %s: %d %s%s", method, path, body, resp.StatusCode, resp.Header.Get("Retry-After"), b)
	return resp, string(b)
}

// TestScenario_doors: a room without a socket, from outside.
func TestScenario_doors(t *testing.T) {
	both(t, func(t *testing.T, h *hosttest.Host) {
		room := h.Object("WEBSOCKET", "acme")
		a := visit(t, h, "ann", "")
		a.hears("session:list")
		resp, answer := ask(t, h, "POST", "/messages?user=bob", say("one"))
		require.Equal(t, 200, resp.StatusCode, answer)
		a.hears("chat")
		for range 2 {
			ask(t, h, "POST", "/messages?user=bob", say("two"), "Idempotency-Key", "k")
		}
		require.Equal(t, "two", frame(t, a.hears("chat"))["text"])
		ask(t, h, "POST", "/messages?user=bob", say("three"), "Idempotency-Key", "k")
		ask(t, h, "POST", "/messages?user=bob", `{"event":"slow"}`, "Idempotency-Key", "s")
		ask(t, h, "POST", "/messages?user=bob", `{"event":"count"}`, "Idempotency-Key", "c")
		ask(t, h, "POST", "/messages?user=bob", say(strings.Repeat("x", 65_537)))
		ask(t, h, "POST", "/messages?user=bob", say("x"), "Content-Type", "text/plain")
		ask(t, h, "POST", "/messages?user=bob", say("x"), "Origin", "https://evil.example")
		ask(t, h, "POST", "/messages", say("x"))
		ask(t, h, "GET", "/messages?user=bob", "")
		resp, _ = ask(t, h, "GET", "/history?user=bob", "", "Origin", "https://app.example.com")
		require.Equal(t, "https://app.example.com", resp.Header.Get("Access-Control-Allow-Origin"))
		ask(t, h, "GET", "/history?user=bob&limit=1", "")
		ask(t, h, "GET", "/history?user=bob&after=0&events=none", "")
		ask(t, h, "GET", "/history?user=bob&after=x", "")
		resp, _ = ask(t, h, "OPTIONS", "/messages", "", "Origin", "https://app.example.com", "Access-Control-Request-Method", "POST")
		require.Equal(t, 204, resp.StatusCode)

		s := eventStream(t, h, "?user=bob&rewind=1", "")
		require.Equal(t, 200, s.resp.StatusCode)
		require.Equal(t, "text/event-stream", s.resp.Header.Get("Content-Type"))
		require.Equal(t, "two", frame(t, s.hears(t, h))["text"])
		require.NoError(t, room.Hibernate())
		a.say("{\"event\":\"chat\",\r\n\"text\":\"three\"}")
		a.hears("chat")
		require.Equal(t, "three", frame(t, s.hears(t, h))["text"])
		p, err := websocket.Publish.Call(t.Context(), room, map[string]any{"event": "note"}, &websocket.PublishOptions{Key: "k"})
		require.NoError(t, err)
		require.Equal(t, websocket.Published{Seq: 4}, p, "the backend's keys are its own")
		s.hears(t, h)
		a.hears("note")
		s.close()
		h.Settle()
		a.say(say("five"))
		a.hears("chat")
		s = eventStream(t, h, "?user=bob&after=1", "3")
		s.hears(t, h)
		require.Equal(t, "five", frame(t, s.hears(t, h))["text"], "Last-Event-ID is newer than the address")

		ask(t, h, "GET", "/poll?user=bob", "")
		ask(t, h, "GET", "/poll?user=bob&after=3", "")
		ask(t, h, "GET", "/poll?user=bob&after=5&wait=0", "")
		answers := make(chan string)
		go func() {
			r, err := http.NewRequestWithContext(t.Context(), "GET", h.URL+"/api/websocket/poll?user=bob&after=5&events=note,late", nil)
			if err != nil {
				panic(err)
			}
			resp, err := h.Client().Do(r)
			if err != nil {
				answers <- err.Error()
				return
			}
			b, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			answers <- string(b)
		}()
		h.Settle()
		ask(t, h, "POST", "/messages?user=bob", say("six"))
		_, err = websocket.Publish.Call(t.Context(), room, map[string]any{"event": "late"}, nil)
		require.NoError(t, err)
		late := <-answers
		require.Contains(t, late, `"late"`)
		h.Record("poll: %s", late)
		page, err := websocket.ReadHistory.Call(t.Context(), room, &websocket.HistoryOptions{Events: []string{"late"}})
		require.NoError(t, err)
		require.Len(t, page.Messages, 1)

		h = h.Restart()
		for _, err = s.next(); err == nil; _, err = s.next() { // what was under way, and the end
		}
		ask(t, h, "POST", "/messages?user=bob", say("two"), "Idempotency-Key", "k")
		s = eventStream(t, h, "?user=bob", "5")
		require.Equal(t, "six", frame(t, s.hears(t, h))["text"])
		require.Equal(t, "late", frame(t, s.hears(t, h))["event"])
		if h.Native() { // where time waits for everybody
			h.Wait(100 * time.Second)
			h.Unrecorded(func() {
				_, err = websocket.Publish.Call(t.Context(), h.Object("WEBSOCKET", "acme"), map[string]any{"event": "note"}, nil)
				require.NoError(t, err)
			})
			_, err = s.next()
			require.NoError(t, err)
			require.GreaterOrEqual(t, s.comments.Load(), int64(6), "heartbeats")
		}
	})
}

// TestScenario_doors_rate: who publishes without a socket is slowed down, and told for how long.
func TestScenario_doors_rate(t *testing.T) {
	both(t, func(t *testing.T, h *hosttest.Host) {
		room := h.Object("WEBSOCKET", "acme")
		for i := range 31 {
			if i == 20 {
				require.NoError(t, room.Evict())
			}
			ask(t, h, "POST", "/messages?user=bob", fmt.Sprintf(`{"event":"x","n":%d}`, i))
		}
		ask(t, h, "POST", "/messages?user=cleo", `{"event":"x"}`)
	})
}

// TestScenario_doors_gone: a client that goes away leaves no socket behind, for which an alarm would go on.
func TestScenario_doors_gone(t *testing.T) {
	t.Parallel()
	h := hosttest.Start(t, hosttest.Options{Config: guest})
	room := h.Object("WEBSOCKET", "acme")
	alarms := func() string {
		rows, err := room.SQL(`SELECT count(*) FROM durago_alarms`)
		require.NoError(t, err)
		return strings.Join(rows, " ")
	}
	s := eventStream(t, h, "?user=bob", "")
	for n := 0; s.comments.Load() < 20; n++ { // the connection is real: a step may find the front still writing
		require.Less(t, n, 1000)
		seen := s.comments.Load()
		h.Advance(5 * time.Second)
		for range 100 {
			if s.comments.Load() > seen {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	require.Equal(t, "1", alarms(), "its stream lives")
	s.close()
	for i := 0; alarms() != "0"; i++ { // the connection's end is noticed in real time
		require.Less(t, i, 1000)
		h.Advance(15 * time.Second)
	}
}

// TestScenario_doors_slow: a client that reads nothing for long misses what the log has lost by then, and is told; nothing
// else. What it has is read by polls, too.
func TestScenario_doors_slow(t *testing.T) {
	t.Parallel()
	h := hosttest.Start(t, hosttest.Options{Config: guest})
	room := h.Object("WEBSOCKET", "fast-slow")
	slow := openStream(t, h, "?user=bob&room=fast-slow", "", true)
	const n = 1500
	pad := strings.Repeat("x", 16<<10)
	for range n {
		_, err := websocket.Publish.Call(t.Context(), room, map[string]any{"event": "note", "text": pad}, nil)
		require.NoError(t, err)
	}
	go slow.read()
	last, got, missed := int64(0), 0, int64(0)
	take := func(event string, seq, from, to int64) {
		if event == websocket.SessionGap {
			require.Equal(t, last+1, from)
			missed += to - last
			last = to
			return
		}
		require.Equal(t, last+1, seq)
		last = seq
		got++
	}
	for last < n {
		data, err := slow.next()
		require.NoError(t, err)
		f := frame(t, data)
		number := func(field string) int64 { v, _ := f[field].(float64); return int64(v) }
		take(f["event"].(string), number("seq"), number("from"), number("to"))
	}
	require.EqualValues(t, n, int64(got)+missed)
	require.Positive(t, missed, "it was not slow enough for the log")
	t.Logf("a stream: %d messages and a gap of %d", got, missed)

	last, got, missed = 0, 0, 0
	polls := 0
	for ; last < n; polls++ {
		_, body := ask(t, h, "GET", fmt.Sprintf("/poll?user=bob&room=fast-slow&after=%d", last), "")
		var a struct {
			Messages []struct{ Seq int64 }
			Seq      int64
			Gap      *websocket.Gap
		}
		require.NoError(t, json.Unmarshal([]byte(body), &a))
		if a.Gap != nil {
			take(websocket.SessionGap, 0, a.Gap.From, a.Gap.To)
		}
		for _, m := range a.Messages {
			take("", m.Seq, 0, 0)
		}
		require.Equal(t, last, a.Seq)
	}
	require.EqualValues(t, n, int64(got)+missed)
	t.Logf("%d polls: %d messages and a gap of %d", polls, got, missed)
}

// TestScenario_doors_tokens: what a join token says, and a ban, holds without a socket too.
func TestScenario_doors_tokens(t *testing.T) {
	both(t, func(t *testing.T, h *hosttest.Host) {
		room := h.Object("WEBSOCKET", "acme")
		as := func(token string) []string { return []string{"Authorization", "Bearer " + token} }
		good := as(ticket(t, h, time.Hour, nil)) // may send count, and hear chat
		status := func(want int, method, path, body string, header ...string) string {
			t.Helper()
			resp, answer := ask(t, h, method, path, body, header...)
			require.Equal(t, want, resp.StatusCode, answer)
			return answer
		}
		status(200, "POST", "/messages", `{"event":"count"}`, good...)
		status(403, "POST", "/messages", say("x"), good...)
		status(403, "POST", "/messages?room=other", `{"event":"count"}`, good...)
		status(401, "POST", "/messages", `{"event":"count"}`, as("x")...)
		status(401, "POST", "/messages", `{"event":"count"}`, as(ticket(t, h, -time.Minute, nil))...)
		status(200, "POST", "/messages?user=bob", say("who has signed in needs no token"), as("x")...)
		_, err := websocket.Publish.Call(t.Context(), room, map[string]any{"event": "note"}, nil)
		require.NoError(t, err)
		for _, path := range []string{"/history", "/poll?after=0"} {
			answer := status(200, "GET", path, "", good...)
			require.Contains(t, answer, `"chat"`)
			require.NotContains(t, answer, `"note"`)
		}
		s := eventStream(t, h, "?user=ann&after=0", "")
		s.hears(t, h)
		s.hears(t, h)
		n, err := websocket.Ban.Call(t.Context(), room, "ann", time.Hour.Milliseconds(), "spam")
		require.NoError(t, err)
		require.Zero(t, n, "who listens is no session")
		_, err = s.next()
		require.Error(t, err, "it is closed")
		h.Unrecorded(func() { // Retry-After counts down
			status(403, "POST", "/messages", `{"event":"count"}`, good...)
			for _, path := range []string{"/history", "/poll?after=0", "/events"} {
				status(403, "GET", path, "", good...)
			}
		})
	})
}
