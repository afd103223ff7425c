package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// bench is one run of the driver.
type bench struct {
	*options
	root    string // of the module
	work    string // everything that the run writes
	durago  string // the command
	worker  string // what it built of worker/
	cache   string // of compiled code, for XDG_CACHE_HOME
	notes   []string
	servers []*server // that are running, in the order of contenders, then those in memory
	bare    *server
	results []cell
	ceiling map[int]float64 // requests a second that the generator reaches, by connections
	half    float64         // broadcasts a second to 1,000 members: see measureHalf
}

// prepare builds the host's command, the Go worker, and a directory to work in. close removes it.
func prepare(ctx context.Context, o *options) (_ *bench, err error) {
	b := &bench{options: o, ceiling: map[int]float64{}}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if o.workerd, err = filepath.Abs(o.workerd); err != nil {
		return nil, err
	}
	version, err := exec.CommandContext(ctx, o.workerd, "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("%s does not run: %w: `make .tools/workerd` gets one", o.workerd, err)
	}
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOMOD: %w", err)
	}
	b.root = filepath.Dir(strings.TrimSpace(string(mod)))
	if o.dir == "" {
		o.dir = filepath.Join(b.root, ".tools")
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return nil, fmt.Errorf("-dir: %w", err)
	}
	if fileSystem(ctx, o.dir) == "tmpfs" {
		return nil, fmt.Errorf("-dir %s is in memory, where nothing is made durable: give a directory on a disk, and this one to -tmpfs", o.dir)
	}
	if o.tmpfs != "" && fileSystem(ctx, o.tmpfs) != "tmpfs" {
		return nil, fmt.Errorf("-tmpfs %s is not in memory: give a directory on a tmpfs, such as one under /dev/shm", o.tmpfs)
	}
	if b.work, err = os.MkdirTemp(o.dir, "bench-"); err != nil {
		return nil, err
	}
	b.notes = append(b.notes, strings.TrimSpace(string(version)), "data on "+fileSystem(ctx, o.dir))
	return b, errors.Join(raiseFileLimit(), b.build(ctx))
}

func (b *bench) build(ctx context.Context) error {
	b.durago, b.worker, b.cache = filepath.Join(b.work, "durago"), filepath.Join(b.work, "worker"), filepath.Join(b.work, "cache")
	for _, args := range [][]string{
		{"go", "build", "-o", b.durago, "./host/cmd/durago"},
		{b.durago, "build", "-c", "testdata/bench/wrangler.toml", "--workerd", "--out", b.worker},
	} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir, cmd.Env = b.root, append(os.Environ(), "XDG_CACHE_HOME="+b.cache, "GOCACHE="+goCache(ctx))
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
		}
		b.notes = append(b.notes, lastPart(string(out)))
	}
	return b.pin()
}

// goCache is where the toolchain keeps what it built, which must not move with XDG_CACHE_HOME.
func goCache(ctx context.Context) string {
	out, _ := exec.CommandContext(ctx, "go", "env", "GOCACHE").Output()
	return strings.TrimSpace(string(out))
}

// lastPart is what durago build says after the name of the directory.
func lastPart(line string) string {
	_, part, _ := strings.Cut(strings.TrimSpace(line), ": ")
	return part
}

// pinned is the configuration of the Go worker whose objects stay in memory.
const pinned = "workerd-pinned.capnp"

// pin writes it: the build has no such option, since it is of use to a measurement only.
func (b *bench) pin() error {
	config, err := os.ReadFile(filepath.Join(b.worker, "workerd.capnp"))
	if err != nil {
		return err
	}
	const from = "enableSql = true)"
	if !strings.Contains(string(config), from) {
		return fmt.Errorf("workerd.capnp has no %q to put preventEviction beside", from)
	}
	text := strings.ReplaceAll(string(config), from, "enableSql = true, preventEviction = true)")
	return os.WriteFile(filepath.Join(b.worker, pinned), []byte(text), 0o644)
}

// fileSystem is the kind of file system that dir is on, as stat says it.
func fileSystem(ctx context.Context, dir string) string {
	out, err := exec.CommandContext(ctx, "stat", "-f", "-c", "%T", dir).Output()
	if err != nil {
		return "an unknown file system"
	}
	return strings.TrimSpace(string(out))
}

// raiseFileLimit lets the servers hold as many files as the system allows: workerd needs three for each object.
func raiseFileLimit() error {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return fmt.Errorf("limit of open files: %w", err)
	}
	l.Cur = l.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return fmt.Errorf("limit of open files: %w", err)
	}
	return nil
}

// close stops every server and removes what the run wrote.
func (b *bench) close() {
	var stopping sync.WaitGroup
	for _, s := range append(b.servers, b.bare) {
		if s != nil {
			stopping.Go(s.stop)
		}
	}
	stopping.Wait()
	if b.work != "" {
		_ = os.RemoveAll(b.work)
	}
}
