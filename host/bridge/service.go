package bridge

import (
	"fmt"
	"net/http"

	"durago.example/host/durable"
	"durago.example/wasm/abi"
)

// Service is what a service binding names: an entrypoint.
type Service struct {
	Guests     func() (*Guests, error) // of another worker, at the time; nil is this one
	Entrypoint string                  // empty for the default one, which answers requests only
	Props      []byte                  // a value, or empty
	Handler    http.Handler            // of this process; if it is set it answers, and nobody else is asked
}

// serviceStub calls an entrypoint, on the caller's loop or on one of another worker. Each event has a scope of its own.
type serviceStub struct {
	g *Guests
	Service
}

// maxDepth is how many services one request may go through, one calling the next, as on Cloudflare; objects in between do not
// count, and pass on what the latest of their events came with. See
// https://developers.cloudflare.com/workers/runtime-apis/bindings/service-bindings/.
const maxDepth = 32

var errDepth = &durable.Error{Name: "Error", Message: "Subrequest depth limit exceeded. This request recursed through Workers too many times. This can happen e.g. if you have a Worker or Durable Object that calls other Workers or objects recursively."}

func (b *Bridge) service(binding string) (stub, error) {
	v, ok := b.o.Services[binding]
	if !ok {
		return nil, fmt.Errorf("no service is bound as %s: add it to services", binding)
	}
	return &serviceStub{b.guests, v}, nil
}

func (t *serviceStub) guests() (*Guests, error) {
	if t.Guests != nil {
		return t.Guests()
	}
	return t.g, nil
}

func (t *serviceStub) dup() stub { return t }

func (t *serviceStub) drop() {}

func (t *serviceStub) send(s *scope, payload any, done func(any, error)) sent {
	if t.Handler != nil {
		return t.handle(s, payload, done)
	}
	g, err := t.guests()
	if err != nil {
		done(nil, err)
		return sent{}
	}
	if s.depth >= maxDepth {
		done(nil, errDepth)
		return sent{}
	}
	var to *scope
	depth := s.depth + 1
	s.output(func(err error) {
		if err == nil {
			err = g.Do(func() { t.begin(g, &to, depth, payload, done) })
		}
		if err != nil {
			done(nil, err)
		}
	})
	return sent{end: func() {
		_ = g.Do(func() {
			if to != nil {
				to.end(errClientGone)
			}
		})
	}}
}

// begin makes the scope that a call is delivered to.
func (t *serviceStub) begin(g *Guests, to **scope, depth int, payload any, done func(any, error)) {
	s, err := g.context()
	if err != nil {
		done(nil, err)
		return
	}
	*to, s.depth = s, depth
	t.deliver(s, payload, func(v any, err error) { done(v, remote(err, "")) })
}

// deliver sends the event of a scope that was made for it.
func (t *serviceStub) deliver(to *scope, payload any, done func(any, error)) {
	b := to.b
	q, _ := payload.(*Request)
	call, rpc := payload.(Call)
	if t.Entrypoint == "" {
		if rpc {
			delete(b.scopes, to.id)
			done(nil, typeError(fmt.Sprintf("The RPC receiver does not implement the method %q.", call.Method)))
			return
		}
		b.send(to, abi.EventFetch, to.requestFrame(nil, q), q, done)
		return
	}
	f := abi.AppendBool(abi.AppendStr(abi.AppendStr(nil, t.Entrypoint), t.Props), rpc)
	if !rpc {
		b.send(to, abi.EventService, to.requestFrame(f, q), q, done)
		return
	}
	to.service = true
	landed, err := to.land(call.Args, call.links)
	if err != nil {
		delete(b.scopes, to.id)
		done(nil, err)
		return
	}
	e := b.expect(to, abi.EventService, nil, done)
	e.landed = landed
	b.post(to, abi.EventService, e.id, append(abi.AppendStr(f, call.Method), call.Args...))
}
