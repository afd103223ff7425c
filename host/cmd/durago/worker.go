package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"durago.example/build/wrangler"
	"durago.example/host"
	"durago.example/host/local"
)

// worker is one of those that durago run serves.
type worker struct {
	c           *wrangler.Config
	vars        *wrangler.Local
	log         *slog.Logger
	listener    net.Listener
	program     *host.Program
	h           *host.Host
	stopUpdates func()
}

// workers are all, in the order of the command line.
type workers []*worker

// workers reads the configurations and takes the ports. What has been taken when it fails is in the list.
func (r *runCommand) workers(log *slog.Logger) (list workers, err error) {
	if len(r.Config) > 1 && (r.Package != "" || r.Wasm != "") {
		return nil, usageError{errors.New("--package and --wasm are for one worker: leave them out, or run one")}
	}
	all, err := r.each(func(f *configFlag) (*wrangler.Config, error) { return f.load("") })
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		vars, err := c.Local(wrangler.LocalOptions{Files: r.EnvFile, Environ: os.Environ()})
		if err != nil {
			return list, usageError{err}
		}
		w := &worker{c: c, vars: vars, log: log}
		if len(all) > 1 {
			w.log = log.With("worker", c.Name)
		}
		list = append(list, w)
	}
	for i, w := range list { // once nothing is wrong with any configuration
		if w.listener, err = r.listen(w.c, i == 0); err != nil {
			return list, err
		}
	}
	return list, nil
}

// dir is where the data is.
func (r *runCommand) dir(list workers) string {
	if r.PersistTo != "" {
		return r.PersistTo
	}
	return filepath.Join(list[0].c.Dir, ".durago", "state")
}

// machine is what the workers share. SQL may take what the most patient of them allows.
func (r *runCommand) machine(list workers) (*host.Machine, error) {
	var limit time.Duration
	for _, w := range list {
		limit = max(limit, local.Of(w.c, nil).CPULimit)
	}
	return host.OpenMachine(host.MachineOptions{Dir: r.dir(list), NoSync: r.Durability == "process", CPULimit: limit})
}

// start starts a worker of several.
func (w *worker) start(ctx context.Context, r *runCommand, m *host.Machine, of int) (err error) {
	o := local.Of(w.c, w.vars.Vars)
	o.Program, o.Machine, o.CacheDir = w.program, m, cacheDir() // of programs that take its place
	o.Isolates, o.OpenDatabases = r.Isolates, max(1, r.OpenDatabases/of)
	o.OwnInstance = r.OwnInstance
	o.Log = guestLog(w.log)
	if r.Observers != "loopback" {
		o.Observer = func(*http.Request) bool { return r.Observers == "all" }
	}
	if r.Limits == "cloudflare" {
		o = host.Cloudflare(o)
	}
	w.h, err = host.New(ctx, o)
	return err
}

// ready tells where the worker is.
func (w *worker) ready(r *runCommand, dir string) {
	addr := w.listener.Addr().String()
	if r.JSON {
		w.log.Info("ready", "url", "http://"+addr, "data", dir)
	} else {
		banner(w.c, w.vars, addr, dir)
	}
}

// operator is that of the worker of a name.
func (list workers) operator(name string) (*host.Operator, error) {
	var names []string
	for _, w := range list {
		if w.c.Name == name {
			return &w.h.Operator, nil
		}
		names = append(names, w.c.Name)
	}
	return nil, fmt.Errorf("the worker %s does not run on this data: %s does", name, strings.Join(names, ", "))
}

// close ends what there is of each worker.
func (list workers) close() (failed error) {
	for _, w := range list {
		if w.stopUpdates != nil {
			w.stopUpdates()
		}
	}
	for _, w := range list {
		if w.h != nil {
			failed = errors.Join(failed, w.h.Close())
		}
		if w.program != nil {
			failed = errors.Join(failed, w.program.Close())
		}
		if w.listener != nil {
			_ = w.listener.Close() // the server has, if there was one
		}
	}
	return failed
}

// shutdownLimit is how long requests may take to end when the process is told to.
const shutdownLimit = 10 * time.Second

// serve serves the workers, with so many connections each, until the process is told to end, a listener fails, or the disk does.
func serve(ctx context.Context, m *host.Machine, list workers, connections int) error {
	var servers []*host.Server
	failed := make(chan error, len(list))
	for _, w := range list {
		s := host.NewServer(logged(w.h.Handler(), w.log), host.ServerOptions{Connections: connections})
		servers = append(servers, s)
		go func() { failed <- s.Serve(w.listener) }()
	}
	var err error
	running := len(servers)
	select {
	case err = <-failed:
		running--
	case err = <-m.Failed(): // nobody is to get an answer any more
		for _, s := range servers {
			_ = s.Close()
		}
	case <-ctx.Done():
	}
	for _, w := range list {
		w.h.Drain()
	}
	stop, cancel := context.WithTimeout(context.Background(), shutdownLimit)
	defer cancel()
	for _, s := range servers {
		if s.Shutdown(stop) != nil {
			_ = s.Close()
		}
	}
	for range running {
		<-failed
	}
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}
