package isolate

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/sys"
)

// A run's time is that of the machine's clock, not of the injected one: it bounds work, not waiting.

func (i *Isolate) begin() { i.began = time.Now() }

// spend is called by the guest's loops now and then.
func (i *Isolate) spend() {
	if time.Since(i.began) > i.o.CPULimit {
		i.spent = true
		panic(errors.New("CPU limit"))
	}
}

// cause says why the guest ended, in Go's own words where there are any.
func (i *Isolate) cause(err error) error {
	if i.spent {
		return fmt.Errorf("exceeded its CPU limit of %v", i.o.CPULimit)
	}
	if i.killed != nil {
		return i.killed
	}
	said := i.stderr.String()
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "runtime: out of memory") {
			return errors.New(line)
		}
	}
	if code, ok := i.realm.Exited(); ok {
		return fmt.Errorf("exit code %d", code)
	}
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("exit code %d", exit.ExitCode())
	}
	text := err.Error()
	if strings.Contains(text, "stack overflow") {
		return errors.New("stack overflow")
	}
	first, _, _ := strings.Cut(text, "\n")
	return errors.New(first)
}

// tail keeps the end of what was written.
type tail struct{ b []byte }

const tailSize = 64 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if len(t.b) > tailSize {
		t.b = append(t.b[:0], t.b[len(t.b)-tailSize/2:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.b) }

// lines hands on what is written line by line.
type lines struct {
	f    func(string)
	part []byte
}

func (l *lines) Write(p []byte) (int, error) {
	for n := len(p); ; {
		at := strings.IndexByte(string(p), '\n')
		if at < 0 {
			l.part = append(l.part, p...)
			if len(l.part) > tailSize {
				l.f(string(l.part))
				l.part = l.part[:0]
			}
			return n, nil
		}
		l.f(string(append(l.part, p[:at]...)))
		l.part = l.part[:0]
		p = p[at+1:]
	}
}
