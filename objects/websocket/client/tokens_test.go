//go:build !js

package client_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dop251/goja"
	"github.com/stretchr/testify/require"

	"durago.example/build/pages"
)

// hour is what came of an hour in a room that takes tokens.
type hour struct {
	Connected, Refused, Refreshed, Expired int // as the room counts
	Asked, Reported                        int
	Up                                     int // seconds of 3,600
	Status                                 string
	Timers                                 int
}

func spend(p *goja.Program, seed, fails int, fixed bool) (h hour, err error) {
	vm := goja.New()
	if _, err = vm.RunProgram(p); err != nil {
		return h, err
	}
	if _, err = vm.RunString(fmt.Sprintf("tokened(%d, %d, %v)", seed, fails, fixed)); err != nil {
		return h, err
	}
	for range 3600 { // promises are settled between the calls
		if _, err = vm.RunString("tick()"); err != nil {
			return h, err
		}
	}
	text, err := vm.RunString("ended()")
	if err != nil {
		return h, err
	}
	return h, json.Unmarshal([]byte(text.String()), &h)
}

// sound: with a backend that answers no session ends for its token's sake, and each connection has one of its own; with one
// that often does not, the room is there most of the time.
func (h hour) sound(fails int) error {
	switch {
	case h.Timers != 0, h.Status != "connected", h.Expired > 0:
		return fmt.Errorf("%+v", h)
	case fails == 0 && (h.Refused > 0 || h.Reported > 0 || h.Refreshed < 30 || h.Up < 3400 || h.Asked > 120 || h.Connected < 2):
		return fmt.Errorf("%+v", h)
	case fails > 0 && (h.Reported == 0 || h.Refreshed < 10 || h.Up < 1800):
		return fmt.Errorf("%+v, with a backend that fails", h)
	}
	return nil
}

// TestRoom_tokens: a session lasts as long as somebody mints tokens for it.
func TestRoom_tokens(t *testing.T) {
	t.Parallel()
	module, err := os.ReadFile("room.js")
	require.NoError(t, err)
	p := program(t, module)
	for seed := range 10 {
		for _, fails := range []int{0, 4} {
			h, err := spend(p, seed, fails, false)
			require.NoError(t, err)
			require.NoError(t, h.sound(fails), "seed %d", seed)
			t.Logf("%+v", h)
		}
	}
	h, err := spend(p, 1, 0, true)
	require.NoError(t, err)
	require.Equal(t, "disconnected", h.Status, "a token alone is used up")
	require.Zero(t, h.Timers)
}

// TestRoom_tokens_seeded: the hours notice a client that has a mistake.
func TestRoom_tokens_seeded(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("room.ts")
	require.NoError(t, err)
	for name, change := range map[string][2]string{
		"does not refresh":             {`this.#renew(half((m.in_ms as number) * 0.8))`, `0`},
		"refreshes too late":           {`this.#renew(half((m.in_ms as number) * 0.8))`, `this.#renew((m.in_ms as number) + 31_000)`},
		"asks without end":             {`Math.max(this.#o.first, after)`, `1`},
		"does not ask again":           {`this.#renew(half(this.#o.most)); // unless there is an answer`, ``},
		"waits for ever for a token":   {`this.#timer = setTimeout(fail, this.#o.patience);`, ``},
		"goes on after close":          {`for (const t of [this.#timer, this.#again, this.#announced, this.#renewal])`, `for (const t of [this.#timer, this.#again, this.#announced])`},
		"keeps the failure for itself": {"report(e);\n      throw e;", "throw e;"},
		"does not offer it":            {`token ? [protocol, "durago.token." + token] : [protocol]`, `[protocol]`},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, 1, strings.Count(string(source), change[0]))
			file := filepath.Join(t.TempDir(), "room.ts")
			require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(source), change[0], change[1], 1)), 0o644))
			module, err := pages.Build(file)
			require.NoError(t, err)
			p := program(t, module)
			for seed := range 10 {
				for _, fails := range []int{0, 4} {
					if h, err := spend(p, seed, fails, false); err != nil || h.sound(fails) != nil {
						return
					}
				}
			}
			require.Fail(t, "no hour has noticed")
		})
	}
}
