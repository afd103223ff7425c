package gate_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/gate"
)

// output is a gate that scripts drive, a command a word: "w1" waits, "h1" holds, "r1" releases the hold, "f1" releases it
// with an error, "b" breaks the gate, and "?" begins the list of what has passed since the last one, in order, up to ";".
func runOutput(t *testing.T, script string) *gate.Output {
	g := &gate.Output{}
	holds := map[string]*gate.Hold{}
	var passed []string
	for words := strings.Fields(script); len(words) > 0; words = words[1:] {
		verb, name := words[0][:1], words[0][1:]
		switch verb {
		case "w":
			g.Wait(func(broken error) {
				if broken != nil {
					name += "!" + broken.Error()
				}
				passed = append(passed, name)
			})
		case "h":
			holds[name] = g.Hold()
		case "r":
			holds[name].Release(nil)
		case "f":
			holds[name].Release(errors.New("f" + name))
		case "b":
			g.Break(errors.New("b"))
		case "?":
			var want []string
			for words = words[1:]; words[0] != ";"; words = words[1:] {
				want = append(want, words[0])
			}
			require.Equal(t, want, passed, "%v", words)
			passed = nil
		default:
			t.Fatal(words[0])
		}
	}
	return g
}

// TestOutput has the cases of workerd's own test of its gate, and those of a gate that is broken from outside.
func TestOutput(t *testing.T) {
	for _, row := range []struct {
		name, script string
		broken       string
	}{
		{"nothing is held: what comes passes", "w1 ? 1 ;", ""},
		{"what comes waits for the holds before it, and no others", "h1 w1 w2 h2 w3 ? ; r1 ? 1 2 ; r2 ? 3 ; w4 ? 4 ;", ""},
		{"holds are released in any order", "h1 w1 w2 h2 w3 r2 ? ; r1 ? 1 2 3 ;", ""},
		{"a hold that nothing waits for", "h1 r1 w1 ? 1 ;", ""},
		{"a hold is released once", "h1 h2 w1 r1 r1 ? ; f1 r2 ? 1 ;", ""},
		{"one that fails spares what came before it", "h1 w1 w2 h2 w3 f2 ? ; r1 ? 1 2 3!f2 ; w4 ? 4!f2 ;", "f2"},
		{"the first that fails is the reason", "h1 h2 w1 f2 f1 ? 1!f1 ; h3 w2 r3 ? 2!f1 ;", "f1"},
		{"a broken gate holds nothing back", "h1 w1 h2 w2 b ? 1!b 2!b ; w3 ? 3!b ; r1 f2 ? ;", "b"},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := runOutput(t, row.script)
			require.True(t, g.Idle())
			if row.broken == "" {
				require.NoError(t, g.Broken())
			} else {
				require.EqualError(t, g.Broken(), row.broken)
			}
		})
	}
	t.Run("it is broken as soon as a hold has failed", func(t *testing.T) {
		g := runOutput(t, "h1 w1 h2 f2 ? ;")
		require.EqualError(t, g.Broken(), "f2")
		require.False(t, g.Idle())
	})
	t.Run("what passes may wait and hold", func(t *testing.T) {
		var g gate.Output
		var passed []string
		h := g.Hold()
		var again *gate.Hold
		g.Wait(func(error) {
			passed = append(passed, "1")
			again = g.Hold()
			g.Wait(func(error) { passed = append(passed, "3") })
		})
		g.Wait(func(error) { passed = append(passed, "2") })
		h.Release(nil)
		require.Equal(t, []string{"1", "2"}, passed)
		again.Release(nil)
		require.Equal(t, []string{"1", "2", "3"}, passed)
	})
	t.Run("thousands pass in order", func(t *testing.T) {
		var g gate.Output
		var holds []*gate.Hold
		n := 0
		for i := range 10_000 {
			holds = append(holds, g.Hold())
			g.Wait(func(error) { require.Equal(t, i, n, strconv.Itoa(i)); n++ })
		}
		for i := len(holds) - 1; i >= 0; i-- {
			holds[i].Release(nil)
		}
		require.Equal(t, 10_000, n)
	})
}
