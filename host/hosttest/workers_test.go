package hosttest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/build/wrangler"
	"durago.example/host"
	"durago.example/host/clock"
	"durago.example/host/hosttest"
)

// TestWorkers: a worker without classes reaches the objects and entrypoints of others, which start after it and end before.
func TestWorkers(t *testing.T) {
	t.Parallel()
	m, err := host.OpenMachine(host.MachineOptions{Dir: filepath.Join(t.TempDir(), "state"), Clock: clock.NewVirtual(hosttest.Epoch)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	start := func(file string) *hosttest.Host {
		return hosttest.Start(t, hosttest.Options{Config: "../../testdata/guests/" + file, Machine: m})
	}
	visitor := start("visitor/mistaken.toml")
	get := func(path string, want int) string {
		status, text := visitor.Fetch("POST", path, "")
		require.Equal(t, want, status, text)
		return text
	}
	const away = "the worker scenario does not run: start it beside this one\n"
	require.Equal(t, away, get("/home/a/count", http.StatusBadGateway))
	require.Equal(t, away, get("/add/a", http.StatusBadGateway))
	require.Equal(t, away, get("/back/count/a", http.StatusBadGateway))
	require.Equal(t, away, get("/count/a", http.StatusServiceUnavailable))

	back, storage := start("scenario/wrangler.toml"), start("storage/wrangler.toml")
	require.Equal(t, "1", get("/home/a/count", http.StatusOK))
	require.Equal(t, "2", get("/count/a", http.StatusOK), "a route")
	require.Equal(t, "3", get("/back/count/a", http.StatusOK), "through the other's front")
	require.Equal(t, "5", get("/add/a", http.StatusOK))
	_, n := back.Fetch("POST", "/count/a", "")
	require.Equal(t, "4", n, "it is one object")
	require.Contains(t, get("/add/a?binding=NOWHERE", http.StatusBadGateway), "the binding NOWHERE names the class Missing of the worker scenario, which has none of that name")
	require.Equal(t, "\"true visitor\"\n", get("/entry/role", http.StatusOK), "with the props of the visitor's binding")
	require.Contains(t, get("/entry/refused", http.StatusBadGateway), "the entrypoint refused")
	require.Contains(t, get("/entry/role?binding=NONE", http.StatusBadGateway), "the binding NONE names the entrypoint None of the worker storage, which has none of that name")
	require.Equal(t, "40 3", get("/lend", http.StatusOK))
	c := visitor.Dial("/ws/a")
	require.Contains(t, say(t, c, "hi"), "hi seen=1 ")
	require.NoError(t, back.Object("HOME", "a").Hibernate())
	require.Contains(t, say(t, c, "again"), "again seen=2 ")

	_, err = host.New(t.Context(), host.Options{Name: "scenario", Machine: m, Wasm: hosttest.Wasm(t, scenarioConfig(t), "")})
	require.ErrorContains(t, err, `two workers have the name "scenario"`)
	back.Stop()
	require.Equal(t, away, get("/home/a/count", http.StatusBadGateway))
	require.Equal(t, away, get("/count/a", http.StatusServiceUnavailable))
	again := start("scenario/wrangler.toml")
	require.Equal(t, "5", get("/home/a/count", http.StatusOK))
	again.Stop()
	storage.Stop()
	visitor.Stop()
}

func scenarioConfig(t *testing.T) *wrangler.Config {
	c, err := wrangler.Load("../../testdata/guests/scenario/wrangler.toml")
	require.NoError(t, err)
	return c
}

// TestWorkers_calls: what crosses between workers, on either runtime.
func TestWorkers_calls(t *testing.T) {
	t.Parallel()
	o := hosttest.Options{Config: "../../testdata/guests/visitor/wrangler.toml", RealTime: true, Isolates: 1,
		With: []string{"../../testdata/guests/scenario/wrangler.toml", "../../testdata/guests/storage/wrangler.toml"}}
	hosttest.Each(t, o, func(t *testing.T, h *hosttest.Host) {
		for _, path := range []string{"/home/a/count", "/count/a", "/back/count/a", "/add/a", "/home/a/error", "/entry/role", "/entry/refused", "/lend", "/back/nothing/a"} {
			h.Fetch("POST", path, "")
		}
		c := h.Dial("/ws/a")
		h.Record("a socket: %s", say(t, c, "hi"))
		require.NoError(t, h.Object("HOME", "a").Hibernate())
		h.Record("after hibernation: %s", say(t, c, "again"))
		_, err := h.Object("HOME", "a").CallRPC(t.Context(), "add", arguments(t, 1, 2))
		require.NoError(t, err)
	})
}

// TestWorkers_behind: a worker that has classes only serves the bindings of others, and answers no request itself.
func TestWorkers_behind(t *testing.T) {
	t.Parallel()
	o := hosttest.Options{Config: "../../testdata/guests/behind/front/wrangler.jsonc", With: []string{"../../testdata/guests/behind/wrangler.toml"}, RealTime: true}
	hosttest.Each(t, o, func(t *testing.T, h *hosttest.Host) {
		for _, name := range []string{"a", "b", "a"} {
			status, _ := h.Fetch("GET", "/room/"+name, "")
			require.Equal(t, http.StatusOK, status)
		}
		require.NoError(t, h.Object("ROOM", "a").Evict())
		h.Fetch("GET", "/room/a", "")
		h.Fetch("GET", "/behind", "")
	})
}

// TestWorkers_many: fifty workers in one process, each with a service binding to the next and the last to the first. A request
// goes around as far as Cloudflare lets one go, also through objects in between.
func TestWorkers_many(t *testing.T) {
	const many = 50
	c, err := wrangler.Load("../../testdata/guests/ring/wrangler.toml")
	require.NoError(t, err)
	program, err := host.Compile(t.Context(), hosttest.Wasm(t, c, ""), host.CompileOptions{CacheDir: hosttest.CacheDir()})
	require.NoError(t, err)
	machine, err := host.OpenMachine(host.MachineOptions{Dir: t.TempDir()})
	require.NoError(t, err)
	weigh := func() int { // of the process, in KB
		runtime.GC()
		debug.FreeOSMemory()
		b, err := os.ReadFile("/proc/self/status")
		require.NoError(t, err)
		_, line, _ := strings.Cut(string(b), "VmRSS:")
		n, err := strconv.Atoi(strings.Fields(line)[0])
		require.NoError(t, err)
		return n
	}
	before, began := weigh(), time.Now()
	var list []*host.Host
	for i := range many {
		h, err := host.New(t.Context(), host.Options{Name: fmt.Sprint("w", i), Machine: machine, Program: program, Isolates: 1,
			Classes: []host.Class{{Name: "Room", UniqueKey: fmt.Sprint("w", i, "-Room")}}, Bindings: map[string]host.Binding{"ROOM": {Class: "Room"}},
			Services: map[string]host.Service{"NEXT": {Worker: fmt.Sprint("w", (i+1)%many)}}, Log: func(host.Line) {}})
		require.NoError(t, err)
		list = append(list, h)
	}
	took := time.Since(began)
	t.Logf("each of %d workers of one program: %v to start, %d KB resident, its isolate's memory among it", many, took/many, (weigh()-before)/many)
	ask := func(hop string, hops int) string {
		w := httptest.NewRecorder()
		list[0].Handler().ServeHTTP(w, httptest.NewRequest("GET", "http://h"+strings.Repeat(hop, hops)+"/", nil))
		return fmt.Sprint(w.Code, " ", w.Body)
	}
	for _, hop := range []string{"/s", "/o/s"} {
		require.Equal(t, "200 the end", ask(hop, 32), hop)
		require.Contains(t, ask(hop, 33), "Subrequest depth limit exceeded. This request recursed through Workers too many times.", hop)
		require.Contains(t, ask(hop, 500), "Subrequest depth limit exceeded.", hop)
		require.Equal(t, "200 the end", ask(hop, 3), "others go on")
	}
	for _, h := range list {
		require.NoError(t, h.Close())
	}
	require.NoError(t, machine.Close())
	require.NoError(t, program.Close())
}
