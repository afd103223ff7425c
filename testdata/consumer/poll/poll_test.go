package poll_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"consumer.example/poll"
	"consumer.example/program"
	"durago.example/host/hosttest"
	"durago.example/host/hosttest/native"
)

// TestPoll is what a user of the library writes: the compiled program, its objects called with types and over HTTP, on
// a clock of the test's own.
func TestPoll(t *testing.T) { test(t, hosttest.Options{}) }

// TestPoll_native is the same without wasm: for the debugger, the race detector and coverage.
func TestPoll_native(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { test(t, hosttest.Options{Native: native.Program(program.Program()), Bubble: true}) })
}

func test(t *testing.T, o hosttest.Options) {
	o.Config = "../wrangler.toml"
	h := hosttest.Start(t, o)
	ctx := t.Context()
	lunch := h.Object("POLL", "lunch")
	require.NoError(t, poll.Open.Call(ctx, lunch, "soup or salad?", 60))
	n, err := poll.Vote.Call(ctx, lunch, "soup")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	status, body := h.Fetch("POST", "/poll/lunch?choice=soup", "")
	require.Equal(t, 200, status)
	require.Equal(t, "2\n", body)

	require.NoError(t, lunch.Evict())
	h.Advance(59 * time.Second)
	result, err := poll.Tally.Call(ctx, lunch)
	require.NoError(t, err)
	require.Equal(t, poll.Result{Question: "poll: soup or salad?", Votes: map[string]int{"soup": 2}}, result)

	h.Advance(time.Second)
	_, err = poll.Vote.Call(ctx, lunch, "salad")
	require.ErrorContains(t, err, "the poll is closed")
	status, _ = h.Fetch("POST", "/poll/lunch?choice=salad", "")
	require.Equal(t, 409, status)
	_, body = h.Fetch("GET", "/poll/lunch", "")
	require.JSONEq(t, `{"question":"poll: soup or salad?","votes":{"soup":2},"closed":true}`, body)

	_, body = h.Fetch("GET", "/poll/dinner", "")
	require.JSONEq(t, `{"question":"","votes":{},"closed":false}`, body)
}
