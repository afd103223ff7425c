package hosttest_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host"
	"durago.example/host/hosttest"
	"durago.example/wasm/value"
)

// FuzzServer sends any bytes to the worker's server: it answers or closes, panics nowhere, and serves the next one.
func FuzzServer(f *testing.F) {
	h := hosttest.Start(f, hosttest.Options{Config: "../../testdata/guests/scenario/wrangler.toml", RealTime: true, Isolates: 1,
		CPULimit: time.Second, BodyTimeout: 100 * time.Millisecond})
	var panicked atomic.Value
	s := host.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if err, ok := p.(error); p != nil && !(ok && errors.Is(err, http.ErrAbortHandler)) {
				panicked.Store(p)
			}
			if p != nil {
				panic(p)
			}
		}()
		h.Handler().ServeHTTP(w, r)
	}), host.ServerOptions{HeaderTimeout: 100 * time.Millisecond, IdleTimeout: 100 * time.Millisecond})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(f, err)
	go func() { _ = s.Serve(l) }()
	f.Cleanup(func() { _ = s.Close() })
	for _, row := range hostile {
		if len(row.text) < 1000 {
			f.Add([]byte(row.text))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		defer c.Close()
		_, _ = c.Write(b)
		_ = c.(*net.TCPConn).CloseWrite()
		require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
		_, err = io.Copy(io.Discard, c)
		var timeout net.Error
		require.False(t, errors.As(err, &timeout) && timeout.Timeout(), "it neither answers nor closes")
		resp, err := http.Get("http://" + l.Addr().String() + "/touch/other")
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Nil(t, panicked.Load())
	})
}

// FuzzCall calls methods with any bytes as arguments: they are decoded or refused, and the isolate lives.
func FuzzCall(f *testing.F) {
	h := hosttest.Start(f, hosttest.Options{Config: "../../testdata/guests/scenario/wrangler.toml", RealTime: true, Isolates: 1})
	methods := []string{"echo", "add", "count", "fail"}
	for i, args := range [][]any{{}, {"text"}, {1, 2}, {map[string]any{"a": []any{nil, true, 1.5, time.UnixMilli(5), []byte("b")}}}, {"type"}} {
		b, err := value.Marshal(nil, args)
		require.NoError(f, err)
		f.Add(i, b)
		f.Add(i+1, b[:len(b)/2])
	}
	f.Add(0, []byte("L\x01\x02\x00\x00\x00A\x01H\x00\x01\x00\x00\x00"))
	sum, err := value.Marshal(nil, []any{1, 2})
	require.NoError(f, err)
	o := h.Object("HOME", "called")
	f.Fuzz(func(t *testing.T, method int, args []byte) {
		name := methods[uint(method)%uint(len(methods))]
		result, err := o.CallRPC(t.Context(), name, args)
		var v any
		if err == nil && name == "echo" {
			require.NoError(t, value.Unmarshal(result, &v), "what came back is no value")
		}
		n, err := o.CallRPC(t.Context(), "add", sum)
		require.NoError(t, err)
		require.NoError(t, value.Unmarshal(n, &v))
		require.EqualValues(t, 3, v)
		require.Zero(t, h.Guests()[0].Counts().Restarts.Load(), "the isolate ended")
	})
}
