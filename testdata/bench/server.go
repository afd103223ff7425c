package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"durago.example/testdata/bench/loadgen"
)

// contender is one of what is compared.
type contender struct {
	name    string
	command func(b *bench, c config) *exec.Cmd
}

// config is how a contender is started.
type config struct {
	addr  string
	data  string
	cache string // of compiled code
	keep  bool   // idle objects in memory, where the server would evict them
}

// Names of the contenders, as the table has them.
const (
	javaScript  = "JavaScript in workerd"
	onHost      = "durago host"
	goInWorkerd = "Go in workerd"
)

// contenders are in the order of the table; the first is what the others are divided by.
var contenders = []contender{
	{javaScript, func(b *bench, c config) *exec.Cmd {
		name := "config"
		if c.keep {
			name = "pinned"
		}
		return b.serve(c, filepath.Join(b.root, "testdata", "bench", "peer", "config.capnp"), name)
	}},
	{onHost, func(b *bench, c config) *exec.Cmd {
		host, port := split(c.addr)
		cmd := exec.Command(b.durago, "run", "-c", filepath.Join(b.root, "testdata", "bench", "wrangler.toml"), "--wasm", filepath.Join(b.worker, "app.wasm"),
			"--ip", host, "--port", port, "--persist-to", c.data, "--durability", "disk", "--log-level", "warn")
		cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+c.cache)
		return cmd
	}},
	{goInWorkerd, func(b *bench, c config) *exec.Cmd {
		name := "workerd.capnp"
		if c.keep {
			name = pinned
		}
		return b.serve(c, filepath.Join(b.worker, name))
	}},
}

// serve is workerd with a configuration.
func (b *bench) serve(c config, file ...string) *exec.Cmd {
	return exec.Command(b.workerd, append([]string{"serve", "-ddo=" + c.data, "-s", "http=" + c.addr}, file...)...)
}

// server is a contender that runs.
type server struct {
	contender
	memory  bool // its data is on a tmpfs
	data    string
	process *loadgen.Process
	target  loadgen.Target
}

// launch starts a contender with an empty data directory under dir and waits until it answers.
func (b *bench) launch(ctx context.Context, c contender, dir string, o config) (*server, error) {
	if err := b.place(dir, &o); err != nil {
		return nil, err
	}
	s := &server{contender: c, data: o.data}
	var err error
	if s.process, err = loadgen.Start(c.command(b, o)); err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	s.target = loadgen.Target{URL: "http://" + o.addr, PID: s.process.PID()}
	if err := s.process.Ready(ctx, "GET", s.target.URL+"/"); err != nil {
		s.stop()
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	return s, nil
}

// place gives a server an address, a data directory and the common cache.
func (b *bench) place(dir string, o *config) (err error) {
	if o.addr, err = loadgen.FreePort(); err != nil {
		return err
	}
	if o.cache == "" {
		o.cache = b.cache
	}
	o.data, err = os.MkdirTemp(dir, "data-")
	return err
}

func (s *server) stop() {
	s.process.Stop()
	if s.data != "" {
		_ = os.RemoveAll(s.data)
	}
}

// start starts what all rows share, and asks every route of it.
func (b *bench) start(ctx context.Context) error {
	for _, memory := range []bool{false, true} {
		dir := b.work
		if memory {
			if b.tmpfs == "" {
				continue
			}
			dir = b.tmpfs
		}
		for _, c := range contenders {
			s, err := b.launch(ctx, c, dir, config{})
			if err != nil {
				return err
			}
			s.memory = memory
			b.servers = append(b.servers, s)
			if err := loadgen.Verify(ctx, s.target, "verify"); err != nil {
				return fmt.Errorf("%s answers wrongly, so its speed means nothing:\n%w", c.name, err)
			}
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	b.bare, err = b.launch(ctx, contender{"bare net/http", func(_ *bench, c config) *exec.Cmd {
		return exec.Command(self, "-bare", c.addr)
	}}, b.work, config{})
	return err
}
