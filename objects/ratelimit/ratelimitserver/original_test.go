package ratelimitserver_test

import (
	"math"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects/ratelimit"
	"durago.example/objects/ratelimit/ratelimitserver"
)

func (o *object) consume(key string, cost float64) bool {
	o.t.Helper()
	ok, err := ratelimit.Consume.Call(o.t.Context(), o, key, cost)
	require.NoError(o.t, err)
	return ok
}

func (o *object) check(key string, cost float64) bool {
	o.t.Helper()
	ok, err := ratelimit.Check.Call(o.t.Context(), o, key, cost)
	require.NoError(o.t, err)
	return ok
}

func (o *object) status(key string) ratelimit.Status {
	o.t.Helper()
	s, err := ratelimit.GetStatus.Call(o.t.Context(), o, key)
	require.NoError(o.t, err)
	return s
}

func (o *object) options(tokens, seconds *float64) error {
	return ratelimit.SetOptions.Call(o.t.Context(), o, ratelimit.Options{MaxTokens: tokens, RefillEverySeconds: seconds})
}

func ptr[T any](v T) *T { return &v }

// TestServer_original is the table of the original's tests: 10 tokens, one back every 10 seconds.
func TestServer_original(t *testing.T) {
	for name, f := range map[string]func(t *testing.T, o *object){
		"one comes back": func(t *testing.T, o *object) {
			require.True(t, o.consume("a", 10))
			require.False(t, o.check("a", 1))
			o.advance(10*time.Second - time.Millisecond)
			require.False(t, o.check("a", 1))
			o.advance(time.Millisecond)
			require.True(t, o.check("a", 1))
			require.False(t, o.check("a", 2))
		},
		"status": func(t *testing.T, o *object) {
			require.True(t, o.consume("a", 5))
			o.advance(3 * time.Second)
			require.Equal(t, ratelimit.Status{Remaining: 5, Limit: 10, ResetInMS: 7000}, o.status("a"))
			require.Equal(t, ratelimit.Status{Remaining: 10, Limit: 10}, o.status("other"))
		},
		"partial progress is kept": func(t *testing.T, o *object) {
			require.True(t, o.consume("a", 9))
			for range 2 {
				o.advance(time.Second)
				require.True(t, o.consume("a", 0))
			}
			o.advance(8 * time.Second)
			require.True(t, o.check("a", 2))
		},
		"a cost of 0 is always true": func(t *testing.T, o *object) {
			require.True(t, o.consume("a", 10))
			require.True(t, o.consume("a", 0))
			require.True(t, o.check("a", 0))
		},
		"a new key and a cost above the maximum": func(t *testing.T, o *object) {
			require.False(t, o.consume("a", 11))
			require.False(t, o.consume("a", 1e300))
			require.False(t, o.consume("a", math.Inf(1)))
			require.Equal(t, ratelimit.Status{Remaining: 10, Limit: 10}, o.status("a"))
		},
		"reset": func(t *testing.T, o *object) {
			require.True(t, o.consume("a", 10))
			require.True(t, o.consume("b", 10))
			require.NoError(t, ratelimit.Reset.Call(t.Context(), o, "a"))
			require.True(t, o.consume("a", 10))
			require.False(t, o.consume("b", 1))
		},
		"one option keeps the other": func(t *testing.T, o *object) {
			require.NoError(t, o.options(ptr(20.0), nil))
			require.True(t, o.consume("a", 20))
			o.advance(10 * time.Second)
			require.True(t, o.consume("a", 1))
			require.NoError(t, o.options(nil, ptr(0.3)))
			o.advance(300 * time.Millisecond)
			require.True(t, o.consume("a", 1))
			require.EqualValues(t, 20, o.status("a").Limit)
		},
		"eviction changes nothing": func(t *testing.T, o *object) {
			require.NoError(t, o.options(ptr(3.0), ptr(5.0)))
			require.True(t, o.consume("a", 2))
			o.advance(time.Second)
			require.NoError(t, o.evict())
			require.Equal(t, ratelimit.Status{Remaining: 1, Limit: 3, ResetInMS: 4000}, o.status("a"))
		},
		"no tokens at all": func(t *testing.T, o *object) {
			require.NoError(t, o.options(ptr(0.0), nil))
			require.False(t, o.consume("a", 1))
			require.True(t, o.consume("a", 0))
			require.Equal(t, ratelimit.Status{}, o.status("a"))
		},
		"options that change nothing write nothing": func(t *testing.T, o *object) {
			wrote := o.wrote
			require.NoError(t, o.options(ptr(10.0), ptr(10.0)))
			require.Equal(t, wrote, o.wrote)
		},
	} {
		t.Run(name, bubble(ratelimitserver.Config{}, f))
	}
}

// TestServer_original_input is bad input: an error with a code, and nothing changes.
func TestServer_original_input(t *testing.T) {
	bubble(ratelimitserver.Config{}, func(t *testing.T, o *object) {
		require.True(t, o.consume("a", 4))
		for says, cost := range map[string]float64{
			"cost must be a number of at least 0, got -1":   -1,
			"cost must be a number of at least 0, got NaN":  math.NaN(),
			"cost must be a number of at least 0, got -Inf": math.Inf(-1),
			"cost must be a whole number, got 1.5":          1.5,
			"cost must be a whole number, got 1e-300":       1e-300,
		} {
			_, err := ratelimit.Consume.Call(t.Context(), o, "a", cost)
			require.EqualError(t, err, "RangeError: "+says)
			require.Equal(t, ratelimit.InvalidCost, ratelimit.Code(err))
		}
		for _, key := range []string{"", strings.Repeat("k", 1025), strings.Repeat("k", 1<<20), "\xff", "a\xc0\x80"} {
			_, err := ratelimit.Consume.Call(t.Context(), o, key, 1)
			require.Equal(t, ratelimit.InvalidKey, ratelimit.Code(err), "%v", err)
			require.Less(t, len(err.Error()), 500)
		}
		for _, key := range []string{"\x00", "a\x00", "a\x00b", "é", "e\u0301", "\u202e", "🧨", "\ufffd", "a/b", "'; DROP TABLE ratelimit_keys", strings.Repeat("é", 512)} {
			require.True(t, o.consume(key, 10), "%q is a key of its own", key)
			require.False(t, o.consume(key, 1))
		}
		for _, bad := range []ratelimit.Options{
			{MaxTokens: ptr(-1.0)}, {MaxTokens: ptr(math.NaN())}, {MaxTokens: ptr(2.5)}, {MaxTokens: ptr(1e13)}, {MaxTokens: ptr(math.Inf(1))},
			{RefillEverySeconds: ptr(0.0)}, {RefillEverySeconds: ptr(-1.0)}, {RefillEverySeconds: ptr(math.NaN())},
			{RefillEverySeconds: ptr(1e-4)}, {RefillEverySeconds: ptr(1e10)}, {RefillEverySeconds: ptr(math.Inf(1))},
			{MaxTokens: ptr(3.0), RefillEverySeconds: ptr(-1.0)},
		} {
			err := ratelimit.SetOptions.Call(t.Context(), o, bad)
			require.Equal(t, ratelimit.InvalidRule, ratelimit.Code(err), "%v", err)
		}
		require.Equal(t, ratelimit.Status{Remaining: 6, Limit: 10, ResetInMS: 10000}, o.status("a"))
	})(t)
}

func TestServer_ServeHTTP(t *testing.T) {
	bubble(ratelimitserver.Config{}, func(t *testing.T, o *object) {
		do := func(method, path string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			o.ServeHTTP(w, httptest.NewRequest(method, path, nil))
			return w
		}
		for range 10 {
			require.Equal(t, 200, do("POST", "/limit/k").Code)
		}
		w := do("POST", "/limit/k")
		require.Equal(t, 429, w.Code)
		require.Equal(t, "10", w.Header().Get("Retry-After"))
		require.Equal(t, `"default";r=0;t=10`, w.Header().Get("RateLimit"))
		require.Equal(t, `"default";q=10;w=100`, w.Header().Get("RateLimit-Policy"))
		require.JSONEq(t, `{"ok":false,"remaining":0,"limit":10,"reset_in_ms":10000}`, w.Body.String())
		require.Equal(t, 200, do("POST", "/limit/k?cost=0").Code)
		require.Empty(t, do("POST", "/limit/new?cost=11").Header().Get("Retry-After"), "which never helps")
		require.Equal(t, 429, do("POST", "/limit/new?cost=11").Code)
		for _, path := range []string{"/limit/k?cost=-1", "/limit/k?cost=1.5", "/limit/k?cost=NaN", "/limit/k?cost=99999999999999999999", "/limit/"} {
			require.Equal(t, 400, do("POST", path).Code, path)
		}
		require.Equal(t, 405, do("GET", "/limit/k").Code)
	})(t)
}
