package conformance_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest/conformance"
)

// TestDivergence_current: host/DIVERGENCE.md is what the list says.
func TestDivergence_current(t *testing.T) {
	b, err := os.ReadFile("../../DIVERGENCE.md")
	require.NoError(t, err)
	require.Equal(t, load(t).Divergence(), string(b), "go generate ./host/hosttest/conformance writes it anew")
}

func TestList_Divergence(t *testing.T) {
	l := conformance.List{
		Tables: []*conformance.Table{{Rows: []*conformance.Row{{ID: "kv.a", Differs: "One"}, {ID: "kv.b"}, {ID: "kv.c", Differs: "One"}}}},
		Differences: []*conformance.Difference{
			{Title: "One", Reason: "\nBecause.\n", Tests: []string{"TestA host", "TestB"}},
			{Title: "Two", Reason: "First.\n\nSecond."},
		},
	}
	require.Contains(t, l.Divergence(), "\n## One\n\nBecause. Test: `TestA` in `host`, `TestB`. Rows: `kv.a`, `kv.c`.\n\n## Two\n\nFirst.\n\nSecond.\n")
}
