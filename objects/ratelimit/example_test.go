package ratelimit_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/objects"
	"durago.example/objects/ratelimit"
	"durago.example/objects/ratelimit/ratelimitserver"
)

// A class whose rule "api" is ten requests a second, and a hundred thousand a month, for each key.
func Example_rules() {
	class := ratelimitserver.Class("RateLimiterServer", func(*objects.State) (ratelimitserver.Config, error) {
		return ratelimitserver.Config{Rules: []ratelimit.Rule{{Name: "api", Limits: []ratelimit.Limit{
			{Algorithm: ratelimit.GCRA, Quota: 10, PeriodMS: 1000},
			{Algorithm: ratelimit.Month, Quota: 100_000, Name: "plan"},
		}}}}, nil
	})
	fmt.Println(class.Name())
	// Output: RateLimiterServer
}

// A front that holds each user to that rule, and everybody else by address.
func ExampleMiddleware() {
	var app http.Handler = http.NewServeMux()
	type session struct{}
	signedIn := func(r *http.Request) string {
		user, _ := r.Context().Value(session{}).(string) // as a middleware before this one has found out
		return user
	}

	app = ratelimit.Middleware(ratelimit.MiddlewareOptions{
		Rule: "api",
		Key:  ratelimit.FirstOf(ratelimit.User(signedIn), ratelimit.ClientIP()),
	})(app)

	objects.Run(objects.Program{Fetch: app})
}

// A job that is charged to a tenant, a user and a route at once, for what it costs.
func ExampleTake() {
	charge := func(ctx context.Context, tenant, user string, bytes int64) error {
		limiter := objects.NamespaceOf(ctx, "RATE_LIMITER").GetByName(tenant)
		d, err := ratelimit.Take.Call(ctx, limiter, ratelimit.Request{
			Descriptors: ratelimit.Hierarchy("tenant", tenant, "user", user, "route", "/upload"),
			Cost:        bytes,
		})
		if err == nil && !d.Allowed {
			err = fmt.Errorf("%s: try again in %d ms", d.Reason, d.RetryInMS)
		}
		return err
	}
	_ = charge
}

// TestREADME holds that the README's code is that of the examples.
func TestREADME(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	own, err := os.ReadFile("example_test.go")
	require.NoError(t, err)
	flat := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	_, section, found := strings.Cut(string(readme), "### Rate limits\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := strings.Split(section, "```go\n")[1:]
	require.Len(t, blocks, 2)
	for _, b := range blocks {
		code, _, _ := strings.Cut(b, "```")
		require.Contains(t, flat(string(own)), flat(code))
	}
}
