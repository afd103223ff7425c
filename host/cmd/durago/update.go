package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"durago.example/build"
	"durago.example/build/wrangler"
	"durago.example/host"
)

// updates replaces the program of a worker that runs: on SIGHUP, and with --watch when a file that it is made of changes. A
// program that does not compile, or does not fit the configuration, changes nothing and is a line of the log.
type updates struct {
	run *runCommand
	c   *wrangler.Config
	h   *host.Host
	log *slog.Logger

	dir, file string // of the configuration, absolute

	hup     chan os.Signal
	watcher *fsnotify.Watcher // nil without --watch
	done    chan struct{}
}

// settling is how long files must rest: editors and git write several.
const settling = 100 * time.Millisecond

// startUpdates begins to look for them. stop ends that, and waits for one that is under way.
func (r *runCommand) startUpdates(ctx context.Context, c *wrangler.Config, h *host.Host, log *slog.Logger) (stop func(), err error) {
	file, err := filepath.Abs(c.File)
	if err != nil {
		return nil, err
	}
	u := &updates{dir: filepath.Dir(file), file: file, run: r, c: c, h: h, log: log, hup: make(chan os.Signal, 1), done: make(chan struct{})}
	if r.Watch {
		if u.watcher, err = fsnotify.NewWatcher(); err != nil {
			return nil, errors.Join(errors.New("cannot watch files: leave out --watch, and send SIGHUP instead"), err)
		}
		if err := u.look(ctx); err != nil {
			return nil, errors.Join(err, u.watcher.Close())
		}
	}
	signal.Notify(u.hup, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(ctx)
	go u.loop(ctx)
	return func() {
		cancel()
		<-u.done
		signal.Stop(u.hup)
		if u.watcher != nil {
			_ = u.watcher.Close()
		}
	}, nil
}

// look watches the folders that the program is made of now.
func (u *updates) look(ctx context.Context) error {
	dirs := []string{filepath.Dir(u.run.Wasm)}
	if u.run.Wasm == "" {
		var err error
		if dirs, err = build.Sources(ctx, u.c.Dir, u.run.Package); err != nil {
			return err
		}
	}
	for _, dir := range append(dirs, u.dir) {
		if err := u.watcher.Add(dir); err != nil {
			return err
		}
	}
	return nil
}

// concerns tells whether a file that has changed is one of the program's.
func (u *updates) concerns(file string) bool {
	name := filepath.Base(file)
	switch {
	case file == u.file:
		u.log.Warn("the configuration has changed: start durago again to go by it", "file", file)
		return false
	case u.run.Wasm != "":
		return file == u.run.Wasm
	case strings.HasPrefix(name, "."), strings.HasSuffix(name, "~"), strings.HasSuffix(name, "_test.go"):
		return false
	case filepath.Dir(file) == u.dir && filepath.Ext(name) != ".go" && name != "go.mod" && name != "go.sum":
		return false
	}
	return true
}

func (u *updates) loop(ctx context.Context) {
	defer close(u.done)
	var changed <-chan fsnotify.Event
	var failed <-chan error
	if u.watcher != nil {
		changed, failed = u.watcher.Events, u.watcher.Errors
	}
	rested := time.NewTimer(settling)
	rested.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-u.hup:
			u.update(ctx, u.delay())
		case e := <-changed:
			if e.Op != fsnotify.Chmod && u.concerns(e.Name) {
				rested.Reset(settling)
			}
		case err := <-failed:
			u.log.Warn("files may have changed unseen", "error", err)
			rested.Reset(settling)
		case <-rested.C:
			if err := u.look(ctx); err != nil && ctx.Err() == nil { // before it is read: nothing is missed
				u.log.Warn("cannot watch the program's folders", "error", err)
			}
			u.update(ctx, 0) // who edits wants to see it
		}
	}
}

// delay is what the configuration says, or what wrangler does if it does not.
func (u *updates) delay() time.Duration {
	s := u.c.DurableObjects.CodeUpdateStrategy
	switch {
	case s == nil:
		return host.DefaultUpdateDelay
	case s.Mode == "immediate":
		return 0
	case s.MaxDelay == nil:
		return host.DefaultUpdateDelay
	}
	return time.Duration(*s.MaxDelay * float64(time.Second))
}

func (u *updates) update(ctx context.Context, delay time.Duration) {
	began := time.Now()
	wasm, err := u.run.compile(ctx, u.c)
	if err == nil {
		err = u.h.Update(ctx, wasm, delay)
	}
	switch {
	case ctx.Err() != nil:
	case err != nil:
		u.log.Error("the program is not replaced", "error", err)
	default:
		u.log.Info("the program was replaced", "ms", time.Since(began).Milliseconds(), "delay", delay)
	}
}
