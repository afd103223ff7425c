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
	tsc := os.Getenv("DURAGO_TSC")
	if tsc == "" || WorkerdPath() == "" {
		t.Skip("needs workerd and TypeScript: run make conformance")
	}
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
	must(os.Symlink(filepath.Dir(filepath.Dir(tsc)), filepath.Join(dir, "node_modules")))
	cmd := exec.Command(tsc, "--strict", "--target", "es2022", "--lib", "es2024,esnext.disposable", "--module", "esnext", "--moduleResolution", "bundler",
		"--types", "@cloudflare/workers-types", "app.ts")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("hosttest: TypeScript: %v\n%s", err, out)
	}
	module, err := os.ReadFile(filepath.Join(dir, "app.js"))
	must(err)
	return module
}
