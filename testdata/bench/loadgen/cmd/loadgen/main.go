// Command loadgen puts load on a server that has the routes of ../../README.md and prints one JSON line a run.
//
// Exit status: 0 the runs were made (their errors are in the lines), 1 a run could not be made, 2 the command line is wrong.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"durago.example/testdata/bench/loadgen"
)

type options struct {
	mode, label, path, method, body, prefix, room, exec string
	loadgen.Target
	conns, keys, n, repeat, members, size, window int
	rate                                          float64
	seed                                          uint64
	prime, md                                     bool
	warm, duration                                time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var o options
	flag.StringVar(&o.mode, "mode", "http", "http | create | ws | chat | coldstart | verify | median")
	flag.StringVar(&o.URL, "url", "http://127.0.0.1:8787", "the server, on this machine")
	flag.IntVar(&o.PID, "pid", 0, "its process id, for CPU time and memory")
	flag.StringVar(&o.label, "label", "", "copied into the output")
	flag.StringVar(&o.path, "path", "/counter/{k}", "route; {k} is replaced by a key (http, create, coldstart); chat or kept (chat)")
	flag.StringVar(&o.method, "method", "POST", "HTTP method")
	flag.StringVar(&o.body, "body", "", "request body")
	flag.IntVar(&o.conns, "c", 16, "connections, one request in flight on each")
	flag.IntVar(&o.keys, "keys", 1, "distinct keys (http)")
	flag.StringVar(&o.prefix, "prefix", "k", "of keys")
	flag.Uint64Var(&o.seed, "seed", 1, "of the choice of keys")
	flag.BoolVar(&o.prime, "prime", false, "ask for every key once before (http)")
	flag.DurationVar(&o.duration, "d", 5*time.Second, "measured time of a run (http, ws)")
	flag.DurationVar(&o.warm, "warm", time.Second, "time before it that is not measured (http, ws)")
	flag.IntVar(&o.n, "n", 10000, "objects (create)")
	flag.IntVar(&o.repeat, "repeat", 1, "runs; after more than one comes their median")
	flag.StringVar(&o.room, "room", "bench", "room (ws)")
	flag.IntVar(&o.members, "clients", 100, "members of the room (ws)")
	flag.IntVar(&o.size, "size", 64, "bytes of a message (ws)")
	flag.IntVar(&o.window, "window", 1, "broadcasts in flight, closed loop (ws)")
	flag.Float64Var(&o.rate, "rate", 0, "broadcasts a second, open loop; 0 is the closed loop (ws)")
	flag.StringVar(&o.exec, "exec", "", "shell command that starts the server (coldstart)")
	flag.BoolVar(&o.md, "md", false, "print a Markdown table (median)")
	flag.Parse()
	if err := o.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		var u usageError
		if errors.As(err, &u) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

// usageError is a mistake in the command line.
type usageError struct{ error }

func (o *options) run(ctx context.Context) error {
	switch o.mode {
	case "median":
		return o.medians(os.Stdin)
	case "verify":
		return loadgen.Verify(ctx, o.Target, o.prefix)
	}
	out := json.NewEncoder(os.Stdout)
	var all []loadgen.Result
	for i := range o.repeat {
		r, err := o.once(ctx, i)
		if err != nil {
			return err
		}
		r.Label = o.label
		if err := out.Encode(r); err != nil {
			return err
		}
		all = append(all, r)
	}
	if len(all) > 1 {
		return out.Encode(loadgen.Median(all))
	}
	return nil
}

func (o *options) once(ctx context.Context, run int) (loadgen.Result, error) {
	switch o.mode {
	case "http":
		return loadgen.HTTP{Target: o.Target, Method: o.method, Path: o.path, Body: o.body, Conns: o.conns, Keys: o.keys,
			Prefix: o.prefix, Seed: o.seed, Prime: o.prime, Warm: o.warm, Duration: o.duration}.Run(ctx)
	case "create":
		return loadgen.Create{Target: o.Target, Method: o.method, Path: o.path, Body: o.body, Conns: o.conns, N: o.n,
			Prefix: fmt.Sprintf("%s-%d-%d-", o.prefix, o.seed, run)}.Run(ctx)
	case "ws":
		return loadgen.Room{Target: o.Target, Name: o.room, Members: o.members, Size: o.size, Window: o.window, Rate: o.rate,
			Warm: o.warm, Duration: o.duration}.Run(ctx)
	case "chat":
		return loadgen.Chat{Target: o.Target, Route: o.path, Name: o.room, Members: o.members, Size: o.size, Window: o.window, Rate: o.rate,
			Warm: o.warm, Duration: o.duration}.Run(ctx)
	case "coldstart":
		if o.exec == "" {
			return loadgen.Result{}, usageError{errors.New("loadgen: -mode coldstart needs -exec")}
		}
		return loadgen.ColdStart{URL: o.URL, Method: o.method, Path: o.path,
			Command: func() *exec.Cmd { return exec.Command("/bin/sh", "-c", "exec "+o.exec) }}.Run(ctx)
	}
	return loadgen.Result{}, usageError{fmt.Errorf("loadgen: unknown mode %q", o.mode)}
}

// medians reads result lines and prints the median of each label, in the order in which labels first appear.
func (o *options) medians(in io.Reader) error {
	by := map[string][]loadgen.Result{}
	var order []string
	for dec := json.NewDecoder(in); ; {
		var r loadgen.Result
		if err := dec.Decode(&r); err == io.EOF {
			break
		} else if err != nil {
			return fmt.Errorf("loadgen: results: %w", err)
		}
		if r.Runs > 1 {
			continue
		}
		if by[r.Label] == nil {
			order = append(order, r.Label)
		}
		by[r.Label] = append(by[r.Label], r)
	}
	medians := make([]loadgen.Result, len(order))
	for i, label := range order {
		medians[i] = loadgen.Median(by[label])
	}
	if o.md {
		return loadgen.WriteTable(os.Stdout, medians)
	}
	out := json.NewEncoder(os.Stdout)
	for _, m := range medians {
		if err := out.Encode(m); err != nil {
			return err
		}
	}
	return nil
}
