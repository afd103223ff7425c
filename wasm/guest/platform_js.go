package guest

import (
	"context"
	"net/http"
	"runtime"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
)

func (s *scope) Platform() driver.Platform { return platform{s} }

type platform struct{ s *scope }

func (p platform) Env() driver.Env { return env(p) }

func (p platform) id(op abi.Op, binding, arg string) (string, error) {
	a, err := p.s.do(op, 0, abi.AppendStr(abi.AppendStr(nil, binding), arg))
	r := abi.NewReader(a)
	return r.Str(), err
}

func (p platform) IDFromName(binding, name string) (driver.ID, error) {
	hex, err := p.id(abi.OpIDFromName, binding, name)
	return driver.ID{Hex: hex, Name: name, Named: true}, err
}

func (p platform) NewUniqueID(binding, jurisdiction string) (driver.ID, error) {
	hex, err := p.id(abi.OpIDUnique, binding, jurisdiction)
	return driver.ID{Hex: hex}, err
}

func (p platform) ParseID(binding, text string) (driver.ID, error) {
	hex, err := p.id(abi.OpIDParse, binding, text)
	return driver.ID{Hex: hex}, err
}

func (p platform) Stub(binding string, id driver.ID) (driver.Stub, error) {
	t := &stub{s: p.s, handle: nextToken()}
	b := abi.AppendStr(abi.AppendStr(nil, binding), id.Hex)
	b = abi.AppendStr(abi.AppendBool(b, id.Named), id.Name)
	if _, err := p.s.do(abi.OpStub, t.handle, b); err != nil {
		return nil, err
	}
	s, h := p.s, t.handle
	if s.class == nil {
		return t, nil // a request's stubs end with it, long before a collection would find them
	}
	runtime.AddCleanup(t, func(uint32) { dropped = append(dropped, handle{s.id, h}) }, h)
	dropStubs()
	return t, nil
}

// dropped are stubs that the collector found unused; the runtime is told with the next new one.
var dropped []handle

type handle struct{ ctx, id uint32 }

func dropStubs() {
	list := dropped
	dropped = nil
	for _, h := range list {
		if h.ctx == current() {
			_, _ = call(h.ctx, abi.OpStubDrop, h.id, nil)
		} else if scopes[h.ctx] != nil {
			dropped = append(dropped, h)
		}
	}
}

func (p platform) Fetch(ctx context.Context, r *http.Request) (*http.Response, error) {
	return p.s.fetchVia(ctx, abi.OpFetch, r, nil)
}

type stub struct {
	s      *scope
	handle uint32
}

func (t *stub) Call(ctx context.Context, method string, args []byte) ([]byte, error) {
	return t.s.await(ctx, abi.OpStubCall, func() []byte {
		b := abi.AppendStr(abi.AppendU32(scratch[:0], t.handle), method)
		return clip(append(b, args...))
	})
}

func (t *stub) Fetch(ctx context.Context, r *http.Request) (*http.Response, error) {
	return t.s.fetchVia(ctx, abi.OpStubFetch, r, t)
}

// fetchVia sends r to the network or to a stub. If ctx ends first the request is given up.
func (s *scope) fetchVia(ctx context.Context, op abi.Op, r *http.Request, t *stub) (*http.Response, error) {
	o, err := s.prepareBody(r)
	if err != nil {
		return nil, err
	}
	token := nextToken()
	p, err := s.begin(ctx, op, token, func() []byte {
		b := scratch[:0]
		if t != nil {
			b = abi.AppendU32(b, t.handle)
		}
		return clip(appendRequest(b, r, o, token))
	})
	if err != nil {
		return nil, err
	}
	if o.body != nil {
		s.Go(func(ctx context.Context) { s.pump(ctx, token, o.body) })
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		s.take(token)
		_, _ = s.do(abi.OpFetchAbort, token, nil)
		return nil, context.Cause(ctx)
	}
	if p.err != nil {
		return nil, p.err
	}
	return s.readResponse(r, p.answer)
}
