package ratelimitserver_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects/ratelimit"
	"durago.example/objects/ratelimit/ratelimitserver"
)

func TestServer_SetRule(t *testing.T) {
	bubble(limited(api), func(t *testing.T, o *object) {
		daily := api
		daily.Limits = api.Limits[1:]
		o.rule(daily)
		require.True(t, o.take("api", "ann", 3))
		require.NoError(t, o.evict())
		require.Equal(t, []int64{0}, o.remaining("api", "ann"), "it is kept")
		o.rule(ratelimit.Rule{Name: "api"})
		require.Len(t, o.remaining("api", "ann"), 2, "that of the configuration is back")
		o.rule(ratelimit.Rule{Name: "more", Limits: api.Limits})
		require.True(t, o.take("more", "ann", 1))
		o.rule(ratelimit.Rule{Name: "more"})
		_, err := ratelimit.Take.Call(t.Context(), o, of("more", "ann", 1))
		require.Equal(t, ratelimit.UnknownRule, ratelimit.Code(err))

		o.rule(ratelimit.Rule{Name: ratelimit.DefaultRule, Limits: api.Limits})
		require.False(t, o.consume("k", 3))
		require.True(t, o.consume("k", 2))
		require.Equal(t, ratelimit.Status{Remaining: 0, Limit: 2, ResetInMS: 500}, o.status("k"), "that of the limit with least")
		require.NoError(t, o.options(ptr(4.0), nil), "a bucket again")
		require.Equal(t, ratelimit.Status{Remaining: 4, Limit: 4}, o.status("new"))
	})(t)
}

// TestServer_SetRule_key gives a key a rule of its own while it is used.
func TestServer_SetRule_key(t *testing.T) {
	bubble(limited(api), func(t *testing.T, o *object) {
		require.True(t, o.take("api", "ann", 2))
		o.rule(ratelimit.Rule{Name: "api", Key: "ann", Limits: []ratelimit.Limit{{Algorithm: ratelimit.GCRA, Quota: 100, PeriodMS: 1000, Name: "gold"}}})
		require.Equal(t, []int64{98}, o.remaining("api", "ann"), "what was used stays used")
		require.Equal(t, []int64{2, 3}, o.remaining("api", "bob"))
		o.advance(1000 * time.Hour)
		require.NoError(t, o.evict())
		d := o.call(ratelimit.Take, of("api", "ann", 60))
		require.True(t, d.Allowed, "purge and eviction keep it")
		require.Equal(t, "gold", d.Limits[0].Name)
		o.rule(ratelimit.Rule{Name: "api", Key: "ann"})
		require.Len(t, o.remaining("api", "ann"), 2)
	})(t)
}

func TestServer_SetRule_input(t *testing.T) {
	one := func(l ratelimit.Limit) ratelimit.Rule { return ratelimit.Rule{Name: "r", Limits: []ratelimit.Limit{l}} }
	loan := func(l ratelimit.Limit, units, ms int64) ratelimit.Rule {
		r := one(l)
		r.Loan, r.LoanMS = units, ms
		return r
	}
	window := ratelimit.Limit{Algorithm: ratelimit.FixedWindow, Quota: 1, PeriodMS: 1}
	named := window
	named.Name = "r"
	bubble(limited(), func(t *testing.T, o *object) {
		for says, r := range map[string]ratelimit.Rule{
			"the name of a rule must be":                       {Limits: []ratelimit.Limit{window}},
			"got \"a/b\"":                                      {Name: "a/b", Limits: []ratelimit.Limit{window}},
			"got \"zzzz":                                       {Name: strings.Repeat("z", 65), Limits: []ratelimit.Limit{window}},
			"at most 8 limits, got 9":                          {Name: "r", Limits: make9(window)},
			"that no other has, got \"r\"":                     {Name: "r", Limits: []ratelimit.Limit{window, named}},
			"there is no algorithm \"leaky\"":                  one(ratelimit.Limit{Algorithm: "leaky", Quota: 1, PeriodMS: 1}),
			"period must be between":                           one(ratelimit.Limit{Algorithm: ratelimit.GCRA, Quota: 1}),
			"quota must be between":                            one(ratelimit.Limit{Algorithm: ratelimit.Month, Quota: -5}),
			"burst is for token_bucket and gcra alone":         one(ratelimit.Limit{Algorithm: ratelimit.SlidingLog, Quota: 1, PeriodMS: 1, Burst: 2}),
			"fixed_window cannot count \"apples\"":             one(ratelimit.Limit{Algorithm: ratelimit.FixedWindow, Quota: 1, PeriodMS: 1, Unit: "apples"}),
			"concurrency cannot count \"content-bytes\"":       one(ratelimit.Limit{Algorithm: ratelimit.Concurrency, Quota: 1, PeriodMS: 1, Unit: "content-bytes"}),
			"the name of a limit must be":                      one(ratelimit.Limit{Algorithm: ratelimit.FixedWindow, Quota: 1, PeriodMS: 1, Name: "a\"b"}),
			"what is held cannot be lent":                      loan(ratelimit.Limit{Algorithm: ratelimit.Concurrency, Quota: 1, PeriodMS: 1}, 10, 1000),
			"loan must be at least 2 units":                    loan(window, 1, 1000),
			"loan_ms between 1 and 10^12, got -2 and 1000":     loan(window, -2, 1000),
			"loan_ms between 1 and 10^12, got 10 and -1":       loan(window, 10, -1),
			"loan_ms between 1 and 10^12, got 0 and 5":         loan(window, 0, 5),
			"quota must be at most 4096":                       one(ratelimit.Limit{Algorithm: ratelimit.SlidingLog, Quota: 1e6, PeriodMS: 1}),
			"quota must be at least 1 unit where units come b": one(ratelimit.Limit{Algorithm: ratelimit.TokenBucket, PeriodMS: 1, Burst: 4}),
		} {
			err := ratelimit.SetRule.Call(t.Context(), o, r)
			require.ErrorContains(t, err, says)
			require.Equal(t, ratelimit.InvalidRule, ratelimit.Code(err), "%v", err)
		}
		for i := range 63 {
			o.rule(ratelimit.Rule{Name: fmt.Sprint("rule-", i), Limits: []ratelimit.Limit{window}})
		}
		require.ErrorContains(t, ratelimit.SetRule.Call(t.Context(), o, one(window)), "at most 64 rules")
	})(t)
}

func make9(l ratelimit.Limit) []ratelimit.Limit {
	list := make([]ratelimit.Limit, 9)
	for i := range list {
		list[i] = l
	}
	return list
}

// TestClass_config refuses a configuration that contradicts itself when an object starts.
func TestClass_config(t *testing.T) {
	many := make([]ratelimit.Rule, 64) // and the default
	for i := range many {
		many[i] = ratelimit.Rule{Name: fmt.Sprint("r", i), Limits: []ratelimit.Limit{{Algorithm: ratelimit.Month, Quota: 1}}}
	}
	for says, c := range map[string]ratelimitserver.Config{
		"burst must be between": {MaxTokens: -1},
		"period must be":        {RefillEvery: -time.Second},
		"PurgeEvery must be at": {PurgeEvery: -time.Second},
		"rule r: there is no":   {Rules: []ratelimit.Rule{{Name: "r", Limits: []ratelimit.Limit{{}}}}},
		"rule default: no limi": {Rules: []ratelimit.Rule{{Name: ratelimit.DefaultRule}}},
		"key ann: make it":      {Rules: []ratelimit.Rule{{Name: "r", Key: "ann", Limits: []ratelimit.Limit{{Algorithm: ratelimit.Month, Quota: 1}}}}},
		"at most 64 rules":      {Rules: many},
	} {
		bubble(ratelimitserver.Config{}, func(t *testing.T, o *object) {
			o.config = c
			require.ErrorContains(t, o.evict(), says)
		})(t)
	}
}

func TestServer_GetUsage(t *testing.T) {
	plan := ratelimit.Rule{Name: "plan", Limits: []ratelimit.Limit{
		{Algorithm: ratelimit.GCRA, Quota: 100, PeriodMS: 1000},
		{Algorithm: ratelimit.Month, Quota: 1000, Name: "calls"},
	}}
	bubble(limited(plan, api), func(t *testing.T, o *object) { // 2000-01-01
		o.take("api", "ann", 1)
		for i, key := range []string{"ann", "bob", "é/|0"} {
			require.True(t, o.take("plan", key, int64(i+1)))
		}
		read := func(after string, limit int) ratelimit.UsagePage {
			p, err := ratelimit.GetUsage.Call(t.Context(), o, ratelimit.UsageQuery{Rule: "plan", After: after, Limit: limit})
			require.NoError(t, err)
			return p
		}
		page := read("", 2)
		require.Equal(t, ratelimit.UsagePage{Next: "bob", Usage: []ratelimit.Usage{
			{Key: "ann", Name: "calls", Quota: 1000, Month: "2000-01", Used: 1},
			{Key: "bob", Name: "calls", Quota: 1000, Month: "2000-01", Used: 2},
		}}, page)
		require.Equal(t, ratelimit.UsagePage{Usage: []ratelimit.Usage{{Key: "é/|0", Name: "calls", Quota: 1000, Month: "2000-01", Used: 3}}}, read("bob", 2))

		o.advance(40 * 24 * time.Hour)
		require.True(t, o.take("plan", "bob", 5))
		require.Equal(t, ratelimit.Usage{Key: "bob", Name: "calls", Quota: 1000, Month: "2000-02", Used: 5, Before: 2}, read("", 0).Usage[1])
		require.Equal(t, ratelimit.Usage{Key: "ann", Name: "calls", Quota: 1000, Month: "2000-02", Before: 1}, read("", 0).Usage[0], "the last month can still be read")
		o.advance(25 * 24 * time.Hour)
		require.Len(t, read("", 0).Usage, 1, "and is purged with the next")
		_, err := ratelimit.GetUsage.Call(t.Context(), o, ratelimit.UsageQuery{Rule: "none"})
		require.Equal(t, ratelimit.UnknownRule, ratelimit.Code(err))
	})(t)
}
