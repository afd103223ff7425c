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
	Config *wrangler.Config
	// With are workers that plain workerd serves beside it: each is written into a folder of its name, the first too.
	With    []*wrangler.Config
	Package string // Go package; default ./worker in the configuration's folder if there is one, else that folder
	// Out is where to write; default build/dist/<name> in the configuration's folder, or what main names instead if that is
	// another folder of build/dist. Of several workers it has the folders, and is build/dist in the first one's folder.
	Out     string
	Workerd bool // write workerd.capnp too
	// Cluster is the bucket of a cluster of workerd processes, of which workerd.capnp is to be: see CheckCluster.
	Cluster string
	// OwnInstance gives each object a Go instance of its own, by default the objects of an isolate share one.
	OwnInstance bool
	// Compile makes a worker's program; default what Compile makes of Package.
	Compile func(ctx context.Context, c *wrangler.Config) ([]byte, error)
	// Manifest runs the program once and returns what it says about itself.
	Manifest func(ctx context.Context, wasm []byte) (*abi.Manifest, error)
}

// Result is what a build made.
type Result struct {
	Dir      string // of the worker
	Wasm     []byte // as it was written
	Manifest *abi.Manifest
	With     []*Result // of Options.With
}

// Build compiles, checks and writes. Nothing is written unless everything is right.
func Build(ctx context.Context, o Options) (*Result, error) {
	w := Workerd{append([]*wrangler.Config{o.Config}, o.With...), o.Cluster}
	if o.Workerd {
		if err := w.check(); err != nil {
			return nil, err
		}
	}
	switch {
	case o.Out != "":
	case len(o.With) > 0:
		o.Out = filepath.Join(o.Config.Dir, "build", "dist")
	default:
		o.Out = filepath.Join(o.Config.Dir, folder(o.Config))
	}
	if o.Compile == nil {
		o.Compile = func(ctx context.Context, c *wrangler.Config) ([]byte, error) { return Compile(ctx, c.Dir, o.Package) }
	}
	files := map[string][]byte{}
	var results []*Result
	manifests := map[string]*abi.Manifest{}
	for _, c := range w.Workers {
		r, err := o.worker(ctx, c, w.folder(c), files)
		switch {
		case err == nil:
		case len(o.With) > 0:
			return nil, fmt.Errorf("worker %s: %w", c.Name, err)
		default:
			return nil, err
		}
		results, manifests[c.Name] = append(results, r), r.Manifest
	}
	if o.Workerd {
		if err := w.checkEntrypoints(manifests); err != nil {
			return nil, err
		}
		kv, err := shim.Files.ReadFile(shim.KV)
		if err != nil {
			return nil, err
		}
		files["workerd.capnp"], files[shim.KV] = w.Config(), kv
	}
	results[0].With = results[1:]
	return results[0], write(o.Out, files)
}

// worker makes the files of one, below folder.
func (o Options) worker(ctx context.Context, c *wrangler.Config, folder string, files map[string][]byte) (*Result, error) {
	wasm, err := o.Compile(ctx, c)
	if err != nil {
		return nil, err
	}
	m, err := o.Manifest(ctx, wasm)
	if err != nil {
		return nil, err
	}
	if err := Check(c, m); err != nil {
		return nil, err
	}
	if wasm, err = prepare.Shrink(wasm); err != nil {
		return nil, err
	}
	own := Generate(c, m, GenerateOptions{o.OwnInstance})
	own["app.wasm"] = wasm
	if own["wasm_exec.js"], err = wasmExec(ctx); err != nil {
		return nil, err
	}
	for _, name := range shim.Names {
		if own[name], err = shim.Files.ReadFile(name); err != nil {
			return nil, err
		}
	}
	for name, b := range own {
		files[folder+name] = b
	}
	return &Result{Dir: filepath.Join(o.Out, filepath.FromSlash(folder)), Wasm: wasm, Manifest: m}, nil
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
// rename that fails then puts back what was there before. A name may have one folder in it.
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
		if err := os.MkdirAll(filepath.Dir(filepath.Join(tmp, name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(tmp, name), files[name], 0o644); err != nil {
			return err
		}
	}
	var made []string // folders
	for i, name := range names {
		to := filepath.Join(dir, name)
		err := os.Mkdir(filepath.Dir(to), 0o755)
		switch {
		case err == nil:
			made = append(made, filepath.Dir(to))
		case errors.Is(err, os.ErrExist):
			err = nil
		}
		if err == nil {
			err = replace(to, filepath.Join(tmp, name))
		}
		if err != nil {
			for _, name := range names[:i] {
				err = errors.Join(err, restore(filepath.Join(dir, name), filepath.Join(tmp, name)))
			}
			for _, folder := range made {
				err = errors.Join(err, os.Remove(folder))
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
