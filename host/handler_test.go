package host

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCountedBody_stop: a body that has ended is stopped without harm to the connection. Its server reads on by itself then, and
// would take a deadline for the end of the client, in this request and in all that follow.
func TestCountedBody_stop(t *testing.T) {
	alive := func(r *http.Request) error {
		select {
		case <-r.Context().Done():
			return errors.New("the server thinks that the client has gone")
		case <-time.After(20 * time.Millisecond):
			return nil
		}
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := &countedBody{ReadCloser: r.Body, c: http.NewResponseController(w), timeout: time.Minute}
		_, err := io.Copy(io.Discard, body)
		body.stop()
		if err := errors.Join(err, alive(r)); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	defer s.Close()
	for range 2 {
		resp, err := s.Client().Post(s.URL, "", struct{ io.Reader }{strings.NewReader("in chunks")})
		require.NoError(t, err)
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode, "%s", b)
	}
}

// TestCountedBody_stop_reading: one that is being read fails at once.
func TestCountedBody_stop_reading(t *testing.T) {
	failed := make(chan error, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := &countedBody{ReadCloser: r.Body, c: http.NewResponseController(w), timeout: time.Minute}
		time.AfterFunc(20*time.Millisecond, body.stop)
		_, err := io.Copy(io.Discard, body)
		failed <- err
	}))
	defer s.Close()
	r, w := io.Pipe()
	defer w.Close()
	go func() { _, _ = s.Client().Post(s.URL, "", r) }()
	_, err := w.Write([]byte("some of it"))
	require.NoError(t, err)
	require.ErrorIs(t, <-failed, os.ErrDeadlineExceeded)
}
