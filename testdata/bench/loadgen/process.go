package loadgen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Process is a server that this program started, in a process group of its own.
type Process struct {
	cmd    *exec.Cmd
	output tail
	done   chan struct{}
	err    error // of Wait, once done is closed
	stop   sync.Once
}

// stopLimit is how long a server may take to end when it is asked to.
const stopLimit = 10 * time.Second

// Start starts cmd and keeps the end of what it prints. Stop must be called.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, done: make(chan struct{})}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdout, cmd.Stderr = &p.output, &p.output
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("loadgen: start %s: %w", cmd.Path, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended tells whether the server has ended, and why.
func (p *Process) Ended() (bool, error) {
	select {
	case <-p.done:
		return true, fmt.Errorf("loadgen: %s: %w\n%s", p.cmd.Path, errors.Join(p.err, errEnded), p.Output())
	default:
		return false, nil
	}
}

// Output is the end of what the server printed.
func (p *Process) Output() string { return p.output.String() }

// Ready waits until url answers 200. The error holds what the server printed.
func (p *Process) Ready(ctx context.Context, method, url string) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	transport := &http.Transport{DisableKeepAlives: true}
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, method, url, nil)
		if err != nil {
			return fmt.Errorf("loadgen: %w", err)
		}
		if resp, err := transport.RoundTrip(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.done:
			return fmt.Errorf("loadgen: %s ended before it answered: %w\n%s", p.cmd.Path, errors.Join(p.err, errEnded), p.Output())
		case <-ctx.Done():
			return fmt.Errorf("loadgen: no answer from %s: %w\n%s", url, ctx.Err(), p.Output())
		case <-poll.C:
		}
	}
}

var errEnded = errors.New("the process has ended")

// Polling for the first answer: every two milliseconds, for a minute.
const (
	pollEvery  = 2 * time.Millisecond
	readyLimit = time.Minute
)

// Stop ends the process group and waits for it: first it asks, after ten seconds it kills. Once
// is enough; further calls do nothing.
func (p *Process) Stop() { p.stop.Do(p.end) }

func (p *Process) end() {
	_ = syscall.Kill(-p.PID(), syscall.SIGTERM)
	t := time.NewTimer(stopLimit)
	defer t.Stop()
	select {
	case <-p.done:
	case <-t.C:
		_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
		<-p.done
	}
}

// FreePort is an address of the loopback interface that nobody listens on.
func FreePort() (addr string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("loadgen: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// tail keeps the last bytes that were written.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 16 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if n := len(t.b) - tailSize; n > 0 {
		t.b = append(t.b[:0], t.b[n:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}
