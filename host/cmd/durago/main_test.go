package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { testscript.Main(leakFree{m}, map[string]func(){"durago": main}) }

// leakFree runs the tests and fails if a goroutine of them stays.
type leakFree struct{ m *testing.M }

func (l leakFree) Run() int {
	code := l.m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// TestScripts runs the scripts of testdata/scripts. Besides testscript's own commands they know
//
//	module           make the folder a module that requires this one
//	wasm FILE ITEM…  write a tiny module; an ITEM is import=MODULE.NAME or export=NAME, each a function
//	start [FLAG…]    start durago run on a free port and wait until it is ready; sets $URL
//	fetch METHOD PATH [BODY | header=BYTES | length=BYTES | traceparent=VALUE]
//	                 ask the worker that runs; the status and the body are stdout
//	begin PATH       POST to the worker that runs, with a body that goes on
//	finish REST      end that body with REST; the status and the body of the answer are stdout
//	dial PATH        open a WebSocket and leave it open
//	signal SIGNAL    send the worker that runs a signal
//	said REGEXP      wait until the worker that runs has printed a line that matches, once more for each time that it is asked
//	refused          wait until the worker takes no more connections
//	exited           wait for the worker's end, with status 0, or with another after !; stdout and stderr are its own
//	port             set $PORT to the port of the worker that runs
//	eventually REGEXP COMMAND
//	                 run a command until it succeeds and its stdout matches
//	status N COMMAND run a command, which must exit with status N
//	files DIR        print the files under DIR, one a line
//
// and find the program of testdata/app, compiled, as $APP. [wrangler] is true if DURAGO_WRANGLER and DURAGO_NODE name one,
// which is $WRANGLER and $NODE then.
func TestScripts(t *testing.T) {
	settings := goEnv(t)
	app := filepath.Join(t.TempDir(), "app.wasm")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", app, "./testdata/app")
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/scripts",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Deadline:            time.Now().Add(15 * time.Minute), // a durago run that should have failed would go on for ever
		Setup: func(e *testscript.Env) error {
			e.Setenv("APP", app)
			e.Setenv("ROOT", root)
			e.Setenv("NODE", os.Getenv("DURAGO_NODE"))
			e.Setenv("WRANGLER", filepath.Join(os.Getenv("DURAGO_WRANGLER"), "bin", "wrangler.js"))
			e.Setenv("XDG_CACHE_HOME", cache)
			for k, v := range settings {
				e.Setenv(k, v)
			}
			w := &process{}
			e.Values[processKey{}] = w
			e.Defer(w.kill)
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "wrangler" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return os.Getenv("DURAGO_WRANGLER") != "" && os.Getenv("DURAGO_NODE") != "", nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"module": module, "wasm": tinyWasm, "files": files, "status": exitStatus, "port": port, "eventually": eventually,
			"start": start, "fetch": fetch, "begin": begin, "finish": finish, "dial": dial,
			"signal": sendSignal, "refused": refused, "said": said, "exited": exited,
		},
	})
}

// goEnv is what a build in a script's own folder needs to find caches that are warm, and nothing of the network.
func goEnv(t *testing.T) map[string]string {
	b, err := exec.CommandContext(t.Context(), "go", "env", "-json", "GOCACHE", "GOMODCACHE", "GOPATH").Output()
	require.NoError(t, err)
	var env map[string]string
	require.NoError(t, json.Unmarshal(b, &env))
	env["GOPROXY"], env["GOTOOLCHAIN"] = "off", "local"
	return env
}

func module(ts *testscript.TestScript, neg bool, args []string) {
	root := ts.Getenv("ROOT")
	b, err := os.ReadFile(filepath.Join(root, "go.mod"))
	ts.Check(err)
	_, requirements, _ := strings.Cut(string(b), "\n")
	mod := "module script.example\n" + requirements + "\nrequire durago.example v0.0.0\nreplace durago.example => " + root + "\n"
	ts.Check(os.WriteFile(ts.MkAbs("go.mod"), []byte(mod), 0o644))
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("go.sum"), sum, 0o644))
}

// tinyWasm writes a module with one type and one function, func(), that it exports under each name.
func tinyWasm(ts *testscript.TestScript, neg bool, args []string) {
	var imports, exports [][]byte
	str := func(s string) []byte { return append([]byte{byte(len(s))}, s...) }
	for _, item := range args[1:] {
		kind, name, _ := strings.Cut(item, "=")
		switch kind {
		case "import":
			mod, name, _ := strings.Cut(name, ".")
			imports = append(imports, append(append(str(mod), str(name)...), 0, 0))
		case "export":
			exports = append(exports, append(str(name), 0)) // the index follows
		default:
			ts.Fatalf("wasm: unknown item %q", item)
		}
	}
	own := byte(len(imports)) // the function's index comes after the imports'
	for i := range exports {
		exports[i] = append(exports[i], own)
	}
	vector := func(list [][]byte) []byte { return append([]byte{byte(len(list))}, bytes.Join(list, nil)...) }
	out := []byte("\x00asm\x01\x00\x00\x00")
	for _, s := range []struct {
		id   byte
		body []byte
	}{
		{1, []byte{1, 0x60, 0, 0}}, {2, vector(imports)}, {3, []byte{1, 0}}, {7, vector(exports)}, {10, []byte{1, 2, 0, 0x0b}},
	} {
		out = append(append(out, s.id, byte(len(s.body))), s.body...)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), out, 0o644))
}

// exitStatus runs a command whose exit status matters, which exec does not tell.
func exitStatus(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit status %d, want %s", got, args[0])
	}
}

// eventually is for what another process is about to do.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	want, err := regexp.Compile(args[0])
	ts.Check(err)
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); {
		if ts.Exec(args[1], args[2:]...) == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("%s never printed %s", strings.Join(args[1:], " "), args[0])
}

// files lists a folder, a file a line; what is inside a data directory is not listed.
func files(ts *testscript.TestScript, neg bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(path, "durago.store")); d.IsDir() && err == nil {
			fmt.Fprintln(ts.Stdout(), filepath.ToSlash(rel)+"/ data")
			return filepath.SkipDir
		}
		if d.IsDir() && d.Name() == ".tmp" && filepath.Dir(path) == ts.Getenv("WORK") {
			return filepath.SkipDir // testscript's own
		}
		if !d.IsDir() {
			fmt.Fprintln(ts.Stdout(), filepath.ToSlash(rel))
		}
		return nil
	}))
}
