package guest

import (
	"context"
	"net/http"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
)

func (s *scope) Platform() driver.Platform { return platform{s} }

type platform struct{ s *scope }

func (p platform) Env() driver.Env { return env(p) }

// namespace is n in frames.
func namespace(n driver.Namespace) string {
	if n.Jurisdiction == "" {
		return n.Binding
	}
	return n.Binding + "\x00" + n.Jurisdiction
}

func (p platform) id(op abi.Op, n driver.Namespace, arg string) (string, error) {
	a, err := p.s.do(op, 0, abi.AppendStr(abi.AppendStr(nil, namespace(n)), arg))
	r := abi.NewReader(a)
	return r.Str(), err
}

func (p platform) IDFromName(n driver.Namespace, name string) (driver.ID, error) {
	hex, err := p.id(abi.OpIDFromName, n, name)
	return driver.ID{Hex: hex, Name: name, Named: true}, err
}

func (p platform) NewUniqueID(n driver.Namespace, jurisdiction string) (driver.ID, error) {
	hex, err := p.id(abi.OpIDUnique, n, jurisdiction)
	return driver.ID{Hex: hex}, err
}

func (p platform) ParseID(n driver.Namespace, text string) (driver.ID, error) {
	hex, err := p.id(abi.OpIDParse, n, text)
	return driver.ID{Hex: hex}, err
}

func (p platform) Stub(n driver.Namespace, id driver.ID, locationHint string) (driver.Stub, error) {
	b := abi.AppendStr(abi.AppendStr(nil, namespace(n)), id.Hex)
	b = abi.AppendStr(abi.AppendBool(b, id.Named), id.Name)
	return p.s.newStub(abi.OpStub, abi.AppendStr(b, locationHint))
}

func (p platform) Service(binding string) (driver.Stub, error) {
	return p.s.newStub(abi.OpService, abi.AppendStr(nil, binding))
}

func (p platform) Fetch(ctx context.Context, r *http.Request) (*http.Response, error) {
	return p.s.fetchVia(ctx, abi.OpFetch, r, nil)
}

// fetchVia sends r to the network or to a stub. If ctx ends first the request is given up.
func (s *scope) fetchVia(ctx context.Context, op abi.Op, r *http.Request, t *stub) (*http.Response, error) {
	answer, err := s.request(ctx, op, r, t, 0)
	if err != nil {
		return nil, err
	}
	resp, _, err := s.readResponse(r, answer)
	return resp, err
}

// request returns the frame of a Response.
func (s *scope) request(ctx context.Context, op abi.Op, r *http.Request, t *stub, flags byte) ([]byte, error) {
	o, err := s.prepareBody(r)
	if err != nil {
		return nil, err
	}
	token := s.g.nextToken()
	p, err := s.begin(ctx, op, token, func() []byte {
		b := s.g.scratch()
		if t != nil {
			b = abi.AppendU32(b, t.handle)
		}
		return appendRequest(b, r, o, token, flags)
	})
	if err != nil {
		return nil, err
	}
	if o.body != nil {
		s.Go(func(ctx context.Context) { s.pump(ctx, token, o.body) })
	}
	if !s.g.park(&p.done, nil, ctx.Done()) && s.withdraw(token) != nil { // what has come is not given up
		_, _ = s.do(abi.OpFetchAbort, token, nil)
		return nil, context.Cause(ctx)
	}
	return p.answer, p.err
}
