package hosttest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

// failures is the failure table: who fails, with which text, and what is kept.
var failures = []struct {
	name, path, body string
	status           int
	text             string // of the answer; if the isolate ended it is in the log
	log              string // in the log besides
	kept             string // what /n says afterwards; it was 1 before
	hostOnly         string // why workerd does not have it
}{
	{"handler panic", "/panic/%", "", 502, "panic: handler panic", "goroutine ", "2", ""},
	{"handler error", "/error/%", "", 500, "an error on purpose", "", "1", ""},
	{"contained panic", "/gopanic/%", "", 200, "started", "panic: contained", "1", ""},
	{"bare goroutine panics", "/barepanic/%", "", 500, "the isolate ended: panic: bare goroutine", "bare goroutine", "1", ""},
	{"exit after a write", "/exit/%?write", "", 500, "the isolate ended: exit code 3", "", "1", ""},
	{"endless loop", "/spin/%", "", 500, "the isolate ended: exceeded its CPU limit of 2s", "", "1", "workerd has no CPU limit"},
	{"unbounded allocation", "/alloc/%", "", 500, "the isolate ended: ", "out of memory", "1", ""},
	{"deep recursion", "/recurse/%", "", 500, "the isolate ended: ", "", "1", ""},
	{"nested arrays from a stranger", "/json/%", strings.Repeat("[", 20_000), 200, "exceeded max depth", "", "1", ""},
	{"a wait inside TransactionSync", "/transaction/%?mode=park", "", 500, "the isolate ended: a TransactionSync body waited", "", "1", ""},
	{"an operation that would wait inside TransactionSync", "/transaction/%?mode=wait", "", 200, "this operation would wait", "", "1", ""},
	{"constructor error", "/broken/%", "", 502, "RangeError: the constructor said no", "", "1", ""},
	{"wrong argument", "/rpcwrong/%", "", 200, "TypeError: add: argument 1 (a): cannot read a string into int", "", "1", ""},
	{"abort", "/abort/%", "", 502, "aborted on purpose", "", "1", ""},
	{"failed critical section", "/block/%?fail", "", 502, "block failed", "", "1", ""},
	{"failed transaction", "/transaction/%?mode=fail", "", 200, "err=undo", "", "1", ""},
	{"failed asynchronous transaction", "/transaction/%?mode=fail&async", "", 200, "err=undo", "", "1", ""},
}

// TestFailure holds that each failure stays with its event: the text names the Go cause, what was committed is kept,
// nothing half-written is, the next request is served, and so is a neighbour.
func TestFailure(t *testing.T) { fails(t, everyScenario(), false) }

// TestFailure_ends holds the same of those that end the isolate. Natively they end the process.
func TestFailure_ends(t *testing.T) {
	o := everyScenario()
	o.Native, o.CPULimit, o.SharedMemory = nil, 2*time.Second, true
	fails(t, o, true)
}

func fails(t *testing.T, o hosttest.Options, ends bool) {
	t.Parallel()
	hosttest.Each(t, o, func(t *testing.T, h *hosttest.Host) {
		for _, row := range failures {
			if row.hostOnly != "" || strings.HasPrefix(row.text, "the isolate ended") != ends {
				continue
			}
			h.Record("# %s", row.name)
			name := strings.ReplaceAll(row.name, " ", "-")
			_, n := h.Fetch("POST", "/count/"+name, "")
			require.Equal(t, "1", n)
			var status int
			var text string
			h.Unrecorded(func() { status, text = h.Fetch("POST", strings.Replace(row.path, "%", name, 1), row.body) })
			require.Equal(t, row.status, status, "%s: %s", row.name, text)
			h.Record("%s → %d", row.path, status)
			if ends {
				require.Eventually(t, func() bool { return strings.Contains(h.Log(), row.text) }, 5*time.Second, time.Millisecond, "%s: %s", row.name, h.Log())
			} else {
				require.Contains(t, text, row.text, row.name)
			}
			require.Eventually(t, func() bool { return strings.Contains(h.Log(), row.log) }, 5*time.Second, time.Millisecond, "%s: %s", row.name, h.Log())
			_, n = h.Fetch("GET", "/n/"+name, "")
			require.Equal(t, row.kept, n, row.name)
			h.Fetch("POST", "/count/neighbour", "")
		}
	})
}

// TestFailure_own holds that an object that has an instance of its own ends nothing but that.
func TestFailure_own(t *testing.T) {
	t.Parallel()
	options := hosttest.Options{Config: "../../testdata/guests/scenario/wrangler.toml", RealTime: true, Isolates: 1, OwnInstance: true}
	hosttest.Each(t, options, func(t *testing.T, h *hosttest.Host) {
		c := h.Dial("/ws/neighbour")
		require.Equal(t, "hi seen=1 calls=2", say(t, c, "hi"))
		waiting := get(t, h, "/sleep/neighbour?ms=1500")
		for name, path := range map[string]string{"panics": "/barepanic/panics", "exits": "/exit/exits", "recurses": "/recurse/recurses", "parks": "/transaction/parks?mode=park"} {
			h.Unrecorded(func() {
				_, n := h.Fetch("POST", "/count/"+name, "")
				require.Equal(t, "1", n)
				status, text := h.Fetch("POST", path, "")
				require.Equal(t, http.StatusBadGateway, status, text)
				require.Contains(t, text, "the isolate ended: ")
				_, n = h.Fetch("POST", "/count/"+name, "")
				require.Equal(t, "2", n, "what was committed is kept, and nothing else")
			})
		}
		h.Record("a neighbour's socket: %s", say(t, c, "still"))
		h.Record("a neighbour's event: %s", <-waiting)
	})
}

// TestFailure_isolates holds that what one isolate suffers another does not feel: an event that waits there goes on.
func TestFailure_isolates(t *testing.T) {
	for _, row := range failures {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			h := scenario(t, realTime, func(o *hosttest.Options) { o.CPULimit = 2 * time.Second })
			_, n := h.Fetch("POST", "/count/a", "")
			require.Equal(t, "1", n)
			neighbour := h.Object("HOME", "neighbour")
			_, text := h.Fetch("POST", strings.Replace(row.path, "%", "a", 1), row.body)
			require.Eventually(t, func() bool { return strings.Contains(text+h.Log(), row.text) }, 5*time.Second, time.Millisecond, text+h.Log())
			_, n = h.Fetch("GET", "/n/a", "")
			require.Equal(t, row.kept, n)
			_, err := neighbour.SQL(`SELECT 1`)
			require.NoError(t, err)
			_, n = h.Fetch("POST", "/count/neighbour", "")
			require.Equal(t, "1", n)
		})
	}
}

// TestFailure_never is a handler that never finishes: its client gives up, or nobody does and the limit ends it.
func TestFailure_never(t *testing.T) {
	t.Parallel()
	h := scenario(t)
	o := h.Object("HOME", "a")
	answer := make(chan error, 1)
	go func() {
		_, err := o.CallRPC(t.Context(), "fail", arguments(t, "never"))
		answer <- err
	}()
	require.Eventually(t, o.InMemory, 5*time.Second, time.Millisecond)
	h.Advance(14 * time.Minute)
	require.Empty(t, answer)
	h.Advance(2 * time.Minute)
	require.EqualError(t, <-answer, "the handler did not finish in time: it waits for a Go channel, lock or timer")

	front := get(t, h, "/never/a")
	require.Eventually(t, func() bool {
		h.Advance(time.Minute)
		return len(front) > 0
	}, 10*time.Second, time.Millisecond)
	require.Equal(t, "Internal Server Error\n", <-front)
	require.Contains(t, h.Log(), "the handler did not finish in time: it waits for the object that it forwarded to")
	_, n := h.Fetch("POST", "/count/a", "")
	require.Equal(t, "1", n)
}

// TestFailure_sweep: looking every minute for handlers that never finish harms nothing that is under way just then.
func TestFailure_sweep(t *testing.T) {
	t.Parallel()
	t.Run("a critical section", func(t *testing.T) {
		t.Parallel()
		h := scenario(t)
		h.Fetch("POST", "/count/a", "") // a look follows in a minute
		h.Advance(45 * time.Second)
		answer := get(t, h, "/block/b?ms=20000")
		require.Eventually(t, h.Object("HOME", "b").InMemory, 5*time.Second, time.Millisecond)
		h.Advance(25 * time.Second)
		require.Eventually(t, func() bool { return len(answer) > 0 }, 5*time.Second, time.Millisecond, "the section does not end")
		require.Equal(t, "2", <-answer)
	})
	t.Run("a handler that goes on after its client has gone", func(t *testing.T) {
		t.Parallel()
		h := scenario(t)
		ctx, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() {
			r, err := http.NewRequestWithContext(ctx, "GET", h.URL+"/stubborn/a", nil)
			if err == nil {
				_, err = http.DefaultClient.Do(r)
			}
			left <- err
		}()
		require.Eventually(t, func() bool { _, n := h.Fetch("GET", "/waiting/a", ""); return n == "1" }, 5*time.Second, time.Millisecond)
		leave()
		require.ErrorIs(t, <-left, context.Canceled)
		require.Eventually(t, func() bool { _, n := h.Fetch("GET", "/waiting/a", ""); return n == "2" }, 5*time.Second, time.Millisecond)
		h.Advance(20 * time.Minute)
		require.NotContains(t, h.Log(), "the isolate ended")
	})
}
