package hosttest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

// BenchmarkNative is what a small test costs natively and in wasm that has been compiled: a worker from its start to its end,
// and a call of a method.
//
//	go test ./host/hosttest -run xxx -bench Native
func BenchmarkNative(b *testing.B) {
	for _, row := range []struct {
		name string
		o    hosttest.Options
	}{{"native", connected(everyScenario())}, {"wasm", hosttest.Options{Config: everyScenario().Config, RealTime: true, Isolates: 1}}} {
		start := func() (*hosttest.Host, func()) {
			h := hosttest.Start(b, row.o)
			o, args := h.Object("HOME", "a"), arguments(b, "x")
			return h, func() {
				_, err := o.CallRPC(b.Context(), "echo", args)
				require.NoError(b, err)
			}
		}
		b.Run("test/"+row.name, func(b *testing.B) {
			for b.Loop() {
				h, call := start()
				call()
				h.Stop()
			}
		})
		b.Run("call/"+row.name, func(b *testing.B) {
			h, call := start()
			for b.Loop() {
				h.Unrecorded(call)
			}
		})
	}
}
