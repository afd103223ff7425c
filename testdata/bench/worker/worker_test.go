//go:build !js

package main_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/testdata/bench/loadgen"
)

func TestRoutes(t *testing.T) {
	h := hosttest.Start(t, hosttest.Options{Config: "../wrangler.toml"})
	require.NoError(t, loadgen.Verify(t.Context(), loadgen.Target{URL: h.URL}, "v"))
}
