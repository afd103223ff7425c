// Package build makes what runs: the wasm of a Go program, the shim and the type declarations, from a wrangler
// configuration into build/dist/<worker name>.
package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"durago.example/build/shim"
	"durago.example/build/wrangler"
	"durago.example/host/isolate/prepare"
	"durago.example/wasm/abi"
)

// Options of a build.
type Options struct {
	Config  *wrangler.Config
	Package string // Go package; default ./worker in the configuration's folder if there is one, else that folder
	Out     string // default build/dist/<name> in the configuration's folder; if main names another folder of build/dist, that
	Workerd bool   // write workerd.capnp too
	// OwnInstance gives each object a Go instance of its own, by default the objects of an isolate share one.
	OwnInstance bool
	Wasm        []byte // the program, if it is compiled already
	// Manifest runs the program once and returns what it says about itself.
	Manifest func(ctx context.Context, wasm []byte) (*abi.Manifest, error)
}

// Result is what a build made.
type Result struct {
	Dir      string
	Wasm     []byte // as it was written
	Manifest *abi.Manifest
}

// Build compiles, checks and writes. Nothing is written unless everything is right.
func Build(ctx context.Context, o Options) (*Result, error) {
	if o.Out == "" {
		o.Out = filepath.Join(o.Config.Dir, folder(o.Config))
	}
	wasm, err := o.Wasm, error(nil)
	if wasm == nil {
		if wasm, err = Compile(ctx, o.Config.Dir, o.Package); err != nil {
			return nil, err
		}
	}
	m, err := o.Manifest(ctx, wasm)
	if err != nil {
		return nil, err
	}
	if err := Check(o.Config, m); err != nil {
		return nil, err
	}
	if wasm, err = prepare.Shrink(wasm); err != nil {
		return nil, err
	}
	files := Generate(o.Config, m, GenerateOptions{o.Workerd, o.OwnInstance})
	files["app.wasm"] = wasm
	if files["wasm_exec.js"], err = wasmExec(ctx); err != nil {
		return nil, err
	}
	for _, name := range shim.Names {
		if files[name], err = shim.Files.ReadFile(name); err != nil {
			return nil, err
		}
	}
	if o.Workerd {
		if files[shim.KV], err = shim.Files.ReadFile(shim.KV); err != nil {
			return nil, err
		}
	}
	return &Result{o.Out, wasm, m}, write(o.Out, files)
}

// folder is where the worker is written: an environment has a name of its own, but may share main, which is where wrangler
// looks for it.
func folder(c *wrangler.Config) string {
	dist := filepath.Join("build", "dist")
	dir, file := filepath.Split(filepath.Clean(c.Main))
	if dir = filepath.Clean(dir); file == "worker.mjs" && filepath.Dir(dir) == dist {
		return dir
	}
	return filepath.Join(dist, c.Name)
}

// packageOf is the program's package, if none is named.
func packageOf(dir, pkg string) string {
	if pkg != "" {
		return pkg
	}
	if s, err := os.Stat(filepath.Join(dir, "worker")); err == nil && s.IsDir() {
		return "./worker"
	}
	return "."
}

// Compile builds the program's wasm.
func Compile(ctx context.Context, dir, pkg string) ([]byte, error) {
	tmp, err := os.MkdirTemp("", "durago")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	out := filepath.Join(tmp, "app.wasm")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, packageOf(dir, pkg))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stderr, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("compile the program: %w", ctx.Err())
		}
		if errors.Is(err, exec.ErrNotFound) {
			return nil, errors.New("go is not in PATH: install Go 1.26 or later to build the program")
		}
		return nil, fmt.Errorf("the program does not compile:\n%s", strings.TrimSpace(stderr.String()))
	}
	return os.ReadFile(out)
}

// wasmExec is the toolchain's own JavaScript, of the very version that builds.
func wasmExec(ctx context.Context) ([]byte, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	b, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js"))
	if err != nil {
		return nil, fmt.Errorf("the Go toolchain has no wasm_exec.js: %w", err)
	}
	return b, nil
}

// write puts all files in place, or none: they are written beside their places, and take them when all are there. A
// rename that fails then puts back what was there before.
func write(dir string, files map[string][]byte) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot write the build: %w: choose another place with --out", err)
		}
	}()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// The new files wait in a folder of the same file system, and the old ones go there.
	tmp, err := os.MkdirTemp(dir, ".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	names := slices.Sorted(maps.Keys(files))
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(tmp, name), files[name], 0o644); err != nil {
			return err
		}
	}
	for i, name := range names {
		if err := replace(filepath.Join(dir, name), filepath.Join(tmp, name)); err != nil {
			for _, name := range names[:i] {
				err = errors.Join(err, restore(filepath.Join(dir, name), filepath.Join(tmp, name)))
			}
			return err
		}
	}
	return nil
}

// replace puts the file at from in the place to. What was there is kept at from with ".old".
func replace(to, from string) error {
	switch info, err := os.Lstat(to); {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a directory", to)
	default:
		if err := os.Rename(to, from+".old"); err != nil {
			return err
		}
	}
	if err := os.Rename(from, to); err != nil {
		return errors.Join(err, restore(to, from))
	}
	return nil
}

// restore undoes replace.
func restore(to, from string) error {
	err := os.Rename(from+".old", to)
	if errors.Is(err, os.ErrNotExist) {
		if err = os.Remove(to); errors.Is(err, os.ErrNotExist) {
			return nil
		}
	}
	return err
}
