package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
	"github.com/rogpeppe/go-internal/testscript"
)

// process is the durago run of a script.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr output
	exited         chan error
	answer         *http.Response // of begin
	rest           *io.PipeWriter // of its body
	said           map[string]int // how often was asked for
	sockets        []*websocket.Conn
}

type processKey struct{}

func processOf(ts *testscript.TestScript) *process {
	w, ok := ts.Value(processKey{}).(*process)
	if !ok || w.cmd == nil {
		ts.Fatalf("nothing runs: start first")
	}
	return w
}

func (w *process) kill() {
	for _, c := range w.sockets {
		_ = c.Close()
	}
	if w.cmd != nil && w.cmd.ProcessState == nil {
		_ = w.cmd.Process.Kill()
		<-w.exited
	}
}

// output collects what a process prints, and tells when a line matches.
type output struct {
	mu    sync.Mutex
	b     bytes.Buffer
	match *regexp.Regexp
	found chan string // the first group, once
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b.Write(p)
	if o.match != nil {
		if m := o.match.FindSubmatch(o.b.Bytes()); m != nil {
			o.match = nil
			o.found <- string(m[1])
		}
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// readyLine is the end of the banner, or the line of --json in its place.
var readyLine = regexp.MustCompile(`(?:ready on |"msg":"ready","url":")(http://[^\s"]+)`)

func start(ts *testscript.TestScript, neg bool, args []string) {
	w := ts.Value(processKey{}).(*process)
	*w = process{exited: make(chan error, 1)}
	w.stdout.match, w.stdout.found = readyLine, make(chan string, 1)
	path, err := exec.LookPath("durago")
	ts.Check(err)
	w.cmd = exec.Command(path, append([]string{"run", "--port", "0"}, args...)...)
	w.cmd.Dir, w.cmd.Stdout, w.cmd.Stderr = ts.MkAbs("."), &w.stdout, &w.stderr
	w.cmd.Env = environ(ts)
	ts.Check(w.cmd.Start())
	go func() { w.exited <- w.cmd.Wait() }()
	select {
	case url := <-w.stdout.found:
		ts.Setenv("URL", url)
	case err := <-w.exited:
		w.exited <- err
		ts.Fatalf("durago run ended: %v\n%s%s", err, &w.stdout, &w.stderr)
	case <-time.After(3 * time.Minute): // with the race detector, and nothing compiled
		ts.Fatalf("durago run is not ready after three minutes\n%s%s", &w.stdout, &w.stderr)
	}
}

// environ is the script's own environment, which testscript gives to its commands alone.
func environ(ts *testscript.TestScript) []string {
	var env []string
	for _, k := range []string{"PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME", "GOCACHE", "GOMODCACHE", "GOPATH", "GOPROXY", "GOTOOLCHAIN"} {
		env = append(env, k+"="+ts.Getenv(k))
	}
	for _, k := range []string{"CLOUDFLARE_ENV", "KEY"} { // what scripts set themselves
		if v := ts.Getenv(k); v != "" {
			env = append(env, k+"="+v)
		}
	}
	return env
}

func fetch(ts *testscript.TestScript, neg bool, args []string) {
	processOf(ts)
	var body io.Reader
	header := http.Header{}
	length := int64(-1)
	for _, a := range args[2:] {
		switch {
		case strings.HasPrefix(a, "header="): // a header of so many bytes
			header.Set("X-Long", strings.Repeat("x", number(ts, a)))
		case strings.HasPrefix(a, "traceparent="):
			header.Set("Traceparent", strings.TrimPrefix(a, "traceparent="))
		case strings.HasPrefix(a, "length="): // a body that claims so many bytes and never comes
			length = int64(number(ts, a))
		default:
			body = strings.NewReader(a)
		}
	}
	if length >= 0 {
		fmt.Fprintln(ts.Stdout(), claim(ts, args[0], args[1], length))
		return
	}
	r, err := http.NewRequest(args[0], ts.Getenv("URL")+args[1], body)
	ts.Check(err)
	r.Header = header
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	ts.Check(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%d %s", resp.StatusCode, b)
}

func number(ts *testscript.TestScript, arg string) (n int) {
	_, err := fmt.Sscanf(arg[strings.Index(arg, "=")+1:], "%d", &n)
	ts.Check(err)
	return n
}

func port(ts *testscript.TestScript, neg bool, args []string) {
	processOf(ts)
	_, p, err := net.SplitHostPort(strings.TrimPrefix(ts.Getenv("URL"), "http://"))
	ts.Check(err)
	ts.Setenv("PORT", p)
}

// claim sends the head of a request alone and returns the first line of the answer and the body.
func claim(ts *testscript.TestScript, method, path string, length int64) string {
	addr := strings.TrimPrefix(ts.Getenv("URL"), "http://")
	c, err := net.Dial("tcp", addr)
	ts.Check(err)
	defer c.Close()
	_, err = fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", method, path, addr, length)
	ts.Check(err)
	ts.Check(c.SetReadDeadline(time.Now().Add(10 * time.Second)))
	b, err := io.ReadAll(c)
	ts.Check(err)
	head, body, _ := strings.Cut(string(b), "\r\n\r\n")
	status, _, _ := strings.Cut(head, "\r\n")
	return strings.TrimPrefix(status, "HTTP/1.1 ") + "\n" + body
}

// begin sends a request whose body does not end, and waits for the head of the answer.
func begin(ts *testscript.TestScript, neg bool, args []string) {
	w := processOf(ts)
	body, rest := io.Pipe()
	r, err := http.NewRequest(http.MethodPost, ts.Getenv("URL")+args[0], body)
	ts.Check(err)
	ts.Defer(func() { _ = rest.Close() })
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	ts.Check(err)
	ts.Defer(func() { _ = answer.Body.Close() })
	w.rest, w.answer = rest, answer
}

func finish(ts *testscript.TestScript, neg bool, args []string) {
	w := processOf(ts)
	_, err := io.WriteString(w.rest, args[0])
	ts.Check(err)
	ts.Check(w.rest.Close())
	defer w.answer.Body.Close()
	b, err := io.ReadAll(w.answer.Body)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%d %s", w.answer.StatusCode, b)
}

func dial(ts *testscript.TestScript, neg bool, args []string) {
	w := processOf(ts)
	c, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(ts.Getenv("URL"), "http")+args[0], nil)
	ts.Check(err)
	ts.Check(resp.Body.Close())
	w.sockets = append(w.sockets, c)
}

func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	s := map[string]os.Signal{"SIGHUP": syscall.SIGHUP, "SIGINT": syscall.SIGINT, "SIGTERM": syscall.SIGTERM}[args[0]]
	ts.Check(processOf(ts).cmd.Process.Signal(s))
}

// refused waits until the worker takes no more connections.
func refused(ts *testscript.TestScript, neg bool, args []string) {
	processOf(ts)
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); {
		c, err := net.Dial("tcp", strings.TrimPrefix(ts.Getenv("URL"), "http://"))
		if err != nil {
			return
		}
		ts.Check(c.Close())
	}
	ts.Fatalf("the worker still takes connections after 10 seconds")
}

func exited(ts *testscript.TestScript, neg bool, args []string) {
	w := processOf(ts)
	select {
	case err := <-w.exited:
		fmt.Fprint(ts.Stdout(), w.stdout.String())
		fmt.Fprint(ts.Stderr(), w.stderr.String())
		if (err != nil) != neg {
			ts.Fatalf("durago run ended: %v\n%s%s", err, &w.stdout, &w.stderr)
		}
	case <-time.After(5 * time.Second):
		ts.Fatalf("durago run does not end\n%s%s", &w.stdout, &w.stderr)
	}
}

func said(ts *testscript.TestScript, neg bool, args []string) {
	w := processOf(ts)
	if w.said == nil {
		w.said = map[string]int{}
	}
	w.said[args[0]]++
	line := regexp.MustCompile("(?m)" + args[0])
	for limit := time.Now().Add(time.Minute); len(line.FindAllString(w.stdout.String(), -1)) < w.said[args[0]]; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			ts.Fatalf("durago run does not say %s\n%s%s", args[0], &w.stdout, &w.stderr)
		}
	}
}
