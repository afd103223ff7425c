package hosttest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"durago.example/build"
	"durago.example/build/wrangler"
)

// TypeScript compiles a module against the declarations that the build writes for a worker, for Options.Beside. The test is
// skipped unless there is workerd, and DURAGO_TSC names the TypeScript compiler, beside the types of Workers in
// node_modules.
func TypeScript(t testing.TB, config, file string) []byte {
	t.Helper()
	tsc := compiler(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	c, err := wrangler.Load(config)
	must(err)
	dir := t.TempDir()
	_, err = build.Build(t.Context(), build.Options{Config: c, Out: dir, Manifest: ReadManifest,
		Compile: func(_ context.Context, c *wrangler.Config) ([]byte, error) { return Wasm(t, c, ""), nil }})
	must(err)
	source, err := os.ReadFile(file)
	must(err)
	must(os.WriteFile(filepath.Join(dir, "app.ts"), source, 0o644))
	if out, err := compile(t, dir, tsc, "app.ts"); err != nil {
		t.Fatalf("hosttest: TypeScript: %v\n%s", err, out)
	}
	module, err := os.ReadFile(filepath.Join(dir, "app.js"))
	must(err)
	return module
}

// TypeCheck has TypeScript check modules in JavaScript, whose types are in comments and in declarations beside them, and
// returns what it says. It is skipped as TypeScript is.
func TypeCheck(t testing.TB, files map[string][]byte) (said string, err error) {
	t.Helper()
	tsc := compiler(t)
	dir := t.TempDir()
	var modules []string
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(name) == ".mjs" {
			modules = append(modules, name)
		}
	}
	return compile(t, dir, tsc, append(modules, "--checkJs", "--noEmit")...)
}

// compiler is the TypeScript compiler, or the test is skipped.
func compiler(t testing.TB) string {
	t.Helper()
	tsc := os.Getenv("DURAGO_TSC")
	if tsc == "" || WorkerdPath() == "" {
		t.Skip("needs workerd and TypeScript: run make conformance")
	}
	return tsc
}

// compile runs the compiler in a folder.
func compile(t testing.TB, dir, tsc string, args ...string) (said string, err error) {
	t.Helper()
	if err := os.Symlink(filepath.Dir(filepath.Dir(tsc)), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), tsc, append([]string{"--strict", "--target", "es2022", "--lib", "es2024,esnext.disposable", "--module", "esnext",
		"--moduleResolution", "bundler", "--types", "@cloudflare/workers-types"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}
