//go:build !js

package main_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
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
		"codes":["INVALID_COST","INVALID_COST","INVALID_COST","false","TypeError","INVALID_COST","TypeError","INVALID_COST"],
		"refused":"consume: argument 1 (key): cannot read a number into string",
		"missing":"The RPC receiver does not implement the method \"decrement\"."}`, string(body))
}
