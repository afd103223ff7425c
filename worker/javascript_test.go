//go:build !js

package main_test

import (
	"bytes"
	"context"
	"io"
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
	"durago.example/host"
	"durago.example/host/hosttest"
	"durago.example/worker/counter"
)

// TestJavaScript runs a worker in TypeScript in the same workerd as the Go worker, whose objects it calls by RPC with the
// declarations that the build wrote.
func TestJavaScript(t *testing.T) {
	t.Parallel()
	module := hosttest.TypeScript(t, "../wrangler.toml", "../testdata/javascript/app.ts")
	h := hosttest.Start(t, hosttest.Options{Config: "../wrangler.toml", Workerd: true, Beside: module})
	resp, err := http.Get(h.BesideURL)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.JSONEq(t, `{"ok":true,"remaining":9,"limit":10,"n":2,
		"decisions":[true,2,false,"exceeded",2],"peeked":true,"usage":0,"big":"INVALID_KEY","lone":"true",
		"table":[true,false,true,false,true,true,true,5,true,true,true,true,false,true,10,0,20,true,true],
		"codes":["INVALID_COST","INVALID_COST","INVALID_COST","false","INVALID_ARGUMENT","INVALID_COST","INVALID_ARGUMENT","INVALID_COST"],
		"refused":"consume: argument 1 (key): cannot read a number into string",
		"missing":"The RPC receiver does not implement the method \"decrement\"."}`, string(body))
}

// javascriptApp is an app worker in JavaScript, as it is written by hand but for backend.d.ts.
const javascriptApp = "../testdata/javascript/app"

// TestJavaScriptApp_types: backend.d.ts is what durago types writes, and by it TypeScript passes the app, and finds a call of
// an object that is wrong.
func TestJavaScriptApp_types(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{}
	for _, name := range []string{"index.mjs", "backend.d.ts"} {
		b, err := os.ReadFile(filepath.Join(javascriptApp, name))
		require.NoError(t, err)
		files[name] = b
	}
	c, err := wrangler.Load(backend)
	require.NoError(t, err)
	m, err := host.ReadManifest(context.Background(), hosttest.Wasm(t, c, ""), hosttest.CacheDir())
	require.NoError(t, err)
	require.Equal(t, string(build.Generate(c, m, build.GenerateOptions{})["worker.d.ts"]), string(files["backend.d.ts"]),
		"go run ./host/cmd/durago types --out testdata/javascript/app/backend.d.ts")

	said, err := hosttest.TypeCheck(t, files)
	require.NoError(t, err, said)
	for wrong, says := range map[string]string{
		`.increment("2")`:  "not assignable to parameter of type 'number'",
		`.decrement(by)`:   "Property 'decrement' does not exist",
		`.increment(by).x`: "Property 'x' does not exist",
	} {
		files["index.mjs"], err = os.ReadFile(filepath.Join(javascriptApp, "index.mjs"))
		require.NoError(t, err)
		require.Contains(t, string(files["index.mjs"]), ".increment(by)")
		files["index.mjs"] = bytes.ReplaceAll(files["index.mjs"], []byte(".increment(by)"), []byte(wrong))
		said, err := hosttest.TypeCheck(t, files)
		require.Error(t, err, wrong)
		require.Contains(t, said, says)
	}
}

// TestJavaScriptApp runs the app worker with the bindings of its own configuration, in one workerd with the Go worker whose
// classes it binds by script_name.
func TestJavaScriptApp(t *testing.T) {
	t.Parallel()
	if hosttest.WorkerdPath() == "" {
		t.Skip("needs workerd: run make conformance")
	}
	module, err := os.ReadFile(filepath.Join(javascriptApp, "index.mjs"))
	require.NoError(t, err)
	h := hosttest.Start(t, hosttest.Options{Config: backend, Workerd: true, Beside: module, BesideConfig: filepath.Join(javascriptApp, "wrangler.jsonc")})
	useJavaScriptApp(t, h.BesideURL)
	n, err := counter.Get.Call(t.Context(), h.Object("COUNTER", "a"))
	require.NoError(t, err)
	require.Equal(t, 5, n, "it is the Go worker's object")
	_, body := h.Fetch("GET", "/counter/a", "")
	require.JSONEq(t, `{"n":5}`, body)
}

// TestJavaScriptApp_dev runs it under wrangler dev.
func TestJavaScriptApp_dev(t *testing.T) {
	useJavaScriptApp(t, dev(t, "testdata/javascript/app/wrangler.jsonc", "wrangler.toml"))
}

// useJavaScriptApp is a client of the app worker.
func useJavaScriptApp(t *testing.T, url string) {
	t.Helper()
	ask := func(method, path, body string, status int) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
		require.NoError(t, err)
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, status, resp.StatusCode, "%s %s: %s", method, path, b)
		return string(b)
	}
	require.JSONEq(t, `{"n":2,"remaining":4}`, ask("POST", "/counter/a?by=2", "", 200))
	require.JSONEq(t, `{"n":3,"remaining":3}`, ask("POST", "/counter/a", "", 200))
	require.JSONEq(t, `{"message":"increment: argument 1 (by): cannot read 1.5 into int"}`, ask("POST", "/counter/a?by=1.5", "", 400))
	for range 2 {
		ask("POST", "/counter/a", "", 200)
	}
	require.Equal(t, "too many\n", ask("POST", "/counter/a", "", 429))
	require.JSONEq(t, `{"n":5}`, ask("GET", "/counter/a", "", 200))
	ask("GET", "/", "", 404)

	c, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(url, "http")+"/api/websocket?room=tea&name=%C3%89+ann", nil)
	require.NoError(t, err)
	defer c.Close()
	hear := func() string {
		t.Helper()
		require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
		_, b, err := c.ReadMessage()
		require.NoError(t, err)
		return string(b)
	}
	require.Contains(t, hear(), `"meta":{"user_name":"\u00c9 ann"}`)
	require.Equal(t, "1", ask("PUT", "/leaf/l1", "green", 200))
	require.JSONEq(t, `{"event":"entity:updated","entity_type":"leaf","id":"l1","data":{"text":"green"}}`, hear())
	require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte(`{"event":"chat","text":"hi"}`)))
	require.JSONEq(t, `{"event":"chat","text":"hi"}`, hear())
}
