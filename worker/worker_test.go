//go:build !js

package main_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/objects/ratelimit"
	"durago.example/worker/counter"
)

func start(t *testing.T) *hosttest.Host {
	t.Parallel()
	return hosttest.Start(t, hosttest.Options{Config: "../wrangler.toml"})
}

// TestRateLimiter is the table of the original's tests: 10 tokens, one back every 10 seconds.
func TestRateLimiter(t *testing.T) {
	h := start(t)
	o := h.Object("RATE_LIMITER", "table")
	ctx := t.Context()
	check := func(key string, cost float64) bool {
		ok, err := ratelimit.Check.Call(ctx, o, key, cost)
		require.NoError(t, err)
		return ok
	}
	consume := func(key string, cost float64) bool {
		ok, err := ratelimit.Consume.Call(ctx, o, key, cost)
		require.NoError(t, err)
		return ok
	}
	status := func(key string) ratelimit.Status {
		s, err := ratelimit.GetStatus.Call(ctx, o, key)
		require.NoError(t, err)
		return s
	}
	require.True(t, consume("a", 10))
	require.False(t, check("a", 1))
	h.Advance(10 * time.Second)
	require.True(t, check("a", 1))
	require.False(t, check("a", 2))

	require.True(t, consume("b", 5))
	h.Advance(3 * time.Second)
	require.Equal(t, ratelimit.Status{Remaining: 5, Limit: 10, ResetInMS: 7000}, status("b"))

	require.True(t, consume("a", 0))
	require.False(t, consume("new", 11), "a new key with a cost above the maximum")
	require.Equal(t, ratelimit.Status{Remaining: 10, Limit: 10}, status("other"))

	require.True(t, consume("c", 9))
	for range 2 {
		h.Advance(time.Second)
		require.True(t, consume("c", 0))
	}
	h.Advance(8 * time.Second)
	require.True(t, check("c", 2), "partial progress is not lost")

	require.NoError(t, ratelimit.Reset.Call(ctx, o, "b"))
	require.EqualValues(t, 10, status("b").Remaining)

	twenty := 20.0
	require.NoError(t, ratelimit.SetOptions.Call(ctx, o, ratelimit.Options{MaxTokens: &twenty}))
	require.NoError(t, o.Evict())
	require.EqualValues(t, 20, status("fresh").Limit, "options survive eviction")
	require.True(t, consume("fresh", 20))
	require.NoError(t, o.Evict())
	require.False(t, consume("fresh", 1), "eviction refills nothing")

	negative := -1.0
	require.ErrorContains(t, ratelimit.SetOptions.Call(ctx, o, ratelimit.Options{MaxTokens: &negative}), "max_tokens must be a number of at least 0")
	_, err := ratelimit.Consume.Call(ctx, o, "a", -1)
	require.ErrorContains(t, err, "cost must be a number of at least 0")
}

func TestFront_limit(t *testing.T) {
	h := start(t)
	for range 10 {
		status, _ := h.Fetch("POST", "/limit/k", "")
		require.Equal(t, 200, status)
	}
	resp := h.Do("POST", "/limit/k", "")
	defer resp.Body.Close()
	require.Equal(t, 429, resp.StatusCode)
	require.Equal(t, "10", resp.Header.Get("Retry-After"))
	require.Equal(t, `"default";r=0;t=10`, resp.Header.Get("RateLimit"))
	require.Equal(t, `"default";q=10;w=100`, resp.Header.Get("RateLimit-Policy"))
	h.Advance(10 * time.Second)
	status, body := h.Fetch("POST", "/limit/k", "")
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"ok":true,"remaining":0,"limit":10,"reset_in_ms":10000}`, body)
	status, _ = h.Fetch("GET", "/limit/k", "")
	require.Equal(t, 405, status)
}

// TestFront_limit_table is the original's table over HTTP, as far as POST can ask.
func TestFront_limit_table(t *testing.T) {
	h := start(t)
	take := func(key string, cost int) (status int, body string) {
		return h.Fetch("POST", fmt.Sprintf("/limit/%s?cost=%d", key, cost), "")
	}
	for _, row := range []struct {
		after     time.Duration
		key       string
		cost      int
		status    int
		remaining int
		reset     int // ms
	}{
		{0, "a", 10, 200, 0, 10000},
		{0, "a", 1, 429, 0, 10000},
		{0, "b", 5, 200, 5, 10000},
		{3 * time.Second, "b", 0, 200, 5, 7000},
		{0, "a", 0, 200, 0, 7000},
		{0, "new", 11, 429, 10, 0},
		{0, "c", 9, 200, 1, 10000},
		{7 * time.Second, "a", 2, 429, 1, 10000},
		{0, "a", 1, 200, 0, 10000},
		{0, "c", 0, 200, 1, 3000},
		{3 * time.Second, "c", 2, 200, 0, 10000},
	} {
		h.Advance(row.after)
		status, body := take(row.key, row.cost)
		require.Equal(t, row.status, status, "%+v", row)
		require.JSONEq(t, fmt.Sprintf(`{"ok":%t,"remaining":%d,"limit":10,"reset_in_ms":%d}`, status == 200, row.remaining, row.reset), body, "%+v", row)
	}
	status, body := h.Fetch("POST", "/limit/a?cost=1.5", "")
	require.Equal(t, 400, status)
	require.Contains(t, body, `cost must be a whole number, got "1.5"`)
}

func TestCounter(t *testing.T) {
	h := start(t)
	o := h.Object("COUNTER", "a")
	n, err := counter.Increment.Call(t.Context(), o, 2)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	_, body := h.Fetch("POST", "/counter/a?by=3", "")
	require.JSONEq(t, `{"n":5}`, body)
	by, err := counter.LastBy.Call(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, 3, by)
	status, body := h.Fetch("POST", "/counter/a?by=x", "")
	require.Equal(t, 400, status)
	require.Contains(t, body, `by must be a whole number, got "x"`)

	c := h.Dial("/counter/a")
	hear := func() string {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(5*time.Second)))
		_, b, err := c.ReadMessage()
		require.NoError(t, err)
		return string(b)
	}
	require.Equal(t, "5", hear())
	require.NoError(t, o.Hibernate())
	require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("1")))
	require.Equal(t, "6", hear())
	require.NoError(t, counter.ResetIn.Call(t.Context(), o, 1000))
	h.Advance(time.Second)
	require.Equal(t, "0", hear())
}

func TestFront_greeting(t *testing.T) {
	h := start(t)
	_, body := h.Fetch("GET", "/greeting/bob", "")
	require.Equal(t, "hello, bob\n", body)
	status, _ := h.Fetch("PUT", "/greeting/bob", "moin")
	require.Equal(t, 200, status)
	_, body = h.Fetch("GET", "/greeting/bob", "")
	require.Equal(t, "moin, bob\n", body)
}

func TestFront_home(t *testing.T) {
	h := start(t)
	status, body := h.Fetch("GET", "/", "")
	require.Equal(t, 200, status)
	require.Contains(t, body, "POST /limit/{key}")
}
