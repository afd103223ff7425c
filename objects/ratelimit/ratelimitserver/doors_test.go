//go:build !js

package ratelimitserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/objects"
	"durago.example/objects/ratelimit"
	"durago.example/testdata/guests/limiter/limiter"
)

// fromGo calls the methods of a Clocked from the worker's own front, which is Go.
type fromGo struct {
	h    *hosttest.Host
	name string
}

func (f fromGo) CallRPC(ctx context.Context, method string, args []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, "POST", f.h.URL+"/call/"+f.name+"/"+method, bytes.NewReader(args))
	if err != nil {
		return nil, err
	}
	resp, err := f.h.Client().Do(r)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode == http.StatusOK {
		return b, err
	}
	var failure limiter.Failure
	if err := json.Unmarshal(b, &failure); err != nil {
		return nil, err
	}
	return nil, &objects.Error{Message: failure.Message, Props: map[string]any{"code": failure.Code}}
}

// clocked is a Clocked behind a door: calls from Go, or calls from outside Go, which under workerd are JavaScript's.
type clocked struct {
	t    *testing.T
	h    *hosttest.Host
	o    *hosttest.Object
	to   objects.Caller
	name string
	at   int64
}

// doors runs a scenario of new objects, which are called in each way, on both runtimes.
func doors(t *testing.T, f func(c *clocked)) {
	both(t, func(t *testing.T, h *hosttest.Host) {
		for _, door := range []string{"Go", "outside"} {
			name := "door-" + door
			c := &clocked{t: t, h: h, o: h.Object("CLOCKED", name), name: name}
			if c.to = c.o; door == "Go" {
				c.to = fromGo{h, name}
			}
			h.Unrecorded(func() {
				c.set(time.Date(2026, 1, 31, 23, 59, 0, 0, time.UTC).UnixMilli())
				f(c)
			})
			h.Record("%s: as it must be", door)
		}
	})
}

func (c *clocked) set(at int64) {
	c.t.Helper()
	c.at = at
	require.NoError(c.t, limiter.SetClock.Call(c.t.Context(), c.to, at))
}

func (c *clocked) advance(ms int64) {
	c.t.Helper()
	c.set(c.at + ms)
}

// call calls a method about a request that is in order.
func (c *clocked) call(m method, q ratelimit.Request) ratelimit.Decision {
	c.t.Helper()
	d, err := m.Call(c.t.Context(), c.to, q)
	require.NoError(c.t, err)
	return d
}

func (c *clocked) take(rule, key string, cost int64) ratelimit.Decision {
	c.t.Helper()
	return c.call(ratelimit.Take, of(rule, key, cost))
}

func (c *clocked) rule(r ratelimit.Rule) {
	c.t.Helper()
	require.NoError(c.t, ratelimit.SetRule.Call(c.t.Context(), c.to, r))
}

// refused holds that an error is short and, where errors keep their properties, has one of the contract's codes.
func (c *clocked) refused(err error, input any) {
	c.t.Helper()
	require.Error(c.t, err, "%.80v", input)
	require.Less(c.t, len(err.Error()), 600)
	if _, ok := c.to.(fromGo); ok {
		require.Contains(c.t, []string{ratelimit.InvalidCost, ratelimit.InvalidKey, ratelimit.InvalidRule, ratelimit.InvalidArgument}, ratelimit.Code(err), "%.80v: %v", input, err)
	}
}

// get asks a handler behind the middleware, and tells its status, RateLimit, and Retry-After with the problem's type.
func (c *clocked) get(cost int64, descriptors ...ratelimit.Descriptor) (status int, fields, problem string) {
	c.t.Helper()
	q := url.Values{"cost": {strconv.FormatInt(cost, 10)}}
	for _, d := range descriptors {
		q.Add("d", d.Rule+":"+d.Key)
	}
	resp := c.h.Do("GET", "/behind/"+c.name+"?"+q.Encode(), "")
	b, err := io.ReadAll(resp.Body)
	require.NoError(c.t, errors.Join(err, resp.Body.Close()))
	if resp.StatusCode != http.StatusOK {
		var p struct{ Type string }
		require.NoError(c.t, json.Unmarshal(b, &p), "%s", b)
		problem = resp.Header.Get("Retry-After") + p.Type[strings.LastIndexAny(p.Type, "#:"):]
	}
	return resp.StatusCode, resp.Header.Get("RateLimit"), problem
}

// original is what the original's tests ask, by any door.
type original interface {
	consume(key string, cost float64) bool
	check(key string, cost float64) bool
	status(key string) ratelimit.Status
}

type byCall struct{ *clocked }

func (c byCall) consume(key string, cost float64) bool {
	ok, err := ratelimit.Consume.Call(c.t.Context(), c.to, key, cost)
	require.NoError(c.t, err)
	return ok
}

func (c byCall) check(key string, cost float64) bool {
	ok, err := ratelimit.Check.Call(c.t.Context(), c.to, key, cost)
	require.NoError(c.t, err)
	return ok
}

func (c byCall) status(key string) ratelimit.Status {
	s, err := ratelimit.GetStatus.Call(c.t.Context(), c.to, key)
	require.NoError(c.t, err)
	return s
}

// byHTTP sends requests to the object. What is left is asked for with a cost of 0.
type byHTTP struct{ *clocked }

func (c byHTTP) post(key string, cost float64) (ok bool, s ratelimit.Status) {
	status, answer := c.o.Fetch("POST", "/limit/"+key+"?cost="+strconv.FormatFloat(cost, 'f', -1, 64), "")
	var body struct {
		OK        bool
		Remaining float64
		Limit     float64
		ResetInMS float64 `json:"reset_in_ms"`
	}
	require.NoError(c.t, json.Unmarshal([]byte(answer), &body), answer)
	require.Equal(c.t, map[bool]int{true: 200, false: 429}[body.OK], status)
	return body.OK, ratelimit.Status{Remaining: body.Remaining, Limit: body.Limit, ResetInMS: body.ResetInMS}
}

func (c byHTTP) consume(key string, cost float64) bool {
	ok, _ := c.post(key, cost)
	return ok
}

func (c byHTTP) check(key string, cost float64) bool { return cost <= c.status(key).Remaining }

func (c byHTTP) status(key string) ratelimit.Status {
	_, s := c.post(key, 0)
	return s
}

// TestScenario_original is the table of the original's tests by calls of Go, calls of JavaScript and HTTP, to the
// millisecond on both runtimes. Options and resets are calls: the original has no other way.
func TestScenario_original(t *testing.T) {
	doors(t, func(c *clocked) {
		for prefix, by := range map[string]original{"call-": byCall{c}, "http-": byHTTP{c}} {
			k := func(s string) string { return prefix + s }
			full := ratelimit.Status{Remaining: 10, Limit: 10}
			require.True(c.t, by.consume(k("a"), 10))
			require.False(c.t, by.check(k("a"), 1))
			c.advance(9999)
			require.False(c.t, by.check(k("a"), 1))
			c.advance(1)
			require.True(c.t, by.check(k("a"), 1))
			require.False(c.t, by.check(k("a"), 2))
			require.True(c.t, by.consume(k("a"), 0))

			require.True(c.t, by.consume(k("b"), 5))
			c.advance(3000)
			require.NoError(c.t, c.o.Evict())
			require.Equal(c.t, ratelimit.Status{Remaining: 5, Limit: 10, ResetInMS: 7000}, by.status(k("b")))
			require.Equal(c.t, full, by.status(k("other")), "keys are independent")
			require.False(c.t, by.consume(k("other"), 11), "above the maximum")
			require.Equal(c.t, full, by.status(k("other")))

			require.True(c.t, by.consume(k("c"), 9))
			for range 2 {
				c.advance(1000)
				require.True(c.t, by.consume(k("c"), 0))
			}
			c.advance(8000)
			require.True(c.t, by.check(k("c"), 2), "partial progress is kept")

			require.NoError(c.t, ratelimit.Reset.Call(c.t.Context(), c.to, k("c")))
			require.Equal(c.t, full, by.status(k("c")))

			require.NoError(c.t, ratelimit.SetOptions.Call(c.t.Context(), c.to, ratelimit.Options{MaxTokens: ptr(3.0)}))
			require.True(c.t, by.consume(k("d"), 3))
			require.NoError(c.t, ratelimit.SetOptions.Call(c.t.Context(), c.to, ratelimit.Options{RefillEverySeconds: ptr(0.5)}))
			require.NoError(c.t, c.o.Evict())
			c.advance(400)
			require.Equal(c.t, ratelimit.Status{Limit: 3, ResetInMS: 100}, by.status(k("d")), "the other option is kept")
			require.NoError(c.t, ratelimit.SetOptions.Call(c.t.Context(), c.to, ratelimit.Options{MaxTokens: ptr(10.0), RefillEverySeconds: ptr(10.0)}))
		}
	})
}

// TestScenario_algorithms has each algorithm refuse until the millisecond that it names.
func TestScenario_algorithms(t *testing.T) {
	doors(t, func(c *clocked) {
		for name, wait := range map[string]int64{ratelimit.TokenBucket: 1000, ratelimit.GCRA: 500, ratelimit.FixedWindow: 1000, ratelimit.SlidingLog: 1000,
			ratelimit.SlidingWindow: 1500, ratelimit.Concurrency: 1000} {
			k := ratelimit.Descriptor{Rule: name, Key: "k"}
			require.True(c.t, c.take(name, "k", 2).Allowed)
			d := c.take(name, "k", 1)
			require.Equal(c.t, ratelimit.Exceeded, d.Reason, name)
			require.Equal(c.t, wait, d.RetryInMS, name)
			status, _, problem := c.get(1, k)
			require.Equal(c.t, 429, status)
			require.Equal(c.t, strconv.FormatInt((wait+999)/1000, 10)+"#quota-exceeded", problem, name)
			c.advance(wait - 1)
			require.False(c.t, c.call(ratelimit.Peek, of(name, "k", 1)).Allowed, name)
			c.advance(1)
			require.True(c.t, c.call(ratelimit.Peek, of(name, "k", 1)).Allowed, name)
			status, _, _ = c.get(1, k)
			require.Equal(c.t, 200, status, name)
			c.set(c.at - c.at%1000 + 5000) // windows begin here
		}
	})
}

// TestScenario_features is what rules and keys can do besides.
func TestScenario_features(t *testing.T) {
	doors(t, func(c *clocked) {
		for _, f := range []func(c *clocked){severalLimits, hierarchy, months, deny, penalty, shadow, ownRule, refund, leases} {
			f(c)
		}
	})
}

func left(d ratelimit.Decision) (all []int64) {
	for _, l := range d.Limits {
		all = append(all, l.Remaining)
	}
	return all
}

func severalLimits(c *clocked) {
	k := ratelimit.Descriptor{Rule: "both", Key: "k"}
	require.Equal(c.t, []int64{0, 2}, left(c.take("both", "k", 1)))
	status, fields, problem := c.get(1, k)
	require.Equal(c.t, 429, status)
	require.Regexp(c.t, `^"second";r=0;t=1, "day";r=2;t=\d+$`, fields, "nothing was taken from the second")
	require.Equal(c.t, "1#quota-exceeded", problem)
	c.advance(1000)
	status, _, _ = c.get(1, k)
	require.Equal(c.t, 200, status)
	require.Equal(c.t, []int64{0, 1}, left(c.call(ratelimit.Peek, of("both", "k", 0))))
}

func hierarchy(c *clocked) {
	tree := ratelimit.Hierarchy("tenant", "acme", "user", "ann", "route", "/a")
	q := ratelimit.Request{Descriptors: tree, Cost: 1}
	require.Equal(c.t, []int64{3, 1, 1}, left(c.call(ratelimit.Take, q)))
	status, fields, _ := c.get(1, tree...)
	require.Equal(c.t, 200, status)
	require.Regexp(c.t, `^"tenant";r=2;t=\d+, "user";r=0;t=\d+, "route";r=0;t=\d+$`, fields)
	d := c.call(ratelimit.Take, q)
	require.False(c.t, d.Allowed)
	require.Equal(c.t, []int64{2, 0, 0}, left(d), "from none")
	status, _, _ = c.get(1, ratelimit.Hierarchy("tenant", "acme", "user", "bob", "route", "/a")...)
	require.Equal(c.t, 200, status)
	require.EqualValues(c.t, 1, c.call(ratelimit.Peek, of("tenant", "acme", 0)).Limits[0].Remaining)
}

func months(c *clocked) {
	c.set(time.Date(2027, 1, 31, 23, 59, 59, 0, time.UTC).UnixMilli())
	k := ratelimit.Descriptor{Rule: "plan", Key: "k"}
	require.True(c.t, c.take("plan", "k", 4).Allowed)
	require.EqualValues(c.t, 1000, c.take("plan", "k", 2).RetryInMS)
	status, fields, problem := c.get(2, k)
	require.Equal(c.t, 429, status)
	require.Equal(c.t, `"plan";r=1;t=1`, fields)
	require.Equal(c.t, "1#quota-exceeded", problem)
	c.advance(1000)
	require.NoError(c.t, c.o.Evict())
	status, fields, _ = c.get(2, k)
	require.Equal(c.t, 200, status)
	require.Equal(c.t, `"plan";r=3;t=2419200`, fields)
	page, err := ratelimit.GetUsage.Call(c.t.Context(), c.to, ratelimit.UsageQuery{Rule: "plan"})
	require.NoError(c.t, err)
	require.Equal(c.t, []ratelimit.Usage{{Key: "k", Name: "plan", Quota: 5, Month: "2027-02", Used: 2, Before: 4}}, page.Usage)
}

func deny(c *clocked) {
	q := of("window", "denied", 0)
	q.LockMS = -1
	require.Equal(c.t, ratelimit.Denied, c.call(ratelimit.Deny, q).Reason)
	require.EqualValues(c.t, -1, c.take("window", "denied", 1).RetryInMS)
	status, _, problem := c.get(1, q.Descriptors...)
	require.Equal(c.t, 403, status)
	require.Equal(c.t, ":blank", problem)
	q.LockMS = 0
	require.True(c.t, c.call(ratelimit.Deny, q).Allowed)
	status, _, _ = c.get(1, q.Descriptors...)
	require.Equal(c.t, 200, status)
}

func penalty(c *clocked) {
	q := of("window", "penalized", 1)
	q.LockMS = 5000
	d := c.call(ratelimit.Penalize, q)
	require.Equal(c.t, ratelimit.Locked, d.Reason)
	require.EqualValues(c.t, 5000, d.RetryInMS)
	c.advance(4999)
	require.NoError(c.t, c.o.Evict())
	status, _, problem := c.get(1, q.Descriptors...)
	require.Equal(c.t, 429, status)
	require.Equal(c.t, "1#abnormal-usage-detected", problem)
	c.advance(1)
	status, fields, _ := c.get(1, q.Descriptors...)
	require.Equal(c.t, 200, status)
	require.Regexp(c.t, `^"window";r=1;t=\d+$`, fields, "what the penalty took stays taken")
}

func shadow(c *clocked) {
	k := ratelimit.Descriptor{Rule: "shadow", Key: "k"}
	for i := range 3 {
		d := c.take("shadow", "k", 1)
		require.True(c.t, d.Allowed)
		require.Equal(c.t, i > 0, d.Limits[0].Exceeded)
		require.True(c.t, d.Limits[0].Shadow)
	}
	status, fields, _ := c.get(1, k)
	require.Equal(c.t, 200, status)
	require.Empty(c.t, fields, "clients do not see it")
}

func ownRule(c *clocked) {
	own := ratelimit.Rule{Name: "window", Key: "own", Limits: []ratelimit.Limit{{Algorithm: ratelimit.SlidingLog, Quota: 7, PeriodMS: 1000, Name: "mine"}}}
	c.rule(own)
	require.NoError(c.t, c.o.Evict())
	status, fields, _ := c.get(4, ratelimit.Descriptor{Rule: "window", Key: "own"})
	require.Equal(c.t, 200, status)
	require.Equal(c.t, `"mine";r=3;t=1`, fields)
	require.EqualValues(c.t, 3, c.take("window", "another", 0).Limits[0].Quota)
	own.Limits = nil
	c.rule(own)
	require.EqualValues(c.t, 3, c.take("window", "own", 0).Limits[0].Quota)
}

func refund(c *clocked) {
	q := of("window", "refunded", 3)
	require.True(c.t, c.call(ratelimit.Take, q).Allowed)
	require.False(c.t, c.call(ratelimit.Peek, q).Allowed)
	status, _, _ := c.get(1, q.Descriptors...)
	require.Equal(c.t, 429, status)
	q.Cost = 2
	require.Equal(c.t, []int64{2}, left(c.call(ratelimit.Refund, q)))
	status, fields, _ := c.get(2, q.Descriptors...)
	require.Equal(c.t, 200, status)
	require.Regexp(c.t, `^"window";r=0;`, fields)
	require.Equal(c.t, []int64{3}, left(c.call(ratelimit.Clear, q)))
}

func leases(c *clocked) {
	first := c.take(ratelimit.Concurrency, "leased", 2)
	k := of(ratelimit.Concurrency, "leased", 0)
	status, _, _ := c.get(1, k.Descriptors...)
	require.Equal(c.t, 429, status)
	k.Lease = first.Lease
	c.advance(900)
	require.True(c.t, c.call(ratelimit.Renew, k).Allowed)
	c.advance(900)
	require.False(c.t, c.take(ratelimit.Concurrency, "leased", 1).Allowed)
	require.True(c.t, c.call(ratelimit.Release, k).Allowed)
	require.False(c.t, c.call(ratelimit.Release, k).Allowed)
	status, _, _ = c.get(2, k.Descriptors...)
	require.Equal(c.t, 200, status)
}

// TestScenario_input is bad input by each door: an error that says what is wrong, and nothing changes. Arguments are
// loosely typed here, as they are in JavaScript.
func TestScenario_input(t *testing.T) {
	type object = map[string]any
	consume := objects.Declare2[any, any, bool]("consume", "key", "cost")
	take := objects.Declare1[object, ratelimit.Decision]("take", "request")
	setRule := objects.DeclareProc1[object]("setRule", "rule")
	doors(t, func(c *clocked) {
		ctx := c.t.Context()
		require.True(c.t, c.take("window", "k", 1).Allowed)
		request := func(cost any) object {
			return object{"descriptors": []any{object{"rule": "window", "key": "k"}}, "cost": cost}
		}
		for _, cost := range []any{-1.0, math.NaN(), math.Inf(1), math.Inf(-1), 1e300, 1e12 + 1, 0.5, 1.5, "1", nil, true} {
			_, err := take.Call(ctx, c.to, request(cost))
			c.refused(err, cost)
			if f, ok := cost.(float64); ok && f >= 1e12 {
				continue // consume answers with false: so many there never are
			}
			_, err = consume.Call(ctx, c.to, "k", cost)
			c.refused(err, cost)
		}
		for _, key := range []any{"", strings.Repeat("k", 1<<20), strings.Repeat("\u00e9", 513), 7.0, nil} {
			_, err := consume.Call(ctx, c.to, key, 1.0)
			c.refused(err, key)
		}
		for _, key := range []string{"\x00", "e\u0301", "\u202e", "\U0001f9e8", "\ufffd", "a/b", "'; DROP TABLE ratelimit_keys"} {
			ok, err := consume.Call(ctx, c.to, key, 10.0)
			require.NoError(c.t, err)
			require.True(c.t, ok, "%q is a key of its own", key)
		}
		limit := func(l object) object { return object{"name": "bad", "limits": []any{l}} }
		for _, r := range []object{
			{"name": "a b", "limits": []any{}}, limit(object{"algorithm": "leaky", "quota": 1.0, "period_ms": 1.0}),
			limit(object{"algorithm": "month", "quota": 1.0, "period_ms": 1.0}), limit(object{"algorithm": "gcra", "quota": 0.0, "period_ms": 1.0}),
			limit(object{"algorithm": "fixed_window", "quota": 1.0, "period_ms": 1.0, "burst": 2.0}), limit(object{"algorithm": "fixed_window", "quota": 1.5, "period_ms": 1.0}),
			limit(object{"algorithm": "sliding_log", "quota": 5000.0, "period_ms": 1.0}), limit(object{"algorithm": "concurrency", "quota": 1.0, "period_ms": 1.0, "unit": "content-bytes"}),
		} {
			c.refused(setRule.Call(ctx, c.to, r), r)
		}
		for _, at := range []int64{c.at + 1e12, c.at - 1e12, 0, c.at} { // far forward, far back, the machine's, and where it was
			c.set(at)
			d := c.call(ratelimit.Peek, of("window", "k", 0))
			require.True(c.t, d.Limits[0].Remaining >= 2 && d.Limits[0].Remaining <= 3, "%+v", d)
		}
		require.NoError(c.t, c.o.Evict())
		require.Equal(c.t, []int64{2}, left(c.call(ratelimit.Peek, of("window", "k", 0))))
		_, err := ratelimit.Consume.Call(ctx, c.to, "k", 1.5)
		require.ErrorContains(c.t, err, "cost must be a whole number, got 1.5")
	})
}

// TestScenario_purge has keys expire 100 ms after they were used, and the object's alarm delete them, in real time.
func TestScenario_purge(t *testing.T) {
	both(t, func(t *testing.T, h *hosttest.Host) {
		o := h.Object("PURGED", "a")
		h.Unrecorded(func() {
			keys := func() int {
				n, err := limiter.Keys.Call(t.Context(), o)
				require.NoError(t, err)
				return n
			}
			take := func(rule, key string) {
				d, err := ratelimit.Take.Call(t.Context(), o, of(rule, key, 1))
				require.NoError(t, err)
				require.True(t, d.Allowed)
			}
			require.NoError(t, limiter.SetClock.Call(t.Context(), o, time.Now().UnixMilli()))
			for _, key := range []string{"a", "b", "c"} {
				take("brief", key)
			}
			take("plan", "kept")
			require.Equal(t, 4, keys())
			for range 4 { // passes go by, and nothing has expired by this clock
				h.Wait(60 * time.Millisecond)
				require.Equal(t, 4, keys())
			}
			require.NoError(t, limiter.SetClock.Call(t.Context(), o, 0))
			require.NoError(t, o.Evict())
			require.Eventually(t, func() bool { return keys() == 1 }, 20*time.Second, 20*time.Millisecond)
			take("brief", "a")
			require.Eventually(t, func() bool { return keys() == 1 }, 20*time.Second, 20*time.Millisecond)
			d, err := ratelimit.Peek.Call(t.Context(), o, of("plan", "kept", 0))
			require.NoError(t, err)
			require.EqualValues(t, 4, d.Limits[0].Remaining)
		})
		h.Record("purged")
	})
}

// TestScenario_firstLayout opens an object of the limiter's first version.
func TestScenario_firstLayout(t *testing.T) {
	both(t, func(t *testing.T, h *hosttest.Host) {
		for range 2 {
			o := h.Object("EARLIER", "a")
			s, err := ratelimit.GetStatus.Call(t.Context(), o, "ann")
			require.NoError(t, err)
			require.Equal(t, ratelimit.Status{Remaining: 2, Limit: 10, ResetInMS: 9500}, s)
			n, err := limiter.Keys.Call(t.Context(), o)
			require.NoError(t, err)
			require.Equal(t, 1, n)
			require.NoError(t, o.Evict())
			h = h.Restart()
		}
		o := h.Object("EARLIER", "a")
		ok, err := ratelimit.Consume.Call(t.Context(), o, "ann", 3)
		require.NoError(t, err)
		require.False(t, ok)
		ok, err = ratelimit.Consume.Call(t.Context(), o, "ann", 2)
		require.NoError(t, err)
		require.True(t, ok)
	})
}
