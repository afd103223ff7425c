package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"durago.example/objects"
)

// Peer is an object that others call.
type Peer struct {
	state *objects.State
	log   []string // what was disposed, read and called, in order
	kept  *objects.Target[Counter]
	later *objects.Callback[int, int]
}

// Counter is a target that counts.
type Counter struct{}

func (Counter) Methods() []objects.Declared {
	return []objects.Declared{increment, fails, another, itself}
}

var (
	increment = objects.Declare1[int, int]("increment", "by")
	fails     = objects.DeclareProc0("fails")
	another   = objects.Declare0[*objects.Target[Counter]]("another")
	itself    = objects.Declare1[*objects.Target[Counter], *objects.Target[Counter]]("itself", "other")

	counters *objects.TargetClass[Counter, count] // its methods make targets of it
)

func init() {
	counters = objects.NewTargetClass[Counter](objects.Impl1(increment, (*count).increment),
		objects.ImplProc0(fails, (*count).fails), objects.Impl0(another, (*count).another), objects.Impl1(itself, (*count).itself))
}

// count is what is behind a Counter.
type count struct {
	n    int
	tell func(text string)
}

func (c *count) increment(_ context.Context, by int) (int, error) {
	c.n += by
	return c.n, nil
}

func (c *count) fails(context.Context) error {
	return &objects.Error{Name: "RangeError", Message: "the target failed", Props: map[string]any{"code": 7}}
}

func (c *count) another(context.Context) (*objects.Target[Counter], error) {
	return counters.New(&count{n: 100, tell: c.tell}), nil
}

func (c *count) itself(_ context.Context, other *objects.Target[Counter]) (*objects.Target[Counter], error) {
	return other, nil
}

func (c *count) Dispose() {
	if c.tell != nil {
		c.tell(fmt.Sprintf("disposed at %d", c.n))
	}
}

// bundle is a value with more than data in it.
type bundle struct {
	Name    string
	Counter *objects.Target[Counter]
	Body    io.Reader
}

var (
	echo       = objects.Method1("echo", (*Peer).echo, "value")
	throw      = objects.MethodProc1("throw", (*Peer).throw, "kind")
	ofLength   = objects.Method1("ofLength", (*Peer).ofLength, "n")
	length     = objects.Method1("length", (*Peer).length, "text")
	counter    = objects.Method1("counter", (*Peer).counter, "start")
	bundled    = objects.Method1("bundled", (*Peer).bundled, "name")
	use        = objects.Method1("use", (*Peer).use, "counter")
	useAll     = objects.Method1("useAll", (*Peer).useAll, "bundle")
	apply      = objects.Method2("apply", (*Peer).apply, "f", "n")
	doubler    = objects.Method0("doubler", (*Peer).doubler)
	keep       = objects.MethodProc2("keep", (*Peer).keep, "counter", "dup")
	keepFunc   = objects.MethodProc1("keepFunc", (*Peer).keepFunc, "f")
	borrow     = objects.MethodProc1("borrow", (*Peer).borrow, "name")
	giveKept   = objects.Method0("giveKept", (*Peer).giveKept)
	useKept    = objects.Method0("useKept", (*Peer).useKept)
	useKeptF   = objects.Method0("useKeptFunc", (*Peer).useKeptFunc)
	dropKept   = objects.MethodProc0("dropKept", (*Peer).dropKept)
	stream     = objects.Method2("stream", (*Peer).stream, "text", "times")
	broken     = objects.Method0("broken", (*Peer).broken)
	endless    = objects.Method0("endless", (*Peer).endless)
	readAll    = objects.Method1("readAll", (*Peer).readAll, "body")
	readSome   = objects.Method1("readSome", (*Peer).readSome, "body")
	upper      = objects.Method1("upper", (*Peer).upper, "body")
	self       = objects.Method0("self", (*Peer).self)
	callThere  = objects.Method1("callThere", (*Peer).callThere, "stub")
	ownName    = objects.Method0("ownName", (*Peer).ownName)
	note       = objects.MethodProc1("note", (*Peer).note, "text")
	logged     = objects.Method0("logged", (*Peer).logged)
	resetSelf  = objects.MethodProc0("resetSelf", (*Peer).resetSelf)
	throughAPI = objects.MethodProc1("throughPeer", (*Peer).throughPeer, "name")
)

// peerClass remembers in born how often the constructors of objects have failed that fail the first two times.
func peerClass(born *sync.Map) *objects.Class {
	return objects.NewClass("Peer", func(s *objects.State) (*Peer, error) { return newPeer(s, born) }, echo, throw, ofLength, length, counter, bundled, use, useAll, apply, doubler, keep, keepFunc, borrow, giveKept, useKept,
		useKeptF, dropKept, stream, broken, endless, readAll, readSome, upper, self, callThere, ownName, note, logged, resetSelf, throughAPI)
}

func newPeer(state *objects.State, born *sync.Map) (*Peer, error) {
	name, _ := state.ID().Name()
	switch {
	case strings.HasSuffix(name, "/unborn"):
		return nil, &objects.Error{Name: "RangeError", Message: "the constructor said no"}
	case strings.HasSuffix(name, "/late"):
		n, _ := born.LoadOrStore(name, &atomic.Int32{})
		if times := n.(*atomic.Int32).Add(1); times <= 2 {
			return nil, fmt.Errorf("not yet: %d", times)
		}
	}
	return &Peer{state: state}, nil
}

func (p *Peer) add(text string) { p.log = append(p.log, text) }

func (p *Peer) echo(_ context.Context, v any) (any, error) { return v, nil }

func (p *Peer) throw(_ context.Context, kind string) error {
	switch kind {
	case "plain":
		return errors.New("a plain failure")
	case "wrapped":
		return fmt.Errorf("around: %w", &objects.Error{Name: "TypeError", Message: "inside"})
	case "props":
		return &objects.Error{Name: "MyError", Message: "mine", Props: map[string]any{"code": 42, "data": map[string]any{"a": []any{1, "x"}}}}
	case "cause":
		return &objects.Error{Name: "Error", Message: "outer", Props: map[string]any{"cause": map[string]any{"why": "inner"}}}
	case "flags":
		return &objects.Error{Name: "Error", Message: "flagged", Retryable: true, Overloaded: true}
	case "reset":
		return &objects.Error{Name: "Error", Message: "flagged as a reset", Reset: true}
	case "panic":
		panic("a panic in a method")
	}
	return &objects.Error{Name: kind, Message: "of a class"}
}

func (p *Peer) ofLength(_ context.Context, n int) (string, error) { return strings.Repeat("x", n), nil }

func (p *Peer) length(_ context.Context, text string) (int, error) { return len(text), nil }

func (p *Peer) counter(_ context.Context, start int) (*objects.Target[Counter], error) {
	return counters.New(&count{n: start, tell: p.add}), nil
}

func (p *Peer) bundled(_ context.Context, name string) (bundle, error) {
	return bundle{name, counters.New(&count{n: 1, tell: p.add}), strings.NewReader("the body of " + name)}, nil
}

func (p *Peer) use(ctx context.Context, c *objects.Target[Counter]) (int, error) {
	if _, err := increment.Call(ctx, c, 1); err != nil {
		return 0, err
	}
	return increment.Call(ctx, c, 10)
}

func (p *Peer) useAll(ctx context.Context, b bundle) (string, error) {
	n, err := increment.Call(ctx, b.Counter, 5)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(b.Body)
	return fmt.Sprintf("%s %d %s", b.Name, n, text), err
}

func (p *Peer) apply(ctx context.Context, f *objects.Callback[int, int], n int) (int, error) {
	n, err := f.Call(ctx, n)
	if err != nil {
		return 0, err
	}
	return f.Call(ctx, n)
}

func (p *Peer) doubler(context.Context) (*objects.Callback[int, int], error) {
	return objects.NewCallback(func(_ context.Context, n int) (int, error) { return 2 * n, nil }), nil
}

func (p *Peer) keep(_ context.Context, c *objects.Target[Counter], dup bool) (err error) {
	if p.kept = c; dup {
		p.kept, err = c.Dup()
	}
	return err
}

func (p *Peer) keepFunc(_ context.Context, f *objects.Callback[int, int]) (err error) {
	p.later, err = f.Dup()
	return err
}

// borrow keeps a counter of another object.
func (p *Peer) borrow(ctx context.Context, name string) (err error) {
	p.kept, err = counter.Call(ctx, objects.NamespaceOf(ctx, "PEER").GetByName(name), 0)
	return err
}

func (p *Peer) giveKept(context.Context) (*objects.Target[Counter], error) { return p.kept, nil }

func (p *Peer) useKept(ctx context.Context) (int, error) { return increment.Call(ctx, p.kept, 1) }

func (p *Peer) useKeptFunc(ctx context.Context) (int, error) { return p.later.Call(ctx, 1) }

func (p *Peer) dropKept(context.Context) error {
	p.kept.Dispose()
	return nil
}

func (p *Peer) stream(_ context.Context, text string, times int) (io.Reader, error) {
	var parts []io.Reader
	for range times {
		parts = append(parts, strings.NewReader(text))
	}
	return io.MultiReader(parts...), nil
}

// failing is a stream that breaks after its first part.
type failing struct{ n int }

func (f *failing) Read(b []byte) (int, error) {
	if f.n++; f.n > 1 {
		return 0, errors.New("the stream broke")
	}
	return copy(b, "part"), nil
}

func (p *Peer) broken(context.Context) (io.Reader, error) { return &failing{}, nil }

// forever is a stream without an end, which tells of its own.
type forever struct{ tell func(string) }

func (f forever) Read(b []byte) (int, error) { return copy(b, "more "), nil }

func (f forever) Close() error {
	f.tell("the stream was closed")
	return nil
}

func (p *Peer) endless(context.Context) (io.ReadCloser, error) { return forever{p.add}, nil }

func (p *Peer) readAll(_ context.Context, r io.Reader) (string, error) {
	b, err := io.ReadAll(r)
	return string(b), err
}

func (p *Peer) readSome(_ context.Context, r io.ReadCloser) (string, error) {
	b := make([]byte, 8)
	_, err := io.ReadFull(r, b)
	return string(b), errors.Join(err, r.Close())
}

// upper is a stream that is read after the method has returned.
func (p *Peer) upper(_ context.Context, r io.Reader) (io.Reader, error) { return capital{r}, nil }

type capital struct{ r io.Reader }

func (c capital) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	copy(b, bytes.ToUpper(b[:n]))
	return n, err
}

func (p *Peer) self(ctx context.Context) (*objects.Stub, error) {
	return objects.NamespaceOf(ctx, "PEER").Get(p.state.ID()), nil
}

func (p *Peer) callThere(ctx context.Context, s *objects.Stub) (string, error) {
	return ownName.Call(ctx, s)
}

func (p *Peer) ownName(context.Context) (string, error) {
	name, ok := p.state.ID().Name()
	if len(name) > 100 {
		name = fmt.Sprint(len(name), " bytes")
	}
	return fmt.Sprintf("%s %v", name, ok), nil
}

func (p *Peer) note(_ context.Context, text string) error {
	p.add(text)
	return nil
}

func (p *Peer) logged(context.Context) (string, error) { return strings.Join(p.log, ", "), nil }

func (p *Peer) resetSelf(context.Context) error {
	p.state.Abort(errors.New("reset on purpose"))
	return nil
}

// throughPeer passes on the failure of another object.
func (p *Peer) throughPeer(ctx context.Context, name string) error {
	return throw.Call(ctx, objects.NamespaceOf(ctx, "PEER").GetByName(name), "props")
}

// ServeHTTP answers what it was asked, or waits until nobody waits for it.
func (p *Peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/wait":
		p.add("waits")
		select {
		case <-r.Context().Done():
			p.add("was cancelled")
		case <-time.After(5 * time.Second):
			p.add("was not cancelled")
		}
	case "/panic":
		panic("a panic in a handler")
	case "/exit":
		os.Exit(3)
	}
	b, _ := io.ReadAll(r.Body)
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, "%s %s %s", r.Method, r.URL, b)
}

// Entry is a named entrypoint.
type Entry struct{ made string }

type props struct{ Role string }

var (
	role    = objects.Method0("role", (*Entry).role)
	enter   = objects.Method1("counter", (*Entry).counter, "start")
	each    = objects.Method1("apply", (*Entry).apply, "f")
	lines   = objects.Method1("lines", (*Entry).lines, "n")
	refused = objects.MethodProc0("refused", (*Entry).refused)
	entry   = objects.NewService("Entry", newEntry, role, enter, each, lines, refused)
)

func newEntry(ctx context.Context) (*Entry, error) {
	var p props
	ok, err := objects.Props(ctx, &p)
	return &Entry{made: fmt.Sprintf("%v %s", ok, p.Role)}, err
}

func (e *Entry) role(context.Context) (string, error) { return e.made, nil }

func (e *Entry) counter(_ context.Context, start int) (*objects.Target[Counter], error) {
	return counters.New(&count{n: start}), nil
}

func (e *Entry) apply(ctx context.Context, f *objects.Callback[int, int]) (int, error) {
	return f.Call(ctx, 4)
}

func (e *Entry) lines(_ context.Context, n int) (io.Reader, error) {
	return strings.NewReader(strings.Repeat("line\n", n)), nil
}

func (e *Entry) refused(context.Context) error {
	return &objects.Error{Name: "TypeError", Message: "the entrypoint refused"}
}

func (e *Entry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "entry %s %s", e.made, r.URL.Path)
}
