// Package scenario is the guest of the runtime tests: an object whose routes do what can go wrong, on purpose.
package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"durago.example/objects"
)

// Program is what the guest exports.
func Program() objects.Program {
	return objects.Program{
		Classes: []*objects.Class{class, brokenClass},
		Fetch:   http.HandlerFunc(front),
	}
}

// version is what a test changes in the compiled program to have another one.
const version = "version one"

// Home is the object.
type Home struct {
	state *objects.State
	sql   *objects.SQL
	calls atomic.Int32

	flooded atomic.Int32 // bytes that flood has written
	waiting atomic.Int32 // requests that wait for their client to go away
	litter  []byte

	silent bool     // closes are not answered
	closes []string // what was seen of closes
}

var echo = objects.Method1("echo", (*Home).echo, "value")
var add = objects.Method2("add", (*Home).add, "a", "b")
var fail = objects.MethodProc1("fail", (*Home).fail, "kind")
var count = objects.Method0("count", (*Home).count)
var class = objects.NewClass("Home", newHome, echo, add, fail, count)

func newHome(state *objects.State) (*Home, error) {
	h := &Home{state: state, sql: state.Storage().SQL()}
	_, err := h.sql.Exec(`CREATE TABLE IF NOT EXISTS c (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)`)
	return h, err
}

func (h *Home) echo(_ context.Context, v any) (any, error) { return v, nil }

func (h *Home) add(_ context.Context, a, b int) (int, error) { return a + b, nil }

func (h *Home) count(context.Context) (int, error) { return h.increment() }

func (h *Home) fail(_ context.Context, kind string) error {
	switch kind {
	case "type":
		return &objects.Error{Name: "TypeError", Message: "wrong type", Props: map[string]any{"code": 42}}
	case "panic":
		panic("rpc panic")
	case "never":
		select {}
	case "abort":
		if _, err := h.increment(); err != nil {
			return err
		}
		h.state.Abort(errors.New("aborted on purpose"))
		return nil
	}
	return errors.New("plain failure")
}

func (h *Home) deep(ctx context.Context, n int) error {
	if n == 0 {
		return nil
	}
	return h.state.BlockConcurrencyWhile(ctx, func(ctx context.Context) error { return h.deep(ctx, n-1) })
}

func (h *Home) increment() (int, error) {
	return objects.One[int](h.sql, `INSERT INTO c VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = n + 1 RETURNING n`)
}

// together has goroutines of one event use the object at one time, while the collector runs as often as it can.
func (h *Home) together(w io.Writer, first int) error {
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	var all sync.WaitGroup
	failed := make([]error, 6)
	for i := range failed {
		all.Go(func() { failed[i] = h.alone(first + i) })
	}
	all.Wait()
	fmt.Fprint(w, "done")
	return errors.Join(failed...)
}

// alone stores and reads what nobody else does, in many pieces.
func (h *Home) alone(i int) error {
	kv := h.state.Storage().KV()
	for n := range 300 {
		text := strings.Repeat(fmt.Sprintf("%d-%d ", i, n), 10+n)
		got, err := objects.One[string](h.sql, `SELECT ? || ''`, text)
		if err == nil && got != text {
			err = fmt.Errorf("goroutine %d, statement %d: got %.40q", i, n, got)
		}
		key := objects.NewKey[string](fmt.Sprintf("k%d", i))
		if err == nil {
			err = key.Put(kv, text)
		}
		if err == nil {
			if got, _, err = key.Get(kv); err == nil && got != text {
				err = fmt.Errorf("goroutine %d, value %d: got %.40q", i, n, got)
			}
		}
		if err == nil {
			var size int
			if size, err = objects.One[int](h.sql, fmt.Sprintf(`SELECT length(?) + %d`, 1000*i+n), text); err == nil && size != len(text)+1000*i+n {
				err = fmt.Errorf("goroutine %d, statement %d: got another's answer, %d", i, n, size)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (h *Home) read() (int, error) {
	n, err := objects.One[int](h.sql, `SELECT n FROM c`)
	if errors.Is(err, objects.ErrNoRow) {
		return 0, nil
	}
	return n, err
}

// Alarm counts by a hundred.
func (h *Home) Alarm(ctx context.Context, info objects.AlarmInfo) error {
	_, err := h.sql.Exec(`INSERT INTO c VALUES (1, 100) ON CONFLICT (id) DO UPDATE SET n = n + 100`)
	if err == nil && info.RetryCount == 0 {
		if n, _ := h.read(); n%2 == 1 {
			return errors.New("odd: try again")
		}
	}
	return err
}

// WebSocketMessage answers.
func (h *Home) WebSocketMessage(ctx context.Context, ws *objects.WebSocket, m objects.Message) error {
	h.calls.Add(1)
	switch s := string(m.Data); {
	case s == "panic":
		panic("socket panic")
	case s == "exit":
		os.Exit(3)
	case s == "silent": // and does not answer a close
		h.silent = true
	case s == "count":
		n, err := h.increment()
		return errors.Join(err, ws.Send(objects.Text(strconv.Itoa(n))))
	case s == "abort":
		_, err := h.increment()
		h.state.Abort(errors.New("aborted by a socket"))
		return err
	case s == "close":
		return ws.Close(0, "")
	case strings.HasPrefix(s, "close "):
		if err := ws.Close(4001, s[6:]); err != nil {
			return err
		}
		h.closes = append(h.closes, fmt.Sprintf("send: %v", ws.Send(objects.Text("too late"))))
		return ws.Close(4002, "again")
	case strings.HasPrefix(s, "sleep "):
		ms, _ := strconv.Atoi(s[6:])
		time.Sleep(time.Duration(ms) * time.Millisecond)
	case strings.HasPrefix(s, "compute "):
		ms, _ := strconv.Atoi(s[8:])
		compute(ms)
	case strings.HasPrefix(s, "attach "):
		n, _ := strconv.Atoi(s[7:])
		return attach(ws, n)
	case s == "block":
		if err := h.state.BlockConcurrencyWhile(ctx, func(context.Context) error {
			time.Sleep(20 * time.Millisecond)
			return nil
		}); err != nil {
			return err
		}
	case s == "all":
		list, err := h.state.WebSockets()
		if err != nil {
			return err
		}
		return h.state.Broadcast(list, objects.Text("to all"))
	}
	var seen int
	if _, err := ws.Attachment(&seen); err != nil {
		return err
	}
	seen++
	if err := ws.SetAttachment(seen); err != nil {
		return err
	}
	return ws.Send(objects.Text(fmt.Sprintf("%s seen=%d calls=%d", m.Data, seen, h.calls.Load())))
}

// WebSocketClose ends the handshake.
func (h *Home) WebSocketClose(_ context.Context, ws *objects.WebSocket, c objects.CloseInfo) error {
	state, err := ws.ReadyState()
	if err != nil {
		return err
	}
	list, err := h.state.WebSockets()
	if err != nil {
		return err
	}
	h.closes = append(h.closes, fmt.Sprintf("%d %q clean=%v state=%d of %d", c.Code, c.Reason, c.Clean, state, len(list)))
	if h.silent {
		return nil
	}
	if c.Code == 4004 {
		if err := ws.Send(objects.Text("last words")); err != nil {
			return err
		}
	}
	if c.Code == 1005 || c.Code == 1006 {
		return ws.Close(1000, "")
	}
	return ws.Close(c.Code, c.Reason)
}

var (
	hub    = make(chan string) // crosses objects on purpose
	shared sync.Mutex
	peek   = objects.NewKey[map[string]any]("peek")
)

func number(r *http.Request, name string) int {
	n, _ := strconv.Atoi(r.URL.Query().Get(name))
	return n
}

func pause(ms int) { time.Sleep(time.Duration(ms) * time.Millisecond) }

func compute(ms int) {
	for end := time.Now().Add(time.Duration(ms) * time.Millisecond); time.Now().Before(end); {
	}
}

// ServeHTTP does what the first part of the path says.
func (h *Home) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.calls.Add(1)
	verb, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if err := h.do(verb, w, r); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (h *Home) do(verb string, w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	switch verb {
	case "touch":
		fmt.Fprintf(w, `{"calls":%d}`, h.calls.Load())
	case "version":
		fmt.Fprint(w, version)
	case "count":
		n, err := h.increment()
		fmt.Fprintf(w, "%d", n)
		return err
	case "n":
		n, err := h.read()
		fmt.Fprintf(w, "%d", n)
		return err
	case "sleep":
		pause(number(r, "ms"))
		n, err := h.increment()
		fmt.Fprintf(w, "%d", n)
		return err
	case "waiting":
		fmt.Fprint(w, h.waiting.Load())
	case "sleepctx":
		h.waiting.Add(1)
		defer h.waiting.Add(-1)
		select {
		case <-time.After(time.Duration(number(r, "ms")) * time.Millisecond):
		case <-ctx.Done():
		}
		n, err := h.increment()
		fmt.Fprintf(w, "%d", n)
		return err
	case "mix":
		return h.mix(w, r)
	case "spin":
		for i := 0; ; i++ {
			if i < 0 {
				break
			}
		}
	case "compute": // without a pause, for so long; after one, if that is asked for
		pause(number(r, "after"))
		compute(number(r, "ms"))
		fmt.Fprint(w, "computed")
	case "later":
		ms := number(r, "ms")
		h.state.Go(func(context.Context) {
			pause(ms)
			_, _ = h.increment()
		})
		fmt.Fprint(w, "started")
	case "together":
		return h.together(w, number(r, "n"))
	case "litter": // after a megabyte, how often the heap was collected, and how often so within a turn
		for range 1024 {
			h.litter = make([]byte, 1<<10)
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Fprint(w, m.NumGC, m.NumGC-m.NumForcedGC)
	case "gopanic":
		h.state.Go(func(context.Context) { panic("contained") })
		fmt.Fprint(w, "started")
	case "barepanic":
		go panic("bare goroutine")
		pause(50)
	case "panic":
		if _, err := h.increment(); err != nil {
			return err
		}
		panic("handler panic")
	case "exit":
		if r.URL.Query().Has("write") {
			if _, err := h.increment(); err != nil {
				return err
			}
		}
		os.Exit(3)
	case "alloc":
		var all [][]byte
		for {
			all = append(all, make([]byte, 16<<20))
			for i := 0; i < 16<<20; i += 4096 {
				all[len(all)-1][i] = 1
			}
		}
	case "grow": // memory that the collector gets back, and the host does not
		b := make([]byte, number(r, "mb")<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		fmt.Fprint(w, len(b)>>20)
	case "recurse":
		fmt.Fprint(w, recurse(1))
	case "json":
		var v any
		err := json.NewDecoder(r.Body).Decode(&v)
		fmt.Fprintf(w, "%v", err)
	case "never":
		select {}
	case "stubborn": // it notices that its client has gone, and goes on
		h.waiting.Add(1)
		<-ctx.Done()
		h.waiting.Add(1)
		select {}
	case "forever":
		<-ctx.Done()
		return ctx.Err()
	case "ping":
		return h.ping(w, r)
	case "transaction":
		return h.transaction(w, r)
	case "block":
		err := h.state.BlockConcurrencyWhile(ctx, func(ctx context.Context) error {
			if _, err := h.increment(); err != nil {
				return err
			}
			pause(number(r, "ms"))
			_, err := h.increment()
			if r.URL.Query().Has("fail") {
				return errors.New("block failed")
			}
			return err
		})
		if err != nil {
			return err
		}
		n, err := h.read()
		fmt.Fprintf(w, "%d", n)
		return err
	case "deep": // 65 sections within each other
		return h.deep(ctx, 65)
	case "abort":
		if _, err := h.increment(); err != nil {
			return err
		}
		h.state.Abort(errors.New("aborted on purpose"))
	case "alarm":
		return h.state.Storage().SetAlarm(ctx, time.Now().Add(time.Duration(number(r, "ms"))*time.Millisecond))
	case "kv":
		kv := h.state.Storage().KV()
		if err := peek.Put(kv, map[string]any{"a": 1, "b": []any{"x", nil, true}, "t": time.UnixMilli(5)}); err != nil {
			return err
		}
		v, ok, err := peek.Get(kv)
		fmt.Fprintf(w, "%v %v", ok, v)
		return err
	case "keep", "kept", "undefined", "large", "alarmat", "remember", "remembered", "dump":
		return h.values(verb, w, r)
	case "body":
		b, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%d bytes", len(b))
		return err
	case "stream":
		for i := range number(r, "n") {
			fmt.Fprintf(w, "chunk %d\n", i)
			w.(http.Flusher).Flush()
			pause(number(r, "ms"))
		}
	case "hush": // a stream that says nothing more
		fmt.Fprint(w, "hush")
		w.(http.Flusher).Flush()
		<-ctx.Done()
	case "flood": // the object writes as fast as the client reads
		block := make([]byte, 64<<10)
		for h.flooded.Store(0); int(h.flooded.Load()) < number(r, "mb")<<20; h.flooded.Add(int32(len(block))) {
			if _, err := w.Write(block); err != nil {
				return err
			}
		}
	case "flooded":
		fmt.Fprint(w, h.flooded.Load()>>20)
	case "swallow": // it reads nothing until told
		<-hub
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%d bytes", n)
		return err
	case "tell":
		hub <- "read"
	case "out":
		return out(ctx, w, r)
	case "traced":
		h.state.Logf(ctx, "traced")
		traced(w, r)
	case "echo":
		_, err := io.Copy(w, r.Body)
		return err
	case "stay": // one if the object was made for it
		fmt.Fprint(w, h.calls.Load())
	case "work": // that the object waits for, or not
		if ms := number(r, "ms"); ms > 0 {
			h.state.WaitUntil(func(context.Context) error { pause(ms); return nil })
		} else {
			h.state.Go(func(ctx context.Context) { <-ctx.Done() })
		}
		fmt.Fprint(w, "begun")
	case "auto":
		return h.state.SetAutoResponse("ping", "pong")
	case "closes":
		fmt.Fprint(w, strings.Join(h.closes, "; "))
		h.closes = nil
	case "ws":
		_, err := h.state.AcceptWebSocket(w, r, &objects.AcceptOptions{Tags: []string{"t"}})
		return err
	case "error":
		return errors.New("an error on purpose")
	default:
		http.NotFound(w, r)
	}
	return nil
}

// traced answers with the headers of a trace, as they came.
func traced(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%q %q", r.Header["Traceparent"], r.Header["Tracestate"])
}

// out sends a request to the network and passes the answer on.
func out(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	q, err := http.NewRequestWithContext(ctx, r.Method, r.URL.Query().Get("url"), r.Body)
	if err != nil {
		return err
	}
	q.Header.Set("X-From", "durago")
	resp, err := objects.Fetch(ctx, q)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	w.Header().Set("X-Seen", resp.Header.Get("X-Seen"))
	w.WriteHeader(resp.StatusCode)
	_, err = io.Copy(w, resp.Body)
	return err
}

// ball crosses objects and requests: whoever waits for it is woken by another's event.
var ball = [2]chan int{make(chan int), make(chan int)}

// ping plays n rounds against the other side, and does what check does after each wake.
func ping(ctx context.Context, side, n int, check func(i int) error) error {
	mine, other := ball[side], ball[1-side]
	for i := range n {
		if side == 0 || i > 0 {
			select {
			case other <- i:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		select {
		case <-mine:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := check(i); err != nil {
			return fmt.Errorf("wake %d: %w", i, err)
		}
	}
	if side == 1 {
		other <- n
	}
	return nil
}

// ping checks the real context with a query of the object's own database, which no other context may use.
func (h *Home) ping(w http.ResponseWriter, r *http.Request) error {
	n := number(r, "n")
	err := ping(r.Context(), number(r, "side"), n, func(int) error {
		_, err := h.read()
		return err
	})
	fmt.Fprintf(w, "%d wakes", n)
	return err
}

func recurse(n int) int {
	var a [64]int
	a[n%64] = n
	return recurse(n+1) + a[3]
}

func (h *Home) transaction(w http.ResponseWriter, r *http.Request) error {
	mode := r.URL.Query().Get("mode")
	body := func() error {
		if _, err := h.increment(); err != nil {
			return err
		}
		switch mode {
		case "fail":
			return errors.New("undo")
		case "park":
			pause(1000)
		case "wait":
			return h.state.Storage().Sync(r.Context())
		}
		return nil
	}
	var err error
	if r.URL.Query().Has("async") {
		err = h.state.Storage().Transaction(r.Context(), func(context.Context, *objects.Tx) error { return body() })
	} else {
		err = h.state.Storage().TransactionSync(body)
	}
	n, rerr := h.read()
	fmt.Fprintf(w, "n=%d err=%v", n, err)
	return rerr
}

// mix waits in every way there is, and uses its database after each.
func (h *Home) mix(w http.ResponseWriter, r *http.Request) error {
	rnd := rand.New(rand.NewPCG(uint64(number(r, "seed")), 1))
	peers := objects.NamespaceOf(r.Context(), "HOME")
	for range number(r, "steps") {
		switch rnd.IntN(5) {
		case 0, 1:
			pause(rnd.IntN(25))
		case 2:
			if _, err := count.Call(r.Context(), peers.GetByName("m"+strconv.Itoa(rnd.IntN(number(r, "objects"))))); err != nil {
				return fmt.Errorf("peer: %w", err)
			}
		case 3:
			select {
			case hub <- "x":
			case <-hub:
			case <-time.After(time.Duration(rnd.IntN(10)) * time.Millisecond):
			}
		case 4:
			shared.Lock()
			pause(1)
			shared.Unlock()
		}
		if _, err := h.increment(); err != nil {
			return fmt.Errorf("own database: %w", err)
		}
	}
	fmt.Fprint(w, "ok")
	return nil
}

// frontMix is mix for a request: what it checks its context with is a call of its own stub.
func frontMix(w http.ResponseWriter, r *http.Request, stub *objects.Stub) error {
	rnd := rand.New(rand.NewPCG(uint64(number(r, "seed")), 2))
	for range number(r, "steps") {
		switch rnd.IntN(3) {
		case 0:
			pause(rnd.IntN(25))
		case 1:
			select {
			case hub <- "x":
			case <-hub:
			case <-time.After(time.Duration(rnd.IntN(10)) * time.Millisecond):
			}
		case 2:
			shared.Lock()
			pause(1)
			shared.Unlock()
		}
		if _, err := count.Call(r.Context(), stub); err != nil {
			return fmt.Errorf("own stub: %w", err)
		}
	}
	fmt.Fprint(w, "ok")
	return nil
}

// front answers /front/… itself and sends the rest to the object that the second part of the path names.
func front(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/")
	if len(parts) < 3 {
		fmt.Fprintln(w, "ok")
		return
	}
	ctx := r.Context()
	ns := objects.NamespaceOf(ctx, "HOME")
	if parts[1] == "broken" {
		ns = objects.NamespaceOf(ctx, "BROKEN")
	}
	stub := ns.GetByName(parts[2])
	var err error
	switch parts[1] {
	case "again": // the object breaks again and again; what its stubs say
		err = again(ctx, w, ns, parts[2], number(r, "n"))
	case "fsleep":
		select {
		case <-time.After(time.Duration(number(r, "ms")) * time.Millisecond):
		case <-ctx.Done():
		}
		var n int
		n, err = count.Call(ctx, stub)
		fmt.Fprintf(w, "%d", n)
	case "fping": // a stub is good in its own request only
		n := number(r, "n")
		err = ping(ctx, number(r, "side"), n, func(i int) error {
			if i%100 != 0 {
				return nil
			}
			_, err := add.Call(ctx, stub, i, 1)
			return err
		})
		fmt.Fprintf(w, "%d wakes", n)
	case "fout":
		err = out(ctx, w, r)
	case "ftraced":
		traced(w, r)
	case "fmix":
		err = frontMix(w, r, stub)
	case "goroutines":
		runtime.GC()
		fmt.Fprint(w, runtime.NumGoroutine())
	case "rpc":
		var n int
		n, err = add.Call(ctx, stub, 2, 3)
		fmt.Fprintf(w, "%d", n)
	case "calls": // one after the other, until one fails
		for i := range number(r, "n") {
			if _, err = count.Call(ctx, stub); err != nil {
				fmt.Fprintf(w, "%d calls, then %v", i, err)
				return
			}
		}
		fmt.Fprintf(w, "%d calls", number(r, "n"))
	case "fetches": // at a time
		var wg sync.WaitGroup
		for range number(r, "n") {
			wg.Go(func() {
				q, _ := http.NewRequestWithContext(ctx, http.MethodGet, r.URL.Query().Get("url"), nil)
				if resp, err := objects.Fetch(ctx, q); err == nil {
					_ = resp.Body.Close()
				}
			})
		}
		wg.Wait()
		fmt.Fprint(w, "done")
	case "rpcfail":
		err = fail.Call(ctx, stub, r.URL.Query().Get("kind"))
		var e *objects.Error
		if errors.As(err, &e) {
			fmt.Fprintf(w, "%s|%s|remote=%v|reset=%v|props=%v", e.Name, e.Message, e.Remote, e.Reset, e.Props)
			err = nil
		}
	case "rpcwrong":
		var n int
		err = stub.Call(ctx, &n, "add", "two", 3)
		fmt.Fprintf(w, "%v", err)
		err = nil
	case "ffetch":
		q, _ := http.NewRequestWithContext(ctx, r.Method, "http://object"+r.URL.Query().Get("path"), r.Body)
		var resp *http.Response
		if resp, err = stub.Fetch(ctx, q); err == nil {
			w.WriteHeader(resp.StatusCode)
			_, err = io.Copy(w, resp.Body)
		}
	default:
		err = stub.Forward(w, r)
	}
	if err != nil {
		http.Error(w, "front: "+err.Error(), http.StatusBadGateway)
	}
}
