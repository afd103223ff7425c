package hosttest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host"
	"durago.example/host/hosttest"
)

// TestTraces: the headers of a trace go through as they are, valid or not, and nothing is invented where there are none.
func TestTraces(t *testing.T) {
	t.Parallel()
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%q %q", r.Header["Traceparent"], r.Header["Tracestate"])
	}))
	t.Cleanup(far.Close)
	both(t, func(t *testing.T, h *hosttest.Host) {
		ask := func(path, parent, state string) {
			r, err := http.NewRequestWithContext(t.Context(), "GET", h.URL+path, nil)
			require.NoError(t, err)
			if parent != "" {
				r.Header.Set("Traceparent", parent)
			}
			if state != "" {
				r.Header.Set("Tracestate", state)
			}
			resp, err := h.Client().Do(r)
			require.NoError(t, err)
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			h.Record("%s, %q %q → %s", path, parent, state, b)
		}
		for _, path := range []string{"/traced/a", "/ftraced/a", "/ffetch/a?path=/traced/a"} {
			ask(path, "", "")
			ask(path, traceparent, "vendor=1,other=2")
			ask(path, "nonsense", "=,=")
			ask(path, "FF-00-00-00", "")
		}
		for _, path := range []string{"/out/a?url=", "/fout/a?url="} {
			r, err := http.NewRequestWithContext(t.Context(), "GET", h.URL+path+url.QueryEscape(far.URL), nil)
			require.NoError(t, err)
			r.Header.Set("Traceparent", traceparent)
			resp, err := h.Client().Do(r)
			require.NoError(t, err)
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, "[] []", string(b), "a request that the program makes has what the program gives it")
		}
	})
}

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// TestLog is what a line carries: the object, the event, and the trace of its request.
func TestLog(t *testing.T) {
	t.Parallel()
	h := scenario(t)
	for _, parent := range []string{traceparent, "nonsense", ""} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", h.URL+"/traced/a", nil)
		require.NoError(t, err)
		if parent != "" {
			r.Header.Set("Traceparent", parent)
		}
		resp, err := h.Client().Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
	var ids []string
	var traces []string
	for _, l := range h.Lines() {
		if l.Text == "traced" {
			require.Equal(t, host.Line{Level: 1, Class: "Home", Name: "a", Event: "fetch", ID: l.ID, Trace: l.Trace, Text: "traced"}, l)
			ids, traces = append(ids, l.ID), append(traces, l.Trace)
		}
	}
	require.Equal(t, []string{"4bf92f3577b34da6a3ce929d0e0e4736", "", ""}, traces)
	require.Len(t, ids, 3)
	require.NotEmpty(t, ids[0])
	require.NotEqual(t, ids[0], ids[1])
	require.NotEqual(t, ids[1], ids[2])
}
