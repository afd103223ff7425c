// Command durago builds, checks and runs workers whose Durable Objects are written in Go.
//
//	durago build    compile the program and write the worker into build/dist/NAME, for wrangler
//	durago check    say everything that is wrong with the configuration and the program, and write nothing
//	durago types    print the TypeScript declarations of the classes
//	durago run      compile the program and serve it on this machine
//	durago backup   write what one object has stored to a file, a plain SQLite database
//	durago restore  replace what one object has stored by such a file
//	durago objects  list the objects
//	durago sql      run SQL in the database of one object
//	durago kv       get, put, delete or list keys of one object
//	durago alarm    show, set, clear or run the alarm of one object
//	durago evict    take one idle object out of memory; hibernate does so only if it has sockets, abort resets it
//	durago delete   remove all that one object has stored
//	durago bench    put a load on rooms: ws has members send, and counts what comes and when
//	durago init     write a new project
//	durago version  print the versions of durago, its ABI and Go
//
// run takes several configurations, a worker each: they share one data directory and reach each other by their names. So
// does build with --workerd, for plain workerd on one machine, or with --cluster on several.
//
// run replaces the program of a worker that runs on SIGHUP, and with --watch when a file of it changes.
//
// Each command searches for the wrangler configuration as wrangler does, from the current folder upwards; -c names one.
// -e, or else CLOUDFLARE_ENV, chooses an environment of it. What is no mistake and yet worth a word is a warning: build and
// check write it to standard error, run logs it.
//
// # Exit status
//
//	0  success; for run, an orderly end after SIGINT or SIGTERM. A second signal ends the process at once.
//	1  the command failed: the program does not compile or start, is not a durago program or speaks another ABI, the
//	   port is taken, the data directory cannot be used, a file cannot be written, the command was interrupted
//	2  what was asked is wrong: the command line, the configuration, or the two disagree with the program (a class
//	   that only one of them has, a name that JavaScript cannot have)
//
// Whatever the status but 0, one sentence for each mistake goes to standard error after the warnings, nothing has been written into
// build/dist, and no data directory has been made.
//
// # What is written where
//
// build and types write to --out alone, init into its folder. run writes data to --persist-to (default .durago/state beside the configuration), logs
// to standard output, and compiled code, which all projects share, to durago/ in the user's cache directory. run does
// not execute the [build] command of the configuration: it compiles the program itself. What is about objects asks
// the worker that runs on the data directory, over the socket durago.sock in there, or takes the directory itself.
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

// untilSignal is a context that the first SIGINT or SIGTERM cancels. By then a second one has its usual effect again,
// which signal.NotifyContext does not promise: whoever sees the first take effect may send the second.
func untilSignal() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		defer close(done)
		defer cancel()
		defer signal.Stop(signals)
		select {
		case <-signals:
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel()
		<-done
	}
}

type cli struct {
	Build     buildCommand     `cmd:"" help:"Compile the program and write the worker into build/dist/NAME."`
	Run       runCommand       `cmd:"" help:"Build the worker and serve it on this machine."`
	Backup    backupCommand    `cmd:"" help:"Write what one object has stored to a file."`
	Restore   restoreCommand   `cmd:"" help:"Replace what one object has stored by a file of backup."`
	Objects   objectsCommand   `cmd:"" help:"List the objects."`
	SQL       sqlCommand       `cmd:"" name:"sql" help:"Run SQL in the database of one object."`
	KV        kvCommands       `cmd:"" name:"kv" help:"Read and write the key-value storage of one object."`
	Alarm     alarmCommand     `cmd:"" help:"Show, set, clear or run the alarm of one object."`
	Evict     evictCommand     `cmd:"" help:"Take one idle object out of memory; its sockets stay."`
	Hibernate hibernateCommand `cmd:"" help:"Evict one object that has sockets."`
	Abort     abortCommand     `cmd:"" help:"Reset one object: its events fail, its sockets are dropped."`
	Delete    deleteCommand    `cmd:"" help:"Remove all that one object has stored, and its alarm."`
	Bench     benchCommands    `cmd:"" help:"Put a load on what runs."`
	Check     checkCommand     `cmd:"" help:"Say everything that is wrong with the configuration and the program; write nothing."`
	Types     typesCommand     `cmd:"" help:"Print the TypeScript declarations of the classes, for workers in JavaScript that call them."`
	Init      initCommand      `cmd:"" help:"Write a new project that builds, runs and passes its test."`
	Version   versionCommand   `cmd:"" help:"Print the versions of durago, its ABI and Go."`
}

func main() { os.Exit(run(os.Args[1:])) }

// Exit statuses; the package comment says what each means.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func run(args []string) int {
	ctx, stop := untilSignal()
	defer stop()
	var c cli
	parser, err := kong.New(&c, kong.Name("durago"), kong.Description("Durable Objects in Go: build, check, run."),
		kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		panic(err)
	}
	k, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "durago: %v (durago --help lists commands and flags)\n", err)
		return exitUsage
	}
	err = k.Run()
	var usage usageError
	var mismatch *build.MismatchError
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "durago: interrupted")
		return exitFailed
	}
	fmt.Fprintln(os.Stderr, "durago:", err)
	if errors.As(err, &usage) || errors.As(err, &mismatch) {
		return exitUsage
	}
	return exitFailed
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
	configsFlag
	Out     string  `type:"path" placeholder:"DIR" help:"Where to write; default build/dist/NAME beside the configuration, or the folder there that main names. Of several workers build/dist beside the first configuration, and each is in a folder of its name."`
	Workerd bool    `help:"Also write workerd.capnp, to serve the worker, or several together, with plain workerd."`
	Cluster *string `placeholder:"s3://BUCKET/PREFIX" help:"Write workerd.capnp for several machines, whose workerd processes share this bucket. Key, addresses and credentials are given to workerd when it starts."`

	OwnInstance bool `help:"Give each object a Go instance of its own, of 5 MB: what ends one does not end the others of its isolate."`
}

func (b *buildCommand) Run(ctx context.Context) error {
	switch several := len(b.Config) > 1; {
	case several && !b.Workerd:
		return usageError{errors.New("several workers are built together for plain workerd: add --workerd, or build one at a time")}
	case several && b.Package != "":
		return usageError{errors.New("--package is for one worker: leave it out, or build one")}
	case b.Cluster != nil && !b.Workerd:
		return usageError{errors.New("--cluster is for plain workerd: add --workerd")}
	}
	cluster := ""
	if b.Cluster != nil {
		cluster = *b.Cluster
		if err := build.CheckCluster(cluster); err != nil {
			return usageError{err}
		}
	}
	all, err := b.each(func(f *configFlag) (*wrangler.Config, error) { return f.checked("build") })
	if err != nil {
		return err
	}
	first, err := build.Build(ctx, build.Options{Config: all[0], With: all[1:], Package: b.Package, Out: b.Out, Workerd: b.Workerd, Cluster: cluster, OwnInstance: b.OwnInstance, Manifest: readManifest})
	if err != nil {
		return err
	}
	for _, r := range append([]*build.Result{first}, first.With...) {
		fmt.Printf("%s: app.wasm %.2f MiB, %d classes\n", r.Dir, float64(len(r.Wasm))/(1<<20), len(r.Manifest.Classes))
	}
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
