package rules_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/build"
	"durago.example/build/rules"
	"durago.example/host/isolate/prepare"
)

const root = "../.."

// patterns are all packages for the host's platform, or those that are compiled for the guest. The go command leaves
// testdata out of ./..., and has to be told of each folder.
func patterns(t *testing.T, goos string) []string {
	list := []string{"./..."}
	if goos == "js" {
		list = []string{"./worker/...", "./objects/...", "./wasm/..."}
	}
	for _, dir := range []string{"guests", "bench", "conformance"} {
		if _, err := os.Stat(filepath.Join(root, "testdata", dir)); err == nil && (goos != "js" || dir == "guests") {
			list = append(list, "./testdata/"+dir+"/...")
		}
	}
	return list
}

// TestRules holds the project against its rules, as each platform sees it.
func TestRules(t *testing.T) {
	for name, platform := range map[string][2]string{"native": {"linux", "amd64"}, "js": {"js", "wasm"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, err := rules.Load(t.Context(), root, platform[0], platform[1], patterns(t, platform[0])...)
			require.NoError(t, err)
			for _, room := range []string{"worker", "worker/app", "objects", "wasm/abi"} {
				require.Contains(t, g, room)
			}
			require.Empty(t, rules.Check(g, rules.Rules...))
			if name == "js" {
				require.Contains(t, g, "github.com/syumai/workers/cloudflare")
				require.Empty(t, rules.Check(g, rules.Linked))
			}
		})
	}
}

// seeds has, for each rule, imports that break it and the chain that the rule must name; then imports next to them
// that are allowed.
var seeds = map[string]struct{ broken, chain, allowed string }{
	"guest":    {"objects>host/clock", "objects imports host/clock", "objects>wasm/value host>host/clock"},
	"host":     {"host/bridge>x x>objects", "host/bridge imports x imports objects", "host/bridge>wasm/abi host/bridge>wasm/value host/hosttest/native>objects"},
	"build":    {"build>host", "build imports host", "build>host/isolate build>wasm/abi"},
	"builders": {"host/kv>build/wrangler", "host/kv imports build/wrangler", "host/hosttest>build host/cmd/durago>build/wrangler"},
	"engine":   {"host/durable>host/storage host/storage>wasm/abi", "host/durable imports host/storage imports wasm/abi", "host/durable>wasm/value host/bridge>wasm/abi"},
	"isolate":  {"host/isolate>host/durable", "host/isolate imports host/durable", "host/isolate>host/gojs host/bridge>host/durable"},
	"bridge":   {"host/workersapi>host/isolate", "host/workersapi imports host/isolate", "host/bridge>host/isolate host/bridge>host/durable host>host/isolate"},
	"harness":  {"host/storage>host/storage/powerloss host/cmd/durago>host/hosttest", "host/cmd/durago imports host/hosttest", "host/hosttest>host"},
	"fake":     {"objects/alarms>objects/internal/fakeobject", "objects/alarms imports objects/internal/fakeobject", "objects/internal/fakeobject>objects"},
	"contract": {"worker/app>objects/auth objects/auth>objects/auth/authserver", "worker/app imports objects/auth imports objects/auth/authserver", "worker/app>objects/auth worker>objects/auth/authserver worker/app/front>worker/counter"},
	"abi":      {"wasm/value>objects", "wasm/value imports objects", "wasm/value>wasm/abi wasm/guest>objects/driver"},
	"wazero":   {"host>github.com/tetratelabs/wazero/api", "host imports github.com/tetratelabs/wazero/api", "host/isolate>github.com/tetratelabs/wazero host/gojs>github.com/tetratelabs/wazero/sys"},
	"goja":     {"host>github.com/dop251/goja", "host imports github.com/dop251/goja", "host/workersapi>github.com/dop251/goja host/webapi/url>github.com/dop251/goja"},
	"sqlite":   {"host/kv>github.com/ncruces/go-sqlite3", "host/kv imports github.com/ncruces/go-sqlite3", "host/storage>github.com/ncruces/go-sqlite3/ext/fts5 host/kv>host/storage objects/internal/fakeobject>github.com/ncruces/go-sqlite3"},
	"gorilla":  {"host>github.com/gorilla/websocket", "host imports github.com/gorilla/websocket", "host/ws>github.com/gorilla/websocket host>host/ws testdata/bench>github.com/gorilla/websocket"},
	"sqldb":    {"objects/alarms>database/sql", "objects/alarms imports database/sql", "objects/sqldb>database/sql/driver testdata/guests/library>objects/sqldb testdata/guests/library/store>database/sql"},
	"kong":     {"build>github.com/alecthomas/kong", "build imports github.com/alecthomas/kong", "host/cmd/durago>github.com/alecthomas/kong"},
	"esbuild":  {"build>github.com/evanw/esbuild/pkg/api", "build imports github.com/evanw/esbuild/pkg/api", "build/pages>github.com/evanw/esbuild/pkg/api"},
	"pages":    {"build>build/pages", "build imports build/pages", "build/pages/generate>build/pages"},
	"formats":  {"build>github.com/BurntSushi/toml", "build imports github.com/BurntSushi/toml", "build/wrangler>github.com/tailscale/hujson host/hosttest/conformance>github.com/BurntSushi/toml"},
	"tests":    {"host>github.com/stretchr/testify/require", "host imports github.com/stretchr/testify/require", "host/hosttest>testing"},
	"linked":   {"worker>x x>net/http/pprof", "worker imports x imports net/http/pprof", "worker>net/http host>net/http/pprof"},
}

// graph makes packages of "a>b c>d": a imports b, c imports d.
func graph(edges string) rules.Graph {
	g := rules.Graph{}
	for _, e := range strings.Fields(edges) {
		from, to, _ := strings.Cut(e, ">")
		for _, name := range []string{from, to} {
			if g[name] == nil {
				g[name] = &rules.Package{}
			}
		}
		g[from].Imports = append(g[from].Imports, to)
	}
	return g
}

// TestCheck breaks each rule, and goes right past it.
func TestCheck(t *testing.T) {
	for _, r := range append([]rules.Rule{rules.Linked}, rules.Rules...) {
		t.Run(r.Name, func(t *testing.T) {
			if r.Name == "js" {
				return // TestCheck_files
			}
			s, ok := seeds[r.Name]
			require.True(t, ok, "the rule has no seed")
			require.Equal(t, []string{r.Name + ": " + s.chain + " (" + r.Why + ")"}, firstOf(rules.Check(graph(s.broken), r), s.chain))
			require.Empty(t, rules.Check(graph(s.allowed), r))
		})
	}
}

// firstOf is the sentence that has the chain: a seed may break its rule more than once.
func firstOf(broken []string, chain string) []string {
	for _, s := range broken {
		if strings.Contains(s, ": "+chain+" (") {
			return []string{s}
		}
	}
	return broken
}

func TestCheck_files(t *testing.T) {
	g := rules.Graph{"objects": {Imports: []string{"syscall/js"}, Files: map[string][]string{
		"run.go":      {"fmt", "syscall/js"},
		"fetch.go":    {"github.com/syumai/workers/cloudflare/fetch"},
		"run_js.go":   {"syscall/js", "github.com/syumai/workers"},
		"run_nojs.go": {"fmt"},
	}}}
	broken := rules.Check(g, rules.Rules...)
	require.Len(t, broken, 2)
	require.Contains(t, broken[0], "js: objects/fetch.go imports github.com/syumai/workers/cloudflare/fetch (")
	require.Contains(t, broken[1], "js: objects/run.go imports syscall/js (")
}

// client are functions that are in a program when http.Client is. The linker keeps their names.
var client = []string{"net/http.(*Client).do", "net/http.(*Transport).RoundTrip", "net/http.(*Transport).roundTrip"}

// TestWasm: the compiled workers are small as they are deployed, and have no HTTP client, which is 4.6 MiB that
// objects.Fetch does without. That net/http is there and its names are too shows that the test would see one. The app
// worker has the contracts of the classes, and nothing of the objects.
func TestWasm(t *testing.T) {
	for pkg, row := range map[string]struct {
		max     int // MiB
		objects bool
	}{"./worker": {8, true}, "./worker/app": {6, false}} {
		t.Run(pkg, func(t *testing.T) {
			wasm, err := build.Compile(t.Context(), root, pkg)
			require.NoError(t, err)
			small, err := prepare.Shrink(wasm)
			require.NoError(t, err)
			require.LessOrEqual(t, len(small), row.max<<20)
			has := func(name string) bool { return bytes.Contains(wasm, []byte(name)) }
			require.True(t, has("net/http.(*ServeMux).ServeHTTP"))
			for _, name := range client {
				require.False(t, has(name), "%s links %s: some package of it uses http.Client", pkg, name)
			}
			for _, name := range []string{"ratelimit/ratelimitserver.", "websocket/websocketserver.", "counter/counterserver."} {
				require.Equal(t, row.objects, has(name), "%s of %s", name, pkg)
			}
		})
	}
}
