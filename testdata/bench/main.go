// Command bench measures the durago host beside workerd, in one run:
//
//	go run ./testdata/bench -workerd .tools/workerd
//
// Three servers have the same routes (loadgen/README.md): JavaScript objects in workerd (peer/), the Go objects of
// worker/ on the host, and the same wasm inside workerd. The driver builds them, starts each on a free loopback port with
// an empty data directory, asks every route once and refuses to go on if an answer is wrong, runs the rows, and prints
// one Markdown table of medians.
//
// # The rules of a fair run
//
//   - An answer means stored. workerd syncs an object's log before it answers; the host runs with --durability disk.
//     Data is on a disk: a directory in memory is refused, and has rows of its own (-tmpfs).
//   - The host has its limits on, CPU and memory, as anybody's has.
//   - All rows use one generator, with the same connections, keys and seed. It takes processor time that the server could
//     use; a cell says when it, or the machine, was the limit.
//   - Runs are interleaved: round by round, row by row, server by server, so that an hour that is slow is slow for all.
//     Numbers are medians of the rounds, each on its own. Other programs still disturb: compare ratios of one table, not
//     rates of two.
//   - Objects exist and are in memory before a stretch is measured, except where their creation is what is measured.
//
// The exit status is 1 if anything failed, a single request included.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	workerd  string
	rows     *regexp.Regexp
	rounds   int
	duration time.Duration
	warm     time.Duration
	create   int
	keys     int
	dir      string
	tmpfs    string
	json     string
	bare     string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.bare != "" {
		return serveBare(ctx, o.bare)
	}
	if len(o.selected()) == 0 {
		return fmt.Errorf("-rows %s matches no row", o.rows)
	}
	b, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.start(ctx); err != nil {
		return err
	}
	if err := b.measure(ctx); err != nil {
		return err
	}
	if err := b.writeTable(os.Stdout); err != nil {
		return err
	}
	if o.json != "" {
		if err := b.writeJSON(o.json); err != nil {
			return err
		}
	}
	return b.failures()
}

func parse(args []string) (*options, error) {
	o := &options{}
	var rows string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.workerd, "workerd", os.Getenv("DURAGO_WORKERD"), "the workerd executable; default $DURAGO_WORKERD")
	f.StringVar(&rows, "rows", "", "only the rows whose name this regular expression matches")
	f.IntVar(&o.rounds, "rounds", 3, "rounds, of which the median counts")
	f.DurationVar(&o.duration, "d", 3*time.Second, "measured time of one run")
	f.DurationVar(&o.warm, "warm", time.Second, "time before it that is not measured")
	f.IntVar(&o.create, "create", 6000, "objects that the create row makes")
	f.IntVar(&o.keys, "keys", 1_000_000, "keys that one object of the limiter has in the rows about many")
	f.StringVar(&o.dir, "dir", "", "where data is kept meanwhile, on a disk; default .tools")
	f.StringVar(&o.tmpfs, "tmpfs", "", "a directory in memory: repeats the rows that store there")
	f.StringVar(&o.json, "json", "", "also write every run to this file")
	f.StringVar(&o.bare, "bare", "", "only serve \"ok\" at this address: what the generator's ceiling is measured with")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.rounds < 1 {
		return nil, fmt.Errorf("-rounds %d: want at least 1", o.rounds)
	}
	if o.keys <= fewKeys {
		return nil, fmt.Errorf("-keys %d: want more than %d, which the row beside has", o.keys, fewKeys)
	}
	if o.workerd == "" && o.bare == "" {
		return nil, errors.New("-workerd is missing: `make .tools/workerd` gets it")
	}
	var err error
	if o.rows, err = regexp.Compile(rows); err != nil {
		return nil, fmt.Errorf("-rows: %w", err)
	}
	return o, nil
}
