package loadgen

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"time"
)

// ColdStart starts a server and waits for its first answer of 200, then stops it.
type ColdStart struct {
	URL     string
	Method  string // default POST
	Path    string
	Command func() *exec.Cmd // made anew for each run
}

// Run does one run: FirstMS is from before the start to the answer, ServerCPU what the server used for it. It fails if
// something listens at the address already, or if no answer comes within a minute.
func (o ColdStart) Run(ctx context.Context) (Result, error) {
	r := Result{Mode: "coldstart", Path: o.Path}
	addr, err := Target{URL: o.URL}.address()
	if err != nil {
		return r, err
	}
	if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
		_ = conn.Close()
		return r, fmt.Errorf("loadgen: something already listens on %s: stop it first", addr)
	}
	began := time.Now()
	p, err := Start(o.Command())
	if err != nil {
		return r, err
	}
	defer p.Stop()
	if err := p.Ready(ctx, orPost(o.Method), o.URL+o.Path); err != nil {
		return r, err
	}
	r.FirstMS = float64(time.Since(began).Microseconds()) / 1000
	u := usageOf(p.PID())
	r.Ops, r.RSSAfter, r.ServerCPU = 1, u.rssKB, float64(u.cpu.Microseconds())
	return r, nil
}
