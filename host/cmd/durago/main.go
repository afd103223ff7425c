// Command durago builds, checks and runs workers whose Durable Objects are written in Go.
//
// Exit status: 0 success, 1 the command failed, 2 the command line or the configuration is wrong.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"durago.example/build"
	"durago.example/build/wrangler"
	"durago.example/host"
	"durago.example/wasm/abi"
)

// configFlag is what every command about a worker takes.
type configFlag struct {
	Config  string `short:"c" type:"path" placeholder:"FILE" help:"The wrangler configuration; default: searched for as wrangler does."`
	Package string `placeholder:"PKG" help:"The Go package of the program; default ./worker beside the configuration, else its folder."`
}

type cli struct {
	Build   buildCommand   `cmd:"" help:"Compile the program and write the worker into build/dist/NAME."`
	Run     runCommand     `cmd:"" help:"Build the worker and serve it on this machine."`
	Check   checkCommand   `cmd:"" help:"Compile the program and compare it with the configuration; write nothing."`
	Version versionCommand `cmd:"" help:"Print the versions of durago, its ABI and Go."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var c cli
	parser, err := kong.New(&c, kong.Name("durago"), kong.Description("Durable Objects in Go: build, check, run."), kong.UsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		panic(err)
	}
	k, err := parser.Parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "durago:", err)
		os.Exit(2)
	}
	if err := k.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "durago:", err)
		var u usageError
		if errors.As(err, &u) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

// usageError is a mistake in the command line or the configuration.
type usageError struct{ error }

func (f *configFlag) load() (*wrangler.Config, error) {
	file := f.Config
	if file == "" {
		var err error
		if file, err = wrangler.Find("."); err != nil {
			return nil, usageError{err}
		}
	}
	c, err := wrangler.Load(file)
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// cacheDir is where compiled code is kept, for all projects of the user.
func cacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "durago")
}

func readManifest(ctx context.Context, wasm []byte) (*abi.Manifest, error) {
	return host.ReadManifest(ctx, wasm, cacheDir())
}

type buildCommand struct {
	configFlag
	Out     string `type:"path" placeholder:"DIR" help:"Where to write; default build/dist/NAME beside the configuration."`
	Workerd bool   `help:"Also write workerd.capnp, to serve the worker with plain workerd."`
}

func (b *buildCommand) Run(ctx context.Context) error {
	c, err := b.load()
	if err != nil {
		return err
	}
	r, err := build.Build(ctx, build.Options{Config: c, Package: b.Package, Out: b.Out, Workerd: b.Workerd, Manifest: readManifest})
	if err != nil {
		return err
	}
	fmt.Printf("%s: app.wasm %.2f MiB, %d classes\n", r.Dir, float64(len(r.Wasm))/(1<<20), len(r.Manifest.Classes))
	return nil
}

type checkCommand struct{ configFlag }

func (k *checkCommand) Run(ctx context.Context) error {
	c, err := k.load()
	if err != nil {
		return err
	}
	wasm, err := build.Compile(ctx, c.Dir, k.Package)
	if err != nil {
		return err
	}
	m, err := readManifest(ctx, wasm)
	if err != nil {
		return err
	}
	if err := build.Check(c, m); err != nil {
		return usageError{err}
	}
	fmt.Printf("%s: ok, %d classes\n", c.File, len(m.Classes))
	return nil
}

type versionCommand struct{}

func (versionCommand) Run() error {
	info, ok := debug.ReadBuildInfo()
	version, goVersion := "devel", ""
	if ok {
		goVersion = info.GoVersion
		if v := info.Main.Version; v != "" && v != "(devel)" {
			version = v
		}
	}
	fmt.Printf("durago %s, ABI %d, %s\n", version, abi.Version, goVersion)
	return nil
}
