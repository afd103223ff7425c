//go:build !js

package main_test

import (
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/host/hosttest/native"
	"durago.example/objects"
	"durago.example/objects/ratelimit"
	"durago.example/worker/counter"
	"durago.example/worker/program"
)

// both runs a scenario of the demo on the host and on workerd.
func both(t *testing.T, f func(t *testing.T, h *hosttest.Host)) {
	t.Helper()
	t.Parallel()
	hosttest.Each(t, hosttest.Options{Config: "../wrangler.toml", RealTime: true, Native: native.Program(program.Program()), Bubble: true}, f)
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
		h.Fetch("GET", "/nowhere", "")
		h.Fetch("GET", "/", "")
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

		c := h.Dial("/counter/a")
		hear := func() string {
			require.NoError(t, c.SetReadDeadline(time.Now().Add(5*time.Second)))
			_, b, err := c.ReadMessage()
			require.NoError(t, err)
			h.Record("heard %s", b)
			return string(b)
		}
		require.Equal(t, "5", hear())
		require.NoError(t, o.Hibernate())
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("1")))
		require.Equal(t, "6", hear())
		require.NoError(t, counter.ResetIn.Call(ctx, o, 100))
		require.Equal(t, "0", hear(), "the alarm")
		h.Fetch("GET", "/counter/a", "")
	})
}

// TestWorker_greeting is the cold path: a variable and a KV namespace.
func TestWorker_greeting(t *testing.T) {
	both(t, func(t *testing.T, h *hosttest.Host) {
		h.Fetch("GET", "/greeting/bob", "")
		h.Fetch("PUT", "/greeting/bob", "moin")
		_, body := h.Fetch("GET", "/greeting/bob", "")
		require.Equal(t, "moin, bob\n", body)
	})
}
