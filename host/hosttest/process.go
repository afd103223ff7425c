package hosttest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// WorkerdPath is the workerd executable that tests compare with, from the environment variable DURAGO_WORKERD; empty
// means that only the host is tested.
func WorkerdPath() string { return os.Getenv("DURAGO_WORKERD") }

// Workerd says how to start a workerd process.
type Workerd struct {
	Config  string   // the file, as durago build writes it
	Dir     string   // of the data
	Sockets []string // that take requests, each at a free port
	Flags   []string // more of the command line
	Env     []string // beside the environment of the test
}

// Process is a workerd process.
type Process struct {
	URLs   map[string]string // of its sockets
	cmd    *exec.Cmd
	exited chan struct{}

	mu  sync.Mutex
	log bytes.Buffer
}

// Serve starts a process and waits until its sockets take requests. The caller ends it.
func (o Workerd) Serve(t testing.TB) *Process {
	t.Helper()
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	events, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	p := &Process{URLs: map[string]string{}, exited: make(chan struct{})}
	args := []string{"serve", "--experimental", "--control-fd=3", "-ddo=" + o.Dir}
	for _, name := range o.Sockets {
		args = append(args, "-s"+name+"=127.0.0.1:0")
	}
	p.cmd = exec.Command(WorkerdPath(), append(append(args, o.Flags...), o.Config)...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.Env = append(os.Environ(), o.Env...)
	p.cmd.ExtraFiles = []*os.File{write}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("hosttest: workerd: %v", err)
	}
	_ = write.Close()
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	for s := bufio.NewScanner(events); len(p.URLs) < len(o.Sockets) && s.Scan(); {
		var e struct {
			Event, Socket string
			Port          int
		}
		if err := json.Unmarshal(s.Bytes(), &e); err == nil && e.Event == "listen" {
			p.URLs[e.Socket] = fmt.Sprintf("http://127.0.0.1:%d", e.Port)
		}
	}
	if len(p.URLs) < len(o.Sockets) {
		p.Stop()
		t.Fatalf("hosttest: workerd did not start:\n%s", p.Log())
	}
	return p
}

// Write keeps what workerd prints.
func (p *Process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

// Log is what workerd has printed.
func (p *Process) Log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// Signal sends the process a signal. One that has ended is left alone.
func (p *Process) Signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Stop ends the process, at once if it does not do so itself: it waits for sockets that are open.
func (p *Process) Stop() {
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(2 * time.Second):
		p.Kill()
	}
}

// Kill ends the process as a power loss does.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.exited
}
