//go:build !js

package client_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dop251/goja"
	"github.com/stretchr/testify/require"

	"durago.example/build/pages"
)

// visit is what came of a visit to the room of testdata/world.js.
type visit struct {
	Sent []struct {
		ID           int
		Kind, Result string
	}
	Handled []int
	Lost    int // how often the room has lost all sessions
	State   any // what it last heard of the tab
	Status  string
	Timers  int // that are left when the room is closed
}

// program is a client in its world, from the module's text.
func program(t *testing.T, module []byte) *goja.Program {
	t.Helper()
	world, err := os.ReadFile(filepath.Join("testdata", "world.js"))
	require.NoError(t, err)
	m := regexp.MustCompile(`export\{.*\b(\w+) as Room\};\s*$`).FindSubmatchIndex(module)
	require.NotNil(t, m)
	p, err := goja.Compile("world.js", fmt.Sprintf("%s;const Room=%s;globalThis.reportError=()=>{};%s", module[:m[0]], module[m[2]:m[3]], world), true)
	require.NoError(t, err)
	return p
}

// run has a visit, for five hours at most.
func run(p *goja.Program, seed int, breaks bool) (v visit, err error) {
	vm := goja.New()
	if _, err = vm.RunProgram(p); err != nil {
		return v, err
	}
	if _, err = vm.RunString(fmt.Sprintf("visit(%d, %v)", seed, breaks)); err != nil {
		return v, err
	}
	for range 300 { // promises are settled between the calls
		is, err := vm.RunString("settled()")
		if err != nil {
			return v, err
		}
		if is.ToBoolean() {
			break
		}
	}
	text, err := vm.RunString("end()")
	if err != nil {
		return v, err
	}
	return v, json.Unmarshal([]byte(text.String()), &v)
}

// sound holds a visit against what is promised: each message is handled once and in order, or its sender knows that it was
// not, or that this is not known, which only the loss of a session excuses.
func (v visit) sound() error {
	times := map[int]int{}
	for i, id := range v.Handled {
		if times[id]++; i > 0 && id <= v.Handled[i-1] {
			return fmt.Errorf("message %d was handled after %d", id, v.Handled[i-1])
		}
	}
	for _, m := range v.Sent {
		n := times[m.ID]
		switch {
		case m.Result == "handled" && n == 1:
		case m.Result == "refused 0" && v.Lost > 0 && n <= 1:
		case m.Result == "refused 422" && m.Kind == "bad" && n == 0:
		case m.Result == "refused 413" && m.Kind == "long" && n == 0:
		case m.Result == "refused 500" && (m.Kind == "poison" || m.Kind == "flaky") && n == 0:
		default:
			return fmt.Errorf("message %d, %s: %s, and handled %d times", m.ID, m.Kind, m.Result, n)
		}
	}
	if v.State != "last" || v.Status != "connected" || v.Timers != 0 {
		return fmt.Errorf("announced %v, %s, %d timers are left", v.State, v.Status, v.Timers)
	}
	return nil
}

// TestRoom_visits: whatever a room refuses, loses or drops.
func TestRoom_visits(t *testing.T) {
	t.Parallel()
	module, err := os.ReadFile("room.js")
	require.NoError(t, err)
	p := program(t, module)
	results := map[string]int{}
	for seed := range 40 {
		v, err := run(p, seed, seed%2 == 0)
		require.NoError(t, err)
		require.NoError(t, v.sound(), "seed %d", seed)
		for _, m := range v.Sent {
			results[m.Result]++
		}
	}
	require.Len(t, results, 5, "all of it has happened: %v", results)
	t.Logf("%v", results)
}

// TestRoom_visits_seeded: the visits notice a client that has a mistake.
func TestRoom_visits_seeded(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("room.ts")
	require.NoError(t, err)
	for name, changes := range map[string][]string{
		"forgets what waits":                   {"for (const w of this.#waiting) {\n      if (w.written || w.refused) continue;", "for (const w of this.#waiting) {\n      if (w.sent || w.refused) continue;"},
		"does not wait for all answers":        {"if (this.#unanswered === 0 && this.#careful)", "if (this.#careful)", " || (this.#careful && this.#unanswered > 0)", ""},
		"does not slow down":                   {"this.#pause = Math.min(this.#o.most, Math.max(this.#o.first, 2 * this.#pause));", "this.#pause = this.#o.first;"},
		"sends again for ever":                 {"w.failed < tries", "true"},
		"waits for an answer about a long one": {"if (status === 413 && n === undefined) {", "if (false) {"},
		"announces into the wind":              {"else if (status === 429 && n === undefined) this.#slow();", ""},
		"goes on after close":                  {"globalThis.window?.removeEventListener(\"online\", this.#online);\n", "this.#connect();\n"},
		"lets a listener fail it":              {"} catch (e) {\n        report(e);", "} catch (e) {\n        throw e;"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := string(source)
			for i := 0; i < len(changes); i += 2 {
				require.Equal(t, 1, strings.Count(changed, changes[i]))
				changed = strings.Replace(changed, changes[i], changes[i+1], 1)
			}
			file := filepath.Join(t.TempDir(), "room.ts")
			require.NoError(t, os.WriteFile(file, []byte(changed), 0o644))
			module, err := pages.Build(file)
			require.NoError(t, err)
			p := program(t, module)
			for seed := range 40 {
				v, err := run(p, seed, seed%2 == 0)
				if err != nil || v.sound() != nil {
					return
				}
			}
			require.Fail(t, "no visit has noticed")
		})
	}
}
