// Package rules holds the project to its own rules about who may import what.
//
// The rooms of the project depend on each other in one direction: guest code knows neither host nor build, the engine
// knows neither wasm nor JavaScript, each foreign library has one room. A Rule states one such sentence as data; Check
// holds a Graph of packages against the rules and returns every import that breaks one. The test of this package does
// so with the real graph, natively and for js/wasm, and proves each rule with a graph that breaks it.
//
// The package is a tool of the tests: nothing imports it.
package rules

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Module is the path that the names of our own packages leave out.
const Module = "durago.example"

// Package is what the rules look at. Paths of our own packages are relative to the module.
type Package struct {
	Imports []string            // of the package proper, without its tests
	Files   map[string][]string // of our own packages: the imports of each file that is no test, for any platform
}

// Graph is a set of packages, with all that they depend on.
type Graph map[string]*Package

// Rule says that no package of From may import one of To. A pattern is a path in which * stands for one element, or
// for a part of one, and a trailing /... for any number of them, even none.
type Rule struct {
	Name   string // one word, for tests
	Why    string // the sentence, for people
	From   []string
	But    []string // packages of From that may
	To     []string
	Except []string // packages of To that may be imported
	Deep   bool     // not through others either
	Files  string   // the rule is about files without this suffix only
}

var (
	guest  = []string{"worker", "worker/...", "objects", "objects/...", "wasm/guest", "testdata/guests/..."}
	wazero = []string{"github.com/tetratelabs/wazero", "github.com/tetratelabs/wazero/..."}
	goja   = []string{"github.com/dop251/goja", "github.com/dop251/goja/..."}
	sqlite = []string{"github.com/ncruces/go-sqlite3", "github.com/ncruces/go-sqlite3/..."}
	ours   = []string{"worker/...", "objects/...", "wasm/...", "host/...", "build/...", "build/rules", "testdata/..."}
)

// Rules are the project's.
var Rules = []Rule{
	{Name: "guest", Why: "guest code runs on Workers too: it knows neither the host nor the build",
		From: guest, To: []string{"host/...", "build/...", "build/rules"}, Deep: true},
	{Name: "host", Why: "the host runs any program: it knows neither our objects nor our worker, but for what runs them natively",
		From: []string{"host/..."}, But: []string{"host/hosttest/native"}, To: []string{"worker/...", "objects/...", "wasm/guest"},
		Except: []string{"objects/websocket/wsclient"}, Deep: true},
	{Name: "build", Why: "the build needs of the host at most what reads a manifest",
		From: []string{"build/..."}, To: []string{"host/..."}, Except: []string{"host/isolate/..."}},
	{Name: "builders", Why: "of the host only the command and the test harness build programs, and host/local reads configurations",
		From: []string{"host/..."}, But: []string{"host/local", "host/hosttest", "host/cmd/..."}, To: []string{"build/..."}, Deep: true},
	{Name: "engine", Why: "the engine knows no wasm and no JavaScript",
		From: []string{"host/durable", "host/gate", "host/storage"}, To: slices.Concat([]string{"wasm/abi"}, wazero, goja), Deep: true},
	{Name: "isolate", Why: "isolate and engine do not know each other: the bridge joins them",
		From: []string{"host/isolate/...", "host/gojs"}, To: []string{"host/durable", "host/storage", "host/bridge"}, Deep: true},
	{Name: "bridge", Why: "one package sees isolate and engine, and the host wires it: an adapter that needs both belongs there",
		From: []string{"host/..."}, But: []string{"host", "host/bridge", "host/hosttest", "host/hosttest/native", "host/cmd/...", "host/isolate/..."}, To: []string{"host/isolate/..."}},
	{Name: "harness", Why: "the test harness and the simulated disk are for tests",
		From: ours, To: []string{"host/hosttest", "host/hosttest/native", "host/storage/powerloss", "build/rules"}},
	{Name: "fake", Why: "the fake object is for tests of classes", From: ours, To: []string{"objects/internal/fakeobject"}},
	{Name: "contract", Why: "who calls a class links its contract, not the object and its store",
		From: []string{"worker/app/...", "objects", "objects/driver", "objects/ratelimit", "objects/websocket", "objects/database", "objects/auth", "objects/images", "objects/ai"},
		To:   []string{"objects/*/*server", "worker/*/*server", "worker/program"}, Deep: true},
	{Name: "client", Why: "workers have sockets of their own: the client of rooms is for programs outside, and depends on nothing of ours",
		From: []string{"worker/...", "objects/...", "wasm/...", "testdata/guests/..."}, To: []string{"objects/websocket/wsclient"}},
	{Name: "alone", Why: "the client of rooms is linked by the command: it brings neither objects nor the host",
		From: []string{"objects/websocket/wsclient"}, To: ours, Except: []string{"objects/websocket/wsclient"}, Deep: true},
	{Name: "abi", Why: "the contract between guest and runtime depends on neither",
		From: []string{"wasm/abi", "wasm/value"}, To: ours, Except: []string{"wasm/abi"}, Deep: true},

	{Name: "wazero", Why: "wazero has one room", From: ours, But: []string{"host/isolate/...", "host/gojs"}, To: wazero},
	{Name: "goja", Why: "goja has the realm and its classes", From: ours, But: []string{"host/gojs", "host/webapi/...", "host/workersapi/..."}, To: goja},
	{Name: "sqlite", Why: "SQLite has one room, and the fake object of tests", From: ours, But: []string{"host/storage/...", "objects/internal/fakeobject"}, To: sqlite},
	{Name: "gorilla", Why: "sockets have one room, clients of rooms another, and other clients are for tests",
		From: ours, But: []string{"host/ws", "host/hosttest", "objects/websocket/wsclient", "testdata/bench/...", "testdata/conformance/..."}, To: []string{"github.com/gorilla/..."}},
	{Name: "sqldb", Why: "database/sql is for programs that ask for it",
		From: ours, But: []string{"objects/sqldb", "testdata/guests/library/..."}, To: []string{"database/sql", "database/sql/...", "objects/sqldb"}},
	{Name: "kong", Why: "the command line has one room", From: ours, But: []string{"host/cmd/..."}, To: []string{"github.com/alecthomas/..."}},
	{Name: "esbuild", Why: "the bundler is a tool of the build, which no program links", From: ours, But: []string{"build/pages"}, To: []string{"github.com/evanw/..."}},
	{Name: "pages", Why: "what browsers load is made when it is written, not when it is built or served",
		From: ours, But: []string{"build/pages/generate"}, To: []string{"build/pages"}},
	{Name: "formats", Why: "configuration formats have one room, and the conformance list is one", From: ours, But: []string{"build/wrangler", "host/hosttest/conformance"},
		To: []string{"github.com/BurntSushi/...", "github.com/tailscale/..."}},
	{Name: "tests", Why: "what tests use is for tests", From: ours, But: []string{"host/hosttest", "host/storage/powerloss", "build/rules"},
		To: []string{"testing", "testing/...", "github.com/stretchr/...", "go.uber.org/goleak", "pgregory.net/...", "github.com/rogpeppe/...", "github.com/prometheus/...", "github.com/chromedp/...", "github.com/johannesboyne/..."}},
	{Name: "js", Why: "only files for js/wasm see JavaScript", From: ours, Files: "_js.go",
		To: []string{"syscall/js", "github.com/syumai/workers", "github.com/syumai/workers/..."}},
}

// Linked is what the deployable worker must not link, whoever brings it in: each costs size, or does not work there.
// net/http itself imports crypto/tls even for js; that the linker drops its client is another test.
var Linked = Rule{Name: "linked", Why: "this has no place in a worker", From: []string{"worker/..."}, Deep: true,
	To: slices.Concat([]string{"testing", "net/http/pprof", "net/http/httptest", "os/exec", "database/sql", "github.com/gorilla/...", "github.com/stretchr/..."}, wazero, goja, sqlite)}

// Check returns the sentences about all imports that break a rule, sorted.
func Check(g Graph, rules ...Rule) []string {
	var broken []string
	for _, r := range rules {
		for name, p := range g {
			if !match(r.From, name) || match(r.But, name) {
				continue
			}
			switch {
			case r.Files != "":
				broken = append(broken, r.files(name, p)...)
			case r.Deep:
				broken = append(broken, r.deep(g, name)...)
			default:
				for _, to := range p.Imports {
					if r.forbids(to) && to != name {
						broken = append(broken, r.sentence(name, to))
					}
				}
			}
		}
	}
	slices.Sort(broken)
	return broken
}

func (r *Rule) forbids(to string) bool { return match(r.To, to) && !match(r.Except, to) }

func (r *Rule) sentence(chain ...string) string {
	return fmt.Sprintf("%s: %s (%s)", r.Name, strings.Join(chain, " imports "), r.Why)
}

func (r *Rule) files(name string, p *Package) (broken []string) {
	for file, imports := range p.Files {
		for _, to := range imports {
			if !strings.HasSuffix(file, r.Files) && r.forbids(to) {
				broken = append(broken, r.sentence(path.Join(name, file), to))
			}
		}
	}
	return broken
}

// deep walks everything that a package depends on, and tells the shortest way to each forbidden one.
func (r *Rule) deep(g Graph, from string) (broken []string) {
	ways := [][]string{{from}}
	seen := map[string]bool{from: true}
	for len(ways) > 0 {
		way := ways[0]
		ways = ways[1:]
		p := g[way[len(way)-1]]
		if p == nil {
			continue
		}
		for _, to := range p.Imports {
			if seen[to] {
				continue
			}
			seen[to] = true
			longer := append(slices.Clone(way), to)
			if r.forbids(to) {
				broken = append(broken, r.sentence(longer...))
				continue // what it imports is its own affair
			}
			ways = append(ways, longer)
		}
	}
	return broken
}

func match(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if prefix, ok := strings.CutSuffix(p, "/..."); ok {
			return name == prefix || strings.HasPrefix(name, prefix+"/")
		}
		ok, _ := path.Match(p, name)
		return ok
	})
}
