package soak_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"durago.example/host"
)

// members is how many objects there are.
const members = 24

// traffic is what goes on beside each other: clients that take a step after another, and check what they see.
type traffic struct {
	h       *host.Host
	url     string
	program func(version int) []byte
	leak    string // what to leave behind, if anything

	counts [steps]atomic.Int64
	wrote  atomic.Int64 // acknowledged
	heard  atomic.Int64 // messages of sockets
	value  atomic.Int64

	mu    sync.Mutex
	acked map[string]map[string]bool // by object
	wrong []string
	lines []string   // of the log
	left  []net.Conn // that were leaked
}

// step is one of a client's. In calm times each must succeed; in a storm an error is no failure, and a wrong answer is.
type step int

const (
	stepWrite step = iota
	stepCall
	stepLend
	stepAlarm
	stepStream
	stepUpload
	stepLeave
	stepSocket
	stepConn
	stepDial
	stepEvict
	stepGrow
	stepLeak

	// storm
	stepUpdate // sockets end when their object leaves memory
	stepPanic
	stepAbort
	stepExit
	stepReplace

	steps
)

var stepNames = [steps]string{"write", "call", "lend", "alarm", "stream", "upload", "leave", "socket", "conn", "dial", "evict", "grow", "leak",
	"update", "panic", "abort", "exit", "replace"}

// weights are how often each step is taken in calm times, and those of the storm besides in one.
var weights = [steps]int{stepWrite: 30, stepCall: 15, stepLend: 5, stepAlarm: 6, stepStream: 5, stepUpload: 5, stepLeave: 6, stepSocket: 6, stepConn: 5,
	stepDial: 5, stepEvict: 8, stepPanic: 4, stepAbort: 3, stepExit: 5}

// rare are taken once in this many steps, since each takes long or has a whole isolate made anew.
var rare = map[step]int{stepGrow: 300, stepUpdate: 3000, stepReplace: 3000}

func (t *traffic) choose(rng *rand.Rand, storm bool) step {
	for s, n := range rare {
		if t.leak == "" && rng.IntN(n) == 0 && (storm || s < stepUpdate) {
			return s
		}
	}
	if t.leak != "" && rng.IntN(3) == 0 {
		return stepLeak
	}
	last := stepUpdate
	if storm {
		last = steps
	}
	total := 0
	for _, w := range weights[:last] {
		total += w
	}
	n := rng.IntN(total)
	for s, w := range weights[:last] {
		if n -= w; n < 0 {
			return step(s)
		}
	}
	return stepWrite
}

func (t *traffic) fail(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failing(format, args...)
}

// failing is fail while mu is held.
func (t *traffic) failing(format string, args ...any) {
	if len(t.wrong) < 20 {
		t.wrong = append(t.wrong, time.Now().Format("05.000 ")+fmt.Sprintf(format, args...))
	}
}

// failures are those so far.
func (t *traffic) failures() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.wrong)
}

// leaks is how often something is left behind where it is to be found: in each of two isolates more than the workers that it may keep.
const leaks = 400

// run has clients take steps for a while, or until they have left enough behind.
func (t *traffic) run(seed uint64, clients int, d time.Duration, storm bool) {
	var wg sync.WaitGroup
	end := time.Now().Add(d)
	for k := range clients {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(k)))
			for time.Now().Before(end) || t.leak != "" && t.counts[stepLeak].Load() < leaks {
				s := t.choose(rng, storm)
				err := t.take(s, rng)
				if err != nil && (!storm || errors.As(err, new(wrong)) || strings.Contains(err.Error(), databaseLocked)) {
					t.fail("%s: %v", stepNames[s], err)
				}
				t.counts[s].Add(1)
			}
		})
	}
	wg.Wait()
}

// wrong is what is a failure at any time.
type wrong string

func (w wrong) Error() string { return string(w) }

var client = &http.Client{Timeout: patience}

func (t *traffic) ask(ctx context.Context, method, path string, body io.Reader) (string, error) {
	r, err := http.NewRequestWithContext(ctx, method, t.url+path, body)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if asked := resp.Header.Get("Asked"); err == nil && resp.StatusCode == http.StatusOK && strings.Count(path, "/") > 1 && asked != path {
		t.fail("%s %s has the answer to %q: %.60q", method, path, asked, b)
	}
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %d %s", path, resp.StatusCode, bytes.TrimSpace(b))
	}
	return string(b), err
}

// keep has an object keep a new value, and remembers what was acknowledged.
func (t *traffic) keep(object, format string) error {
	v := fmt.Sprint("v", t.value.Add(1))
	if _, err := t.ask(context.Background(), http.MethodPost, fmt.Sprintf(format, v), nil); err != nil {
		return err
	}
	t.wrote.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.acked[object] == nil {
		t.acked[object] = map[string]bool{}
	}
	t.acked[object][v] = true
	return nil
}

func (t *traffic) take(s step, rng *rand.Rand) error {
	ctx := context.Background()
	a, b := fmt.Sprint("m", rng.IntN(members)), fmt.Sprint("m", rng.IntN(members))
	switch s {
	case stepWrite:
		return t.keep(a, "/write/"+a+"?v=%s")
	case stepCall:
		if a == b {
			return nil
		}
		return t.keep(b, "/call/"+a+"?to="+b+"&v=%s")
	case stepAlarm:
		return t.keep(a, fmt.Sprintf("/alarm/%s?ms=%d&v=%%s", a, rng.IntN(200)))
	case stepLend:
		n := rng.IntN(200_000)
		if a == b {
			return nil
		}
		return t.want(fmt.Sprint(6+n), "GET", fmt.Sprintf("/lend/%s?to=%s&n=%d", a, b, n), nil)
	case stepStream:
		n := rng.IntN(64)
		var all strings.Builder
		for i := range n {
			fmt.Fprintln(&all, i)
		}
		return t.want(all.String(), "GET", fmt.Sprintf("/stream/%s?n=%d", a, n), nil)
	case stepUpload:
		body := make([]byte, rng.IntN(300_000))
		for i := range body {
			body[i] = byte(i * len(body))
		}
		var r io.Reader = bytes.NewReader(body)
		if rng.IntN(2) == 0 {
			r = struct{ io.Reader }{r} // in chunks
		}
		return t.want(fmt.Sprintf("%d %08x", len(body), crc32.ChecksumIEEE(body)), "POST", "/upload/"+a, r)
	case stepLeave:
		ctx, cancel := context.WithTimeout(ctx, time.Duration(rng.IntN(20))*time.Millisecond)
		defer cancel()
		_, _ = t.ask(ctx, "GET", []string{"/sleep/" + a + "?ms=1000", "/stream/" + a + "?n=100000"}[rng.IntN(2)], nil)
		return nil
	case stepSocket:
		return t.talk("/socket/"+a, a, rng)
	case stepConn:
		return t.talk("/conn/"+a, "", rng)
	case stepDial:
		if a == b {
			return nil
		}
		kind := []string{"socket", "conn"}[rng.IntN(2)]
		return t.want("ok", "GET", fmt.Sprintf("/dial/%s?to=%s&kind=%s&n=%d", a, b, kind, 1+rng.IntN(20)), nil)
	case stepEvict:
		_, _ = t.h.Evict(ctx, "MEMBER", a) // or it is busy
		return nil
	case stepGrow:
		_, err := t.ask(ctx, "GET", "/grow/"+a+"?mb=48", nil)
		return err
	case stepUpdate:
		return t.h.Update(ctx, t.program(rng.IntN(8)), 5*time.Second)
	case stepReplace:
		return t.h.Update(ctx, t.program(rng.IntN(8)), 0)
	case stepLeak:
		return t.leave(a)
	default: // it fails on purpose
		_, _ = t.ask(ctx, "GET", fmt.Sprintf("/%s/%s?v=v%d", stepNames[s], a, t.value.Add(1)), nil)
		return nil
	}
}

// want asks and compares. Half an answer is an error; a wrong one that says that it is whole is a failure at any time.
func (t *traffic) want(want, method, path string, body io.Reader) error {
	got, err := t.ask(context.Background(), method, path, body)
	if err == nil && got != want {
		return wrong(fmt.Sprintf("%s answers %.80q, not %.80q", path, got, want))
	}
	return err
}

// talk sends numbers over a socket, and must hear them in order, each once. An object with hibernatable sockets is sent to sleep
// on the way.
func (t *traffic) talk(path, hibernates string, rng *rand.Rand) error {
	c, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(t.url, "http")+path, nil)
	if err != nil {
		if resp != nil {
			b, _ := io.ReadAll(resp.Body)
			err = fmt.Errorf("%w: %d %s", err, resp.StatusCode, b)
		}
		return err
	}
	defer c.Close()
	next := 0
	for range 1 + rng.IntN(4) {
		burst := 1 + rng.IntN(16)
		for i := range burst {
			if err := c.WriteMessage(websocket.TextMessage, fmt.Append(nil, next+i)); err != nil {
				_, _, why := c.ReadMessage()
				return fmt.Errorf("message %d to %s: %w: %w", next+i, path, err, why)
			}
		}
		for range burst {
			_ = c.SetReadDeadline(time.Now().Add(patience))
			_, b, err := c.ReadMessage()
			if err != nil {
				return fmt.Errorf("message %d: %w", next, err)
			}
			var n int
			if _, err := fmt.Sscan(string(b), &n); err != nil || n < next {
				return wrong(fmt.Sprintf("%s: %q after message %d", path, b, next-1))
			}
			if n != next { // what an isolate that died had begun
				return fmt.Errorf("message %d after %d", n, next-1)
			}
			next++
			t.heard.Add(1)
		}
		if hibernates != "" && rng.IntN(2) == 0 {
			_, _ = t.h.Hibernate(context.Background(), "MEMBER", hibernates) // or it is busy
		}
	}
	if rng.IntN(3) == 0 {
		return nil // it vanishes
	}
	_ = c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second))
	return nil
}

// leave leaves something behind that a check has to find.
func (t *traffic) leave(object string) error {
	if t.leak == "descriptor" {
		c, err := net.Dial("tcp", strings.TrimPrefix(t.url, "http://"))
		if err == nil {
			t.mu.Lock()
			t.left = append(t.left, c)
			t.mu.Unlock()
		}
		return err
	}
	if t.leak == "write" { // it says that it kept what it did not
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.acked[object] == nil {
			t.acked[object] = map[string]bool{}
		}
		t.acked[object]["lost"] = true
		return nil
	}
	_, err := t.ask(context.Background(), "GET", "/leak/"+object+"?kind="+t.leak, nil)
	return err
}

// settle waits for the alarms, compares what is kept with what was acknowledged, and takes all objects out of memory.
func (t *traffic) settle() error {
	ctx := context.Background()
	for i := range members {
		name := fmt.Sprint("m", i)
		for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			n, err := t.ask(ctx, "GET", "/due/"+name, nil)
			if err == nil && n == "0" {
				break
			}
			if time.Now().After(end) {
				return fmt.Errorf("%s: %s alarms have not run: %w", name, n, err)
			}
		}
		text, err := t.ask(ctx, "GET", "/take/"+name, nil)
		if err != nil {
			return err
		}
		t.compare(name, text)
	}
	for i := range members {
		name := fmt.Sprint("m", i)
		for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			if _, err := t.h.Evict(ctx, "MEMBER", name); err == nil {
				break
			} else if time.Now().After(end) {
				return fmt.Errorf("%s does not leave memory: %w%s", name, err, measure(t.h).left)
			}
		}
	}
	return nil
}

func (t *traffic) compare(name, text string) {
	seen := map[string]bool{}
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		switch v := s.Text(); {
		case seen[v]:
			t.fail("%s keeps %s twice", name, v)
		default:
			seen[v] = true
		}
	}
	t.mu.Lock()
	acked := t.acked[name]
	delete(t.acked, name)
	t.mu.Unlock()
	lost := make([]string, 0)
	for v := range acked {
		if !seen[v] {
			lost = append(lost, v)
		}
	}
	if slices.Sort(lost); len(lost) > 0 {
		t.fail("%s has lost %d acknowledged writes: %v", name, len(lost), lost[:min(len(lost), 10)])
	}
}
