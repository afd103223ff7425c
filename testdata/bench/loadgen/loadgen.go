// Package loadgen drives a server that has the routes of README.md and measures it: throughput, exact latency quantiles,
// errors and, given the server's process id, its CPU time per operation and its memory.
//
// Each kind of load is a struct whose zero fields mean the documented default; Run does one run and returns one Result.
// HTTP keeps connections busy, Create makes new objects, Room broadcasts over WebSockets, ColdStart starts a server until
// it answers. Verify asks every route once and compares the answers, so that what is measured is known to be right.
//
// The package opens loopback connections only, and knows nothing of what it measures. Runs share nothing; two at once
// measure each other.
package loadgen

import (
	"fmt"
	"net"
	"net/url"
)

// Target is the server under test.
type Target struct {
	URL string // such as http://127.0.0.1:8787; loopback only
	PID int    // for CPU time and memory, of the process and its descendants; 0 leaves them out
}

// address is the host and port of the server, which must be on this machine.
func (t Target) address() (string, error) {
	u, err := url.Parse(t.URL)
	if err != nil {
		return "", fmt.Errorf("loadgen: server address: %w", err)
	}
	if u.Scheme != "http" || u.Port() == "" {
		return "", fmt.Errorf("loadgen: server address %q: want http://127.0.0.1:PORT", t.URL)
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return "", fmt.Errorf("loadgen: server address %q is not on this machine: want a loopback address", t.URL)
	}
	return u.Host, nil
}
