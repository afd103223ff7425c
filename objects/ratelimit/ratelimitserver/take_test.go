package ratelimitserver_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects"
	"durago.example/objects/ratelimit"
	"durago.example/objects/ratelimit/ratelimitserver"
)

type method = objects.Func1[ratelimit.Request, ratelimit.Decision]

// call calls a method about a request that is in order.
func (o *object) call(m method, q ratelimit.Request) ratelimit.Decision {
	o.t.Helper()
	d, err := m.Call(o.t.Context(), o, q)
	require.NoError(o.t, err)
	return d
}

// of is a request about one key.
func of(rule, key string, cost int64) ratelimit.Request {
	return ratelimit.Request{Descriptors: []ratelimit.Descriptor{{Rule: rule, Key: key}}, Cost: cost}
}

func (o *object) take(rule, key string, cost int64) bool {
	o.t.Helper()
	return o.call(ratelimit.Take, of(rule, key, cost)).Allowed
}

func (o *object) rule(r ratelimit.Rule) {
	o.t.Helper()
	require.NoError(o.t, ratelimit.SetRule.Call(o.t.Context(), o, r))
}

// remaining is what the limits of a key have left.
func (o *object) remaining(rule, key string) (left []int64) {
	o.t.Helper()
	for _, l := range o.call(ratelimit.Peek, of(rule, key, 0)).Limits {
		left = append(left, l.Remaining)
	}
	return left
}

var api = ratelimit.Rule{Name: "api", Limits: []ratelimit.Limit{
	{Algorithm: ratelimit.GCRA, Quota: 2, PeriodMS: 1000},
	{Algorithm: ratelimit.FixedWindow, Quota: 3, PeriodMS: 86_400_000, Name: "daily", Unit: "content-bytes"},
}}

func limited(rules ...ratelimit.Rule) ratelimitserver.Config {
	return ratelimitserver.Config{Rules: rules}
}

// TestServer_Take_limits takes from two limits at once, or from none.
func TestServer_Take_limits(t *testing.T) {
	bubble(limited(api), func(t *testing.T, o *object) {
		d := o.call(ratelimit.Take, of("api", "ann", 2))
		require.Equal(t, ratelimit.Decision{Allowed: true, Limits: []ratelimit.LimitStatus{
			{Rule: "api", Key: "ann", Name: "api", Quota: 2, WindowMS: 1000, Remaining: 0, ResetInMS: 500},
			{Rule: "api", Key: "ann", Name: "daily", Unit: "content-bytes", Quota: 3, WindowMS: 86_400_000, Remaining: 1, ResetInMS: 86_400_000},
		}}, d)
		d = o.call(ratelimit.Take, of("api", "ann", 1))
		require.Equal(t, ratelimit.Exceeded, d.Reason)
		require.EqualValues(t, 500, d.RetryInMS)
		require.True(t, d.Limits[0].Exceeded)
		require.False(t, d.Limits[1].Exceeded)
		require.Equal(t, []int64{0, 1}, o.remaining("api", "ann"), "the second was not taken from")

		o.advance(time.Second)
		d = o.call(ratelimit.Peek, of("api", "ann", 2))
		require.False(t, d.Allowed)
		require.EqualValues(t, 86_399_000, d.RetryInMS, "the longest wait counts")
		require.True(t, o.take("api", "ann", 1))
		require.Equal(t, []int64{1, 0}, o.remaining("api", "ann"))
		require.EqualValues(t, -1, o.call(ratelimit.Take, of("api", "bob", 3)).RetryInMS, "it never fits the first")
	})(t)
}

// TestServer_Take_hierarchy is about three keys at once.
func TestServer_Take_hierarchy(t *testing.T) {
	window := func(name string, quota int64) ratelimit.Rule {
		return ratelimit.Rule{Name: name, Limits: []ratelimit.Limit{{Algorithm: ratelimit.FixedWindow, Quota: quota, PeriodMS: 60_000}}}
	}
	bubble(limited(window("tenant", 5), window("user", 3), window("route", 2)), func(t *testing.T, o *object) {
		take := func(tenant, user, route string) (bool, []int64) {
			d := o.call(ratelimit.Take, ratelimit.Request{Descriptors: ratelimit.Hierarchy("tenant", tenant, "user", user, "route", route), Cost: 1})
			left := []int64{}
			for _, l := range d.Limits {
				left = append(left, l.Remaining)
			}
			return d.Allowed, left
		}
		for _, row := range []struct {
			tenant, user, route string
			allowed             bool
			left                []int64
		}{
			{"acme", "ann", "/a", true, []int64{4, 2, 1}},
			{"acme", "ann", "/a", true, []int64{3, 1, 0}},
			{"acme", "ann", "/a", false, []int64{3, 1, 0}},
			{"acme", "ann", "/b", true, []int64{2, 0, 1}},
			{"acme", "ann", "/c", false, []int64{2, 0, 2}},
			{"acme", "bob", "/a", true, []int64{1, 2, 1}},
			{"acme", "bob", "/b", true, []int64{0, 1, 1}},
			{"acme", "cat", "/a", false, []int64{0, 3, 2}},
			{"else", "ann", "/a", true, []int64{4, 2, 1}},
		} {
			allowed, left := take(row.tenant, row.user, row.route)
			require.Equal(t, row.allowed, allowed, "%+v", row)
			require.Equal(t, row.left, left, "%+v", row)
		}
		require.Equal(t, []ratelimit.Descriptor{{Rule: "tenant", Key: `a\|b`}, {Rule: "user", Key: `a\|b|c\\`}}, ratelimit.Hierarchy("tenant", "a|b", "user", `c\`, "route"))
		require.Equal(t, 10, o.count(`SELECT count(*) FROM ratelimit_keys`), "refusals write nothing")
	})(t)
}

func TestServer_Take_shadow(t *testing.T) {
	bubble(limited(ratelimit.Rule{Name: "r", Limits: []ratelimit.Limit{
		{Algorithm: ratelimit.FixedWindow, Quota: 2, PeriodMS: 1000, Shadow: true},
		{Algorithm: ratelimit.FixedWindow, Quota: 4, PeriodMS: 1000},
	}}), func(t *testing.T, o *object) {
		for i := range 4 {
			d := o.call(ratelimit.Take, of("r", "k", 1))
			require.True(t, d.Allowed)
			require.Equal(t, i >= 2, d.Limits[0].Exceeded)
		}
		require.Equal(t, []int64{0, 0}, o.remaining("r", "k"))
		require.False(t, o.take("r", "k", 1))
	})(t)
}

func TestServer_Take_cost(t *testing.T) {
	bubble(limited(api), func(t *testing.T, o *object) {
		q := of("api", "ann", 2)
		q.Descriptors = append(q.Descriptors, ratelimit.Descriptor{Rule: ratelimit.DefaultRule, Key: "ann", Cost: ptr[int64](7)})
		d := o.call(ratelimit.Take, q)
		require.True(t, d.Allowed)
		require.EqualValues(t, 3, d.Limits[2].Remaining)
		require.True(t, o.take("api", "bob", 0))
		require.Equal(t, 2, o.count(`SELECT count(*) FROM ratelimit_keys`), "a cost of 0 writes nothing")
	})(t)
}

// TestServer_Take_statements holds that a decision is one read and one write, and a refusal one read.
func TestServer_Take_statements(t *testing.T) {
	bubble(limited(api), func(t *testing.T, o *object) {
		o.consume("k", 1) // the alarm, the count of keys
		q := of("api", "k", 1)
		q.Descriptors = append(q.Descriptors, ratelimit.Descriptor{Rule: ratelimit.DefaultRule, Key: "k"})
		for name, f := range map[string]func(){
			"one key":  func() { require.True(t, o.consume("k", 1)) },
			"two keys": func() { require.True(t, o.call(ratelimit.Take, q).Allowed) },
		} {
			read, wrote := o.read, o.wrote
			f()
			require.Equal(t, []int{1, 1}, []int{o.read - read, o.wrote - wrote}, name)
		}
		read, wrote := o.read, o.wrote
		require.False(t, o.consume("k", 9))
		require.Equal(t, []int{1, 0}, []int{o.read - read, o.wrote - wrote})
	})(t)
}

// TestServer_Take_failure: what cannot be written is not taken.
func TestServer_Take_failure(t *testing.T) {
	bubble(limited(api), func(t *testing.T, o *object) {
		o.DB.Fail = map[string]error{"INSERT INTO ratelimit_keys": errors.New("the disk is full")}
		_, err := ratelimit.Consume.Call(t.Context(), o, "k", 10)
		require.ErrorContains(t, err, "the disk is full")
		o.DB.Fail = nil
		require.True(t, o.consume("k", 10))
	})(t)
}

func TestServer_Take_input(t *testing.T) {
	bubble(limited(api), func(t *testing.T, o *object) {
		many := ratelimit.Request{}
		for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i"} {
			many.Descriptors = append(many.Descriptors, ratelimit.Descriptor{Rule: "api", Key: key})
		}
		twice := of("api", "a", 1)
		twice.Descriptors = append(twice.Descriptors, twice.Descriptors[0])
		loan := of("api", "a", 1)
		loan.Loan = -1
		for _, row := range []struct {
			q    ratelimit.Request
			code string
		}{
			{ratelimit.Request{}, ratelimit.InvalidRequest},
			{many, ratelimit.InvalidRequest},
			{twice, ratelimit.InvalidRequest},
			{of("nothing", "a", 1), ratelimit.UnknownRule},
			{of("api", "", 1), ratelimit.InvalidKey},
			{of("api", "a", -1), ratelimit.InvalidCost},
			{of("api", "a", 1e12+1), ratelimit.InvalidCost},
			{of("api", "a", 1<<53), ratelimit.InvalidCost},
			{loan, ratelimit.InvalidCost},
		} {
			_, err := ratelimit.Take.Call(t.Context(), o, row.q)
			require.Equal(t, row.code, ratelimit.Code(err), "%+v: %v", row.q, err)
		}
		many.Descriptors = many.Descriptors[:8]
		many.Cost = 1
		require.True(t, o.call(ratelimit.Take, many).Allowed)
	})(t)
}
