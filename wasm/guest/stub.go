package guest

import (
	"context"
	"net/http"
	"runtime"
	"sync"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
	"durago.example/wasm/value"
)

// stub is a channel to an object, an entrypoint or a target that somebody lent.
type stub struct {
	s        *scope
	handle   uint32
	disposed bool
}

var _ driver.Stub = (*stub)(nil)

// errDisposed is the platform's.
var errDisposed = &driver.Error{Name: "Error", Message: "RPC stub used after being disposed."}

// newStub has the runtime make a stub.
func (s *scope) newStub(op abi.Op, frame []byte) (driver.Stub, error) {
	h := s.g.nextToken()
	if _, err := s.do(op, h, frame); err != nil {
		return nil, err
	}
	return s.stub(h), nil
}

// stub is a stub that the runtime has.
func (s *scope) stub(h uint32) *stub {
	t := &stub{s: s, handle: h}
	if s.class != nil { // a request's stubs end with it, long before a collection would find them
		runtime.AddCleanup(t, drop, handle{s.g, s.id, h, abi.OpStubDrop})
		s.g.tellDropped()
	}
	return t
}

// dropped is what is not used any more: the collector has found it, or it was the result of a call that was given up. The
// runtime is told with the next new one.
type dropped struct {
	mu   sync.Mutex // the collector is in nobody's turn
	list []handle
}

type handle struct {
	g       *Guest
	ctx, id uint32
	op      abi.Op // how the runtime is told
}

func drop(h handle) {
	d := &h.g.dropped
	d.mu.Lock()
	d.list = append(d.list, h)
	d.mu.Unlock()
}

func (g *Guest) tellDropped() {
	g.take()
	d := &g.dropped
	d.mu.Lock()
	list := d.list
	d.list = nil
	d.mu.Unlock()
	for _, h := range list {
		if h.ctx == g.current() {
			_, _ = g.call(h.ctx, h.op, h.id, nil, nil)
		} else if g.scopes[h.ctx] != nil {
			drop(h)
		}
	}
	g.settle()
}

func (t *stub) Call(ctx context.Context, method string, args []byte) ([]byte, error) {
	if t.disposed {
		t.s.sent(args, errDisposed)
		return nil, errDisposed
	}
	token := t.s.g.nextToken()
	p, err := t.s.begin(ctx, abi.OpStubCall, token, func() []byte {
		b := abi.AppendStr(abi.AppendU32(t.s.g.scratch(), t.handle), method)
		return append(b, args...)
	})
	t.s.sent(args, err)
	if err != nil {
		return nil, err
	}
	if !t.s.g.park(&p.done, nil, ctx.Done()) {
		t.s.withdraw(token)
		return nil, context.Cause(ctx)
	}
	return p.answer, p.err
}

func (t *stub) Fetch(ctx context.Context, r *http.Request) (*http.Response, error) {
	if t.disposed {
		return nil, errDisposed
	}
	return t.s.fetchVia(ctx, abi.OpStubFetch, r, t)
}

func (t *stub) Dup() (driver.Stub, error) {
	if t.disposed {
		return nil, errDisposed
	}
	return t.s.newStub(abi.OpStubDup, abi.AppendU32(nil, t.handle))
}

func (t *stub) Dispose() {
	if !t.disposed {
		t.disposed = true
		_, _ = t.s.do(abi.OpStubDrop, t.handle, nil)
	}
}

// abandon gives up what came in an answer that nobody waits for any more.
func (s *scope) abandon(frame []byte) {
	if len(frame) < 2 || frame[0] != 1 {
		return
	}
	places, rest, _ := value.CutLinks(frame[1:])
	for _, p := range places {
		h := value.HandleAt(rest, p)
		op := abi.OpStubDrop
		if h.Kind == abi.LinkStream {
			op = abi.OpBodyCancel
		}
		drop(handle{s.g, s.id, h.ID, op})
	}
}
