package cluster_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// row is an increment as an object has it.
type row struct {
	ID      string `json:"id"`
	Number  int    `json:"number"`
	Machine string `json:"machine"`
}

// account compares what an object has stored with what its clients know: each acknowledged increment is there once and has
// the number that its client was told; what was not acknowledged is there at most once; and nothing else is there.
func account(tried map[string]bool, acknowledged map[string]int, stored []row) error {
	times := map[string]int{}
	for i, r := range stored {
		if r.Number != i+1 {
			return fmt.Errorf("the increment %d has the number %d", i+1, r.Number)
		}
		if !tried[r.ID] {
			return fmt.Errorf("nobody asked for the increment %q", r.ID)
		}
		if times[r.ID]++; times[r.ID] > 1 {
			return fmt.Errorf("the increment %s is there twice", r.ID)
		}
		if n, ok := acknowledged[r.ID]; ok && n != r.Number {
			return fmt.Errorf("the increment %s was acknowledged as number %d and is number %d", r.ID, n, r.Number)
		}
	}
	for id, n := range acknowledged {
		if times[id] == 0 {
			return fmt.Errorf("the increment %s was acknowledged as number %d and is not there", id, n)
		}
	}
	return nil
}

func TestAccount(t *testing.T) {
	tried := map[string]bool{"a": true, "b": true, "c": true}
	acknowledged := map[string]int{"a": 1, "b": 2}
	a, b, c := row{"a", 1, "m"}, row{"b", 2, "m"}, row{"c", 3, "m"}
	require.NoError(t, account(tried, acknowledged, []row{a, b}))
	require.NoError(t, account(tried, acknowledged, []row{a, b, c}))
	for want, stored := range map[string][]row{
		"the increment b was acknowledged as number 2 and is not there": {a},
		"the increment b was acknowledged as number 2 and is number 3":  {a, {"c", 2, "m"}, {"b", 3, "m"}},
		"the increment a is there twice":                                {a, b, {"a", 3, "m"}},
		"the increment c is there twice":                                {a, b, c, {"c", 4, "m"}},
		`nobody asked for the increment "d"`:                            {a, b, {"d", 3, "m"}},
		"the increment 2 has the number 3":                              {a, c},
		"the increment a was acknowledged as number 1 and is number 2":  {{"c", 1, "m"}, {"a", 2, "m"}},
		"the increment 1 has the number 2":                              {b},
	} {
		require.EqualError(t, account(tried, acknowledged, stored), want)
	}
}
