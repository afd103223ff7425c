package hosttest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/build"
	"durago.example/build/wrangler"
	"durago.example/host/hosttest"
)

// TestHeap_workerd: whatever objects do many times leaves nothing in the isolate's JavaScript, where the adapter keeps what Go
// refers to.
func TestHeap_workerd(t *testing.T) { // not parallel: it is about a few bytes, and takes a processor
	if hosttest.WorkerdPath() == "" {
		t.Skip("DURAGO_WORKERD says where workerd is")
	}
	require.Empty(t, leavings(t, -1, ""))
	require.Equal(t, []string{"a request with an unread body"}, leavings(t, 1, `(globalThis.kept ??= []).push(request, request.body);`), "a seeded leak")
}

// leavings are the kinds of use, of the first n or all, that leave something. The adapter does defect with each request besides.
func leavings(t *testing.T, n int, defect string) (leave []string) {
	c, err := wrangler.Load("../../testdata/guests/soak/wrangler.toml")
	require.NoError(t, err)
	r, err := build.Build(t.Context(), build.Options{Config: c, Out: filepath.Join(t.TempDir(), "dist"), Workerd: true, Manifest: hosttest.ReadManifest,
		Compile: func(context.Context, *wrangler.Config) ([]byte, error) { return hosttest.Wasm(t, c, ""), nil }})
	require.NoError(t, err)
	config := filepath.Join(r.Dir, "workerd.capnp")
	change := func(file, old, to string) {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Contains(t, string(b), old)
		require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(b), old, to, 1)), 0o600))
	}
	change(filepath.Join(r.Dir, "context.mjs"), "\n  fetch(request) {\n", "\n  fetch(request) {\n"+defect+"\n")
	change(config, "Workerd.Config = (\n", "Workerd.Config = (\n  v8Flags = [\"--expose-gc\"],\n")
	change(filepath.Join(r.Dir, "worker.mjs"), "export default ", `export default {
  fetch(r, env, ctx) {
    if (!r.url.endsWith("/collect-all")) return front.fetch(r, env, ctx);
    gc();
    return new Response("");
  },
};
const front = `)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	inspector := l.Addr().String()
	require.NoError(t, l.Close())
	p := hosttest.Workerd{Config: config, Dir: filepath.Join(t.TempDir(), "state"), Sockets: []string{"http"},
		Flags: []string{"--inspector-addr=" + inspector}}.Serve(t)
	t.Cleanup(p.Stop)
	url := p.URLs["http"]

	fetch := func(method, path string, body string) {
		q, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		resp, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			t.Error(path, resp.Status, string(b), err)
		}
	}
	socket := func(path string) {
		ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http")+path, nil)
		if err != nil {
			t.Error(path, err)
			return
		}
		defer ws.Close() // it vanishes
		_ = ws.SetReadDeadline(time.Now().Add(20 * time.Second))
		for range 3 {
			_ = ws.WriteMessage(websocket.TextMessage, []byte("hello"))
			if _, _, err := ws.ReadMessage(); err != nil {
				t.Error(path, err)
			}
		}
	}
	used := func() int {
		ws, _, err := websocket.DefaultDialer.Dial("ws://"+inspector+"/"+c.Name, nil)
		require.NoError(t, err)
		defer ws.Close()
		require.NoError(t, ws.SetReadDeadline(time.Now().Add(20*time.Second)))
		for range 2 {
			fetch("GET", "/collect-all", "")
		}
		require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte(`{"id": 1, "method": "Runtime.getHeapUsage"}`)))
		var answer struct {
			Result struct{ UsedSize, EmbedderHeapUsedSize float64 }
		}
		require.NoError(t, ws.ReadJSON(&answer))
		require.NotZero(t, answer.Result.UsedSize)
		return int(answer.Result.UsedSize + answer.Result.EmbedderHeapUsedSize)
	}

	settled := func() int { // what waits for the one collector or the other is gone
		least := used()
		for same := 0; same < 3; {
			fetch("GET", "/collect/b", "")
			time.Sleep(50 * time.Millisecond)
			fetch("POST", "/unread/b?to=c", "")
			if now := used(); now < least-20_000 {
				least, same = now, 0
			} else {
				same++
			}
		}
		return least
	}

	const times, atMost = 1000, 80 // bytes; what is not collected yet makes some tens of difference
	kinds := []struct {
		name string
		use  func(i int)
	}{
		{"a request with an unread body", func(int) { fetch("POST", "/stream/b?n=0", "unread") }},
		{"an upload", func(int) { fetch("POST", "/upload/b", "some") }},
		{"a stream", func(int) { fetch("GET", "/stream/b?n=3", "") }},
		{"an answer that is not read", func(int) { fetch("POST", "/unread/b?to=c", "") }},
		{"a write", func(i int) { fetch("GET", fmt.Sprintf("/write/w%d?v=x", i%3), "") }},
		{"a call", func(i int) { fetch("GET", fmt.Sprintf("/call/w%d?to=v%d&v=x", i%3, i%3), "") }},
		{"a callback and a stream", func(i int) { fetch("GET", fmt.Sprintf("/lend/w%d?to=v&n=100", i%3), "") }},
		{"a timer", func(int) { fetch("GET", "/sleep/b?ms=1", "") }},
		{"an alarm", func(int) { fetch("GET", "/alarm/b?ms=1&v=x", "") }},
		{"a hibernatable socket", func(int) { socket("/socket/s") }},
		{"an ordinary socket", func(int) { socket("/conn/s") }},
		{"a socket between objects", func(int) { fetch("GET", "/dial/b?to=d&kind=socket&n=2", "") }},
		{"an ordinary one", func(int) { fetch("GET", "/dial/b?to=d&kind=conn&n=2", "") }},
	}
	if n >= 0 {
		kinds = kinds[:n]
	}
	for _, kind := range kinds {
		each(4, times, kind.use)
		before, leaves := settled(), true
		for n := 1; n <= 8 && leaves; n++ { // what leaves something goes on doing so
			each(4, times, kind.use)
			grown := settled() - before
			t.Logf("%s: %d bytes", kind.name, grown/(n*times))
			leaves = grown > atMost*n*times
		}
		if leaves {
			leave = append(leave, kind.name)
		}
	}
	return leave
}
