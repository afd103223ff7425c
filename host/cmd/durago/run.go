package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"durago.example/build"
	"durago.example/build/wrangler"
	"durago.example/host"
)

type runCommand struct {
	configsFlag
	Port          int      `default:"-1" placeholder:"8787" help:"Port; default dev.port of the configuration, else 8787. 0 takes a free one. Of several workers it is the first one's; the others take dev.port or a free one."`
	IP            string   `placeholder:"127.0.0.1" help:"Address; default dev.ip of the configuration, else 127.0.0.1."`
	EnvFile       []string `placeholder:"FILE" help:"Read variables from these files beside the configuration; default .dev.vars, else .env files, as wrangler dev."`
	PersistTo     string   `type:"path" placeholder:"DIR" help:"Where data is kept; default .durago/state beside the first configuration."`
	Isolates      int      `placeholder:"N" help:"How many isolates; default one for each processor."`
	OwnInstance   bool     `help:"Give each object an isolate of its own, of 5 MB: what ends one does not end the others."`
	OpenDatabases int      `default:"2000" placeholder:"2000" help:"How many objects' databases are open at once, at 420 KB and two files each; the others are opened again when they are used."`
	Connections   int      `default:"10000" placeholder:"10000" help:"How many connections of clients are open at once, WebSockets among them; an idle one gives way to a new one."`
	Durability    string   `enum:"disk,process" default:"disk" help:"disk: acknowledged writes survive power loss. process: they survive the process."`
	Limits        string   `enum:"memory,cloudflare" default:"memory" help:"memory: 128 MiB for each isolate and 30 s of CPU for each run. cloudflare: subrequests, connections and bodies are limited as there, too."`
	Observers     string   `enum:"loopback,all,none" default:"loopback" help:"Whose requests may read /cdn-cgi/durago/health and /cdn-cgi/durago/metrics: those of this machine, all or none."`
	LogLevel      string   `enum:"debug,info,warn,error" default:"info" help:"The least level to print."`
	JSON          bool     `help:"Print the log as JSON."`
	Watch         bool     `help:"Build again when the program's files change, and replace it under the objects at once. SIGHUP does so too, as durable_objects.code_update_strategy has it."`
	Wasm          string   `type:"path" placeholder:"FILE" help:"Run this app.wasm instead of building."`
}

func (r *runCommand) Run(ctx context.Context) (err error) {
	log := r.logger()
	files := raiseFileLimit()
	if err := errors.Join(r.checkOpenDatabases(files), r.checkConnections(files)); err != nil {
		return err
	}
	var workers workers
	var m *host.Machine
	defer func() {
		failed := workers.close()
		if m != nil {
			failed = errors.Join(failed, m.Close())
		}
		if err == nil { // a disk that has failed says so only once
			err = failed
		}
	}()
	// Take the ports first: they are the quickest thing to fail.
	if workers, err = r.workers(log); err != nil {
		return err
	}
	for _, w := range workers {
		if w.program, err = r.program(ctx, w.c); err != nil {
			return err
		}
	}
	for _, w := range workers {
		logVariables(w.c, w.vars, w.log)
	}
	if m, err = r.machine(workers); err != nil {
		return err
	}
	for _, w := range workers {
		if err := w.start(ctx, r, m, len(workers)); err != nil {
			return err
		}
	}
	stop, err := serveControl(workers, r.dir(workers))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	for _, w := range workers {
		if w.stopUpdates, err = r.startUpdates(ctx, w.c, w.h, w.log); err != nil {
			return err
		}
	}
	for _, w := range workers {
		w.ready(r, r.dir(workers))
	}
	return serve(ctx, m, workers, max(1, r.Connections/len(workers)))
}

// program is what to run, compiled, and checked against the configuration before anything is written.
func (r *runCommand) program(ctx context.Context, c *wrangler.Config) (_ *host.Program, err error) {
	wasm, err := r.compile(ctx, c)
	if err != nil {
		return nil, err
	}
	p, err := host.Compile(ctx, wasm, host.CompileOptions{CacheDir: cacheDir()})
	if err != nil {
		return nil, err
	}
	m, err := p.Manifest(ctx)
	if err == nil {
		err = build.Check(c, m)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// compile is the program as wasm.
func (r *runCommand) compile(ctx context.Context, c *wrangler.Config) ([]byte, error) {
	if r.Wasm == "" {
		return build.Compile(ctx, c.Dir, r.Package)
	}
	wasm, err := os.ReadFile(r.Wasm)
	if err != nil {
		return nil, fmt.Errorf("cannot read the program: %w", err)
	}
	return wasm, nil
}

// logVariables logs the warnings of the configuration, and where variables come from. No value is ever logged.
func logVariables(c *wrangler.Config, local *wrangler.Local, log *slog.Logger) {
	for _, d := range c.Warnings {
		log.Warn(d.Error())
	}
	for _, file := range local.Files {
		log.Info("using the variables of a file", "file", file)
	}
	if len(local.Missing) > 0 {
		log.Warn("secrets of secrets.required have no value: add them to .dev.vars, to .env, or to the environment", "names", strings.Join(local.Missing, ","))
	}
	if len(local.Bound) > 0 {
		log.Warn("variables of files have the names of bindings, and are left out", "names", strings.Join(local.Bound, ","))
	}
}

// listen takes a worker's port. Those of a command's later workers may be any.
func (r *runCommand) listen(c *wrangler.Config, first bool) (net.Listener, error) {
	ip, port := r.IP, int(c.Dev.Port)
	if ip == "" {
		if ip = c.Dev.IP; ip == "" {
			ip = "127.0.0.1"
		}
	}
	switch {
	case first && r.Port >= 0:
		port = r.Port
	case first && port == 0:
		port = 8787
	}
	if port > 65535 {
		return nil, usageError{fmt.Errorf("there is no port %d: choose one of 1 to 65535 with --port, or 0 for a free one", port)}
	}
	l, err := net.Listen("tcp", net.JoinHostPort(ip, strconv.Itoa(port)))
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return nil, fmt.Errorf("port %d of %s is taken: stop what uses it, or choose another with --port", port, ip)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %s: %w: choose another address with --ip and --port", ip, err)
	}
	return l, nil
}

func (r *runCommand) logger() *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(r.LogLevel)) // the enum has been checked
	o := &slog.HandlerOptions{Level: level}
	if r.JSON {
		return slog.New(slog.NewJSONHandler(os.Stdout, o))
	}
	return slog.New(slog.NewTextHandler(os.Stdout, o))
}

func guestLog(log *slog.Logger) func(host.Line) {
	levels := [...]slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}
	return func(l host.Line) {
		args := []any{"class", l.Class}
		if l.Name != "" {
			args = append(args, "name", l.Name)
		}
		for _, x := range [...]struct{ key, value string }{{"event", l.Event}, {"id", l.ID}, {"trace", l.Trace}} {
			if x.value != "" {
				args = append(args, x.key, x.value)
			}
		}
		log.Log(context.Background(), levels[min(max(l.Level, 0), 3)], l.Text, args...)
	}
}

func banner(c *wrangler.Config, local *wrangler.Local, addr, dir string) {
	fmt.Printf("%s\n\n", c.Name)
	for _, b := range c.DurableObjects.Bindings {
		class := b.ClassName
		if b.ScriptName != "" && b.ScriptName != c.Name {
			class += ", defined in " + b.ScriptName // as wrangler has it
		}
		fmt.Printf("  env.%-14s Durable Object  %s\n", b.Name, class)
	}
	for _, k := range c.KVNamespaces {
		fmt.Printf("  env.%-14s KV Namespace    %s\n", k.Binding, k.ID)
	}
	for _, name := range slices.Sorted(maps.Keys(local.Vars)) {
		kind := "Variable"
		if local.Secret[name] {
			kind = "Secret"
		}
		fmt.Printf("  env.%-14s %s\n", name, kind)
	}
	fmt.Printf("\n  data in %s\n  ready on http://%s\n\n", dir, addr)
}

// logged writes one line for each request.
func logged(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !log.Enabled(r.Context(), slog.LevelInfo) {
			next.ServeHTTP(w, r)
			return
		}
		began := time.Now()
		s := &status{ResponseWriter: w}
		next.ServeHTTP(s, r)
		args := []any{"method", r.Method, "path", r.URL.Path, "status", cmp.Or(s.code.Load(), http.StatusOK),
			"ms", float64(time.Since(began).Microseconds()) / 1000}
		if trace := host.TraceID(r.Header); trace != "" {
			args = append(args, "trace", trace)
		}
		log.Info("request", args...)
	})
}

type status struct {
	http.ResponseWriter
	code atomic.Int32
}

func (s *status) WriteHeader(code int) {
	s.code.Store(int32(code))
	s.ResponseWriter.WriteHeader(code)
}

// Hijack gives the connection to a socket.
func (s *status) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	s.code.Store(http.StatusSwitchingProtocols)
	return http.NewResponseController(s.ResponseWriter).Hijack()
}

func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// raiseFileLimit lets the process hold as many files as the system allows it, and tells how many that are.
func raiseFileLimit() uint64 {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return math.MaxUint64
	}
	if l.Cur < l.Max {
		raised := l
		raised.Cur = l.Max
		if unix.Setrlimit(unix.RLIMIT_NOFILE, &raised) == nil {
			l = raised
		}
	}
	return l.Cur
}

// otherFiles is how many files are left for connections, the journal and the program.
const otherFiles = 256

// ownFiles are those of them that no connection may take.
const ownFiles = 64

// checkOpenDatabases has the databases fit into the files that the process may open. The default gives way.
func (r *runCommand) checkOpenDatabases(files uint64) error {
	if r.OpenDatabases < 1 {
		return usageError{fmt.Errorf("--open-databases %d: must be at least 1", r.OpenDatabases)}
	}
	most := uint64(1)
	if files > otherFiles+2 {
		most = (files - otherFiles) / 2
	}
	if uint64(r.OpenDatabases) <= most {
		return nil
	}
	if r.OpenDatabases != defaultOpenDatabases {
		return usageError{fmt.Errorf("--open-databases %d: the process may open %d files, which is enough for %d: raise the limit (ulimit -n), or choose fewer", r.OpenDatabases, files, most)}
	}
	r.OpenDatabases = int(most)
	return nil
}

// checkConnections has the connections fit into the files that the databases leave. The default gives way.
func (r *runCommand) checkConnections(files uint64) error {
	if r.Connections < 1 {
		return usageError{fmt.Errorf("--connections %d: must be at least 1", r.Connections)}
	}
	most := uint64(1)
	if used := 2*uint64(max(r.OpenDatabases, 0)) + ownFiles; files > used {
		most = files - used
	}
	if uint64(r.Connections) <= most {
		return nil
	}
	if r.Connections != defaultConnections {
		return usageError{fmt.Errorf("--connections %d: the process may open %d files, of which databases leave %d: raise the limit (ulimit -n), or choose fewer", r.Connections, files, most)}
	}
	r.Connections = int(most)
	return nil
}

const (
	defaultOpenDatabases = 2000
	defaultConnections   = 10_000
)
