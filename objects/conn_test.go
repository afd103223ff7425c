package objects_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/objects"
	"durago.example/objects/driver"
)

// acceptor is a runtime's http.ResponseWriter.
type acceptor struct {
	*httptest.ResponseRecorder
	header http.Header
	fail   error
}

func (a *acceptor) Accept(h http.Header) (driver.Conn, error) {
	a.header = h
	return &fakeConn{}, a.fail
}

// wrapped is one that middleware wraps.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// fakeConn answers with what was sent, then ends.
type fakeConn struct {
	driver.Conn
	sent [][]byte
}

func (c *fakeConn) Send(_ bool, data []byte) error {
	c.sent = append(c.sent, data)
	return nil
}

func (c *fakeConn) Receive(context.Context) (bool, []byte, error) {
	if len(c.sent) == 0 {
		return false, nil, &driver.CloseError{Code: 4000, Reason: "bye", Clean: true}
	}
	data := c.sent[0]
	c.sent = c.sent[1:]
	return true, data, nil
}

func upgrade() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Upgrade", "WebSocket")
	return r
}

func TestAccept(t *testing.T) {
	w := &acceptor{ResponseRecorder: httptest.NewRecorder()}
	c, err := objects.Accept(wrapped{w}, upgrade(), &objects.AcceptOptions{Protocol: "chat", Header: http.Header{"X-Own": {"yes"}}})
	require.NoError(t, err)
	require.Equal(t, http.Header{"X-Own": {"yes"}, "Sec-Websocket-Protocol": {"chat"}}, w.header)
	require.Equal(t, "chat", c.Protocol())
	require.Empty(t, c.Extensions())
	require.NoError(t, c.Send(objects.Text("hi")))
	m, err := c.Receive(t.Context())
	require.NoError(t, err)
	require.Equal(t, objects.Text("hi"), m)
	_, err = c.Receive(t.Context())
	var closed *objects.CloseError
	require.ErrorAs(t, err, &closed)
	require.Equal(t, objects.CloseError{Code: 4000, Reason: "bye", Clean: true}, *closed)
	require.EqualError(t, err, "the socket was closed: 4000 bye")
	require.EqualError(t, &objects.CloseError{Code: 1005}, "the socket was closed: 1005")

	for name, row := range map[string]struct {
		w   http.ResponseWriter
		r   *http.Request
		o   *objects.AcceptOptions
		err string
	}{
		"a writer of somebody else": {httptest.NewRecorder(), upgrade(), nil, "objects: Accept needs the handler's own http.ResponseWriter, or one that unwraps to it"},
		"a request that asks for none": {w, httptest.NewRequest(http.MethodGet, "/", nil), nil,
			`TypeError: Worker tried to return a WebSocket in a response to a request which did not contain the header "Upgrade: websocket".`},
		"tags":             {w, upgrade(), &objects.AcceptOptions{Tags: []string{"t"}}, "objects: only hibernatable sockets have tags: see State.AcceptWebSocket"},
		"the runtime's no": {&acceptor{fail: errors.New("no")}, upgrade(), nil, "no"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := objects.Accept(row.w, row.r, row.o)
			require.EqualError(t, err, row.err)
		})
	}
}

func TestDial(t *testing.T) {
	for name, row := range map[string]struct {
		url, asked, err string
		status          int
	}{
		"wss":             {"wss://feed.example/a?b=c", "https://feed.example/a?b=c", "", 101},
		"ws":              {"ws://feed.example/", "http://feed.example/", "", 101},
		"https":           {"https://feed.example/", "https://feed.example/", "", 101},
		"another answer":  {"https://feed.example/", "https://feed.example/", "objects: Dial https://feed.example/: the answer is 403 Forbidden, not 101", 403},
		"no absolute URL": {"/relative", "", "TypeError: Invalid URL: /relative", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := &fakeDialer{status: row.status}
			ctx := context.WithValue(t.Context(), driver.ScopeKey, driver.Scope(s))
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, row.url, nil)
			c, resp, err := objects.Dial(ctx, r)
			if row.asked != "" {
				require.Equal(t, row.asked, s.asked.URL.String())
				require.Equal(t, "websocket", s.asked.Header.Get("Upgrade"))
				require.Empty(t, r.Header.Get("Upgrade"), "the caller's request stays as it is")
			}
			if row.err == "" {
				require.NoError(t, err)
				require.Equal(t, "chat", c.Protocol())
				require.Equal(t, "x", c.Extensions())
				return
			}
			require.EqualError(t, err, row.err)
			require.Nil(t, c)
			if row.status != 0 {
				require.Equal(t, row.status, resp.StatusCode)
			}
		})
	}
	t.Run("a runtime without sockets", func(t *testing.T) {
		ctx := context.WithValue(t.Context(), driver.ScopeKey, driver.Scope(noDialer{}))
		_, _, err := objects.Dial(ctx, httptest.NewRequest(http.MethodGet, "http://x/", nil))
		require.EqualError(t, err, "objects: Dial: this runtime has no sockets")
	})
}

// fakeDialer is a scope whose network answers.
type fakeDialer struct {
	driver.Scope
	asked  *http.Request
	status int
}

func (s *fakeDialer) Platform() driver.Platform { return network{s: s} }

type network struct {
	driver.Platform
	s *fakeDialer
}

func (n network) Dial(_ context.Context, r *http.Request) (driver.Conn, *http.Response, error) {
	n.s.asked = r
	resp := &http.Response{StatusCode: n.s.status, Body: io.NopCloser(strings.NewReader("")),
		Header: http.Header{"Sec-Websocket-Protocol": {"chat"}, "Sec-Websocket-Extensions": {"x"}}}
	if n.s.status != http.StatusSwitchingProtocols {
		return nil, resp, nil
	}
	return &fakeConn{}, resp, nil
}

type noDialer struct{ driver.Scope }

func (noDialer) Platform() driver.Platform { return nil }
