//go:build !js

package main_test

import (
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/host/hosttest/native"
	"durago.example/objects"
	"durago.example/objects/ratelimit"
	messages "durago.example/objects/websocket"
	"durago.example/worker/counter"
	"durago.example/worker/program"
)

// backend is the configuration of the worker that has the classes, and app that of the one in front of it.
const (
	backend = "../wrangler.toml"
	app     = "app/wrangler.jsonc"
)

// both runs a scenario on either form of the demo, everything in one worker and an app worker in front of another, each on
// the host and on workerd. All must see the same.
func both(t *testing.T, f func(t *testing.T, h *hosttest.Host)) {
	t.Helper()
	t.Parallel()
	name := t.Name()
	t.Run("one worker", func(t *testing.T) {
		hosttest.Each(t, hosttest.Options{Config: backend, RealTime: true, Native: native.Program(program.Program()), Bubble: true, Transcript: name}, f)
	})
	t.Run("two workers", func(t *testing.T) {
		hosttest.Each(t, hosttest.Options{Config: app, With: []string{backend}, RealTime: true, Transcript: name}, f)
	})
}

func TestWorker_limit(t *testing.T) {
	both(t, func(t *testing.T, h *hosttest.Host) {
		for range 10 {
			status := 0
			h.Unrecorded(func() { status, _ = h.Fetch("POST", "/limit/k", "") })
			require.Equal(t, 200, status)
		}
		h.Unrecorded(func() {
			resp := h.Do("POST", "/limit/k", "")
			require.NoError(t, resp.Body.Close())
			require.Equal(t, 429, resp.StatusCode)
			require.Equal(t, `"default";q=10;w=100`, resp.Header.Get("RateLimit-Policy"))
			require.Regexp(t, `^"default";r=0;t=(9|10)$`, resp.Header.Get("RateLimit"))
			require.Regexp(t, `^(9|10)$`, resp.Header.Get("Retry-After"))
		})
		h.Fetch("GET", "/limit/k", "")
	})
}

// TestWorker_rateLimiter is the part of the original's table that needs no exact clock, called from outside Go.
func TestWorker_rateLimiter(t *testing.T) {
	both(t, func(t *testing.T, h *hosttest.Host) {
		ctx, o := t.Context(), h.Object("RATE_LIMITER", "table")
		limit, interval := 3.0, 0.3
		require.NoError(t, ratelimit.SetOptions.Call(ctx, o, ratelimit.Options{MaxTokens: &limit}))
		call := func(m objects.Func2[string, float64, bool], key string, cost float64) bool {
			ok, err := m.Call(ctx, o, key, cost)
			require.NoError(t, err)
			return ok
		}
		require.True(t, call(ratelimit.Consume, "a", 3))
		require.False(t, call(ratelimit.Check, "a", 1))
		require.True(t, call(ratelimit.Consume, "a", 0))
		require.False(t, call(ratelimit.Consume, "new", 4))
		require.True(t, call(ratelimit.Consume, "other", 1))
		require.NoError(t, ratelimit.Reset.Call(ctx, o, "a"))
		require.True(t, call(ratelimit.Check, "a", 3))
		_, err := ratelimit.Consume.Call(ctx, o, "a", -1)
		require.ErrorContains(t, err, "cost must be a number of at least 0")

		require.NoError(t, ratelimit.SetOptions.Call(ctx, o, ratelimit.Options{RefillEverySeconds: &interval}))
		require.True(t, call(ratelimit.Consume, "b", 3))
		require.NoError(t, o.Evict())
		h = h.Restart()
		o = h.Object("RATE_LIMITER", "table")
		h.Unrecorded(func() {
			require.Eventually(t, func() bool { return call(ratelimit.Consume, "b", 2) }, 5*time.Second, 10*time.Millisecond)
		})
		s, err := ratelimit.GetStatus.Call(ctx, o, "fresh")
		require.NoError(t, err)
		require.Equal(t, ratelimit.Status{Remaining: 3, Limit: 3}, s)
	})
}

func TestWorker_counter(t *testing.T) {
	both(t, func(t *testing.T, h *hosttest.Host) {
		ctx, o := t.Context(), h.Object("COUNTER", "a")
		n, err := counter.Increment.Call(ctx, o, 2)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		h.Fetch("POST", "/counter/a?by=3", "")
		h.Fetch("POST", "/counter/a?by=x", "")
		h.Fetch("DELETE", "/counter/a", "")
		by, err := counter.LastBy.Call(ctx, o)
		require.NoError(t, err)
		require.Equal(t, 3, by)

		c := visit(t, h, "reader", "/counter/a")
		require.Equal(t, "5", c.hears())
		require.NoError(t, o.Hibernate())
		c.says("1")
		require.Equal(t, "6", c.hears())
		require.NoError(t, counter.ResetIn.Call(ctx, o, 100))
		require.Equal(t, "0", c.hears(), "the alarm")
		h.Fetch("GET", "/counter/a", "")
	})
}

// TestWorker_front is the whole front as clients see it, over HTTP and sockets alone.
func TestWorker_front(t *testing.T) { both(t, front) }

func front(t *testing.T, h *hosttest.Host) {
	h.Fetch("GET", "/", "")
	h.Fetch("GET", "/nowhere", "")
	h.Unrecorded(func() {
		resp := h.Do("GET", "/room/tea", "")
		page, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		want, err := os.ReadFile("app/front/room/page.html")
		require.NoError(t, err)
		require.Equal(t, string(want), string(page))
		require.Equal(t, "text/html; charset=utf-8", resp.Header.Get("Content-Type"))
		require.Contains(t, resp.Header.Get("Content-Security-Policy"), "default-src 'none'")
	})
	h.Fetch("GET", "/room/"+strings.Repeat("x", 129), "")

	h.Fetch("POST", "/counter/a?by=2", "")
	h.Fetch("POST", "/counter/a?by=x", "")
	h.Fetch("DELETE", "/counter/a", "")
	h.Fetch("GET", "/counter/b", "")
	c := visit(t, h, "reader", "/counter/a")
	c.hears()
	h.Fetch("POST", "/counter/a", "")
	c.hears()

	h.Fetch("GET", "/greeting/bob", "") // a variable and a KV namespace
	h.Fetch("PUT", "/greeting/bob", "moin")
	h.Fetch("GET", "/greeting/bob", "")
	h.Fetch("PUT", "/greeting/bob", strings.Repeat("x", 1025))
	h.Unrecorded(func() {
		resp := h.Do("GET", "/greeting/bob", "")
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, `"default";q=10;w=100`, resp.Header.Get("RateLimit-Policy"))
		require.Regexp(t, `^"default";r=5;t=(9|10)$`, resp.Header.Get("RateLimit"))
		for range 5 {
			status, _ := h.Fetch("GET", "/greeting/bob", "")
			require.Equal(t, 200, status)
		}
		resp = h.Do("GET", "/greeting/bob", "")
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 429, resp.StatusCode)
		require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
		require.Regexp(t, `^(9|10)$`, resp.Header.Get("Retry-After"))
	})
	h.Fetch("GET", "/limit/k", "")
	h.Fetch("POST", "/limit/k?cost=11", "")

	h.Fetch("GET", "/api/websocket?room=tea", "")
	h.Fetch("POST", "/api/websocket", "")
	ann := visit(t, h, "ann", "/api/websocket?room=tea&name=ann")
	ann.hears()
	bob := visit(t, h, "bob", "/api/websocket?room=tea&name=bob")
	bob.hears()
	ann.hears()
	other := visit(t, h, "cat", "/api/websocket?name=cat")
	other.hears()
	ann.says(`{"event":"chat","text":"hi"}`)
	ann.hears()
	bob.hears()
	bob.says(`{"event":"else"}`)
	bob.says(`nonsense`)
	bob.hears()
	other.says(`{"event":"ping"}`)
	other.hears()
	require.NoError(t, bob.Close())
	ann.hears()
}

// visitor is a client with a socket.
type visitor struct {
	*websocket.Conn
	t    *testing.T
	h    *hosttest.Host
	name string
}

func visit(t *testing.T, h *hosttest.Host, name, path string) *visitor {
	t.Helper()
	return &visitor{h.Dial(path), t, h, name}
}

func (v *visitor) says(text string) {
	v.t.Helper()
	require.NoError(v.t, v.WriteMessage(websocket.TextMessage, []byte(text)))
}

var unguessable = regexp.MustCompile(`[A-Z2-7]{26}`)

// hears records the next message, without what is random.
func (v *visitor) hears() string {
	v.t.Helper()
	require.NoError(v.t, v.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, b, err := v.ReadMessage()
	require.NoError(v.t, err)
	v.h.Record("%s hears %s", v.name, unguessable.ReplaceAllString(string(b), "…"))
	return string(b)
}

// TestWorker_room: what is behind a room outlasts the object's memory, and other objects reach it.
func TestWorker_room(t *testing.T) {
	both(t, func(t *testing.T, h *hosttest.Host) {
		room := h.Object("WS", "tea")
		ann := visit(t, h, "ann", "/api/websocket?room=tea&name=ann")
		ann.hears()
		require.NoError(t, room.Hibernate())
		ann.says(`{"event":"chat","text":"still here"}`)
		ann.hears()
		require.NoError(t, messages.EntityChanged.Call(t.Context(), room, messages.Change{Action: messages.Created, EntityType: "leaf", ID: "l1"}))
		ann.hears()
	})
}
