package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"

	"durago.example/testdata/bench/loadgen"
)

// row is one line of the table.
type row struct {
	name   string
	stores bool // has a second line with -tmpfs
	disk   bool // stores, and has no line with -tmpfs
	conns  int  // whose ceiling may bind; 0 for other loads
	only   string
	but    string // the server that it is not measured on
	run    func(ctx context.Context, b *bench, s *server, round int) (loadgen.Result, error)
}

// table is all rows, in order.
func (o *options) table() []row {
	const many = 1000
	rows := []row{
		httpRow("hello, c=16", "GET", "/", 1, 16),
		httpRow("touch, 1 object, c=16", "POST", "/touch/{k}", 1, 16),
	}
	for _, pairs := range []int{1, many} {
		rows = append(rows, httpRow(fmt.Sprintf("relay: 10 calls of another object, %s, c=16", amount(pairs, "pair")), "POST", "/relay/{k}", pairs, 16))
	}
	store := func(r row) {
		r.stores = true
		rows = append(rows, r)
	}
	for _, objects := range []int{1, many} {
		for _, c := range []int{1, 16, 64} {
			store(httpRow(fmt.Sprintf("limit, %s, c=%d", amount(objects, "object"), c), "POST", "/limit/{k}", objects, c))
		}
	}
	for _, objects := range []int{1, many} {
		store(httpRow(fmt.Sprintf("rate, %s, c=16", amount(objects, "object")), "POST", "/rate/{k}", objects, 16))
	}
	store(httpRow(exactRow, "POST", "/exact/{k}?n=100", 1, 16))
	store(httpRow(leaseRow, "POST", "/leased/{k}?n=1000", 1, 16))
	rows = append(rows, o.limiter(many)...)
	for _, kind := range []string{"counter", "insert"} {
		for _, objects := range []int{1, many} {
			store(httpRow(fmt.Sprintf("%s, %s, c=16", kind, amount(objects, "object")), "POST", "/"+kind+"/{k}", objects, 16))
		}
	}
	store(httpRow("insert, 1 object, c=1", "POST", "/insert/{k}", 1, 1))
	rows = append(rows, broadcast(100, 1), broadcast(100, chatWindow), broadcast(1000, 1))
	rows = append(rows, o.chats()...)
	store(creation(o.create))
	return append(rows, coldStart("cold start to the first answer, code cached", "", false),
		coldStart("cold start to the first answer, code compiled", onHost, true))
}

// amount writes a number with its noun.
func amount(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(float64(n)) + " " + noun + "s"
}

func httpRow(name, method, path string, keys, conns int) row {
	return row{name: name, conns: conns, run: func(ctx context.Context, b *bench, s *server, _ int) (loadgen.Result, error) {
		return loadgen.HTTP{Target: s.target, Method: method, Path: path, Conns: conns, Keys: keys, Prefix: fmt.Sprintf("o%d-", keys),
			Seed: 1, Prime: true, Warm: b.warm, Duration: b.duration}.Run(ctx)
	}}
}

// broadcast keeps so many broadcasts in flight: with one, host and generator wait for each other by turns.
func broadcast(members, window int) row {
	return row{name: fmt.Sprintf("broadcast, %s, %d in flight", amount(members, "member"), window), run: func(ctx context.Context, b *bench, s *server, round int) (loadgen.Result, error) {
		return loadgen.Room{Target: s.target, Name: fmt.Sprintf("room%d-%d-%d", members, window, round), Members: members, Window: window, Size: 64,
			Warm: b.warm, Duration: b.duration}.Run(ctx)
	}}
}

// creation has a new server make objects: what it holds in memory is theirs. Objects stay in memory, as far as the server
// can be told; the host keeps an idle object for ten seconds.
func creation(n int) row {
	const conns = 16
	return row{name: fmt.Sprintf("create %s with one write, c=%d", amount(n, "object"), conns), conns: conns,
		run: func(ctx context.Context, b *bench, s *server, _ int) (loadgen.Result, error) {
			dir := b.work
			if s.memory {
				dir = b.tmpfs
			}
			fresh, err := b.launch(ctx, s.contender, dir, config{keep: true})
			if err != nil {
				return loadgen.Result{}, err
			}
			defer fresh.stop()
			return loadgen.Create{Target: fresh.target, Path: "/counter/{k}", Conns: conns, N: n, Prefix: "new"}.Run(ctx)
		}}
}

// coldStart starts a new server and stops it. With compile it finds no compiled code.
func coldStart(name, only string, compile bool) row {
	return row{name: name, only: only, run: func(ctx context.Context, b *bench, s *server, _ int) (loadgen.Result, error) {
		var o config
		if compile {
			var err error
			if o.cache, err = os.MkdirTemp(b.work, "cache-"); err != nil {
				return loadgen.Result{}, err
			}
			defer os.RemoveAll(o.cache)
		}
		if err := b.place(b.work, &o); err != nil {
			return loadgen.Result{}, err
		}
		defer os.RemoveAll(o.data)
		return loadgen.ColdStart{URL: "http://" + o.addr, Method: "GET", Path: "/",
			Command: func() *exec.Cmd { return s.command(b, o) }}.Run(ctx)
	}}
}

func split(addr string) (host, port string) {
	host, port, _ = net.SplitHostPort(addr) // it is FreePort's
	return host, port
}
