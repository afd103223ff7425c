package bridge

import (
	"errors"
	"fmt"

	"durago.example/host/durable"
	"durago.example/host/storage/v8"
	"durago.example/wasm/abi"
	"durago.example/wasm/value"
)

// Call is the payload of an RPC.
type Call struct {
	Method string
	Args   []byte   // a value: an array
	links  *freight // what the arguments lend, or nil
	depth  int      // services that the call came through
}

// Linked is the result of a call that is more than data.
type Linked struct {
	Value []byte
	links *freight
}

// Drop gives up what the result has lent.
func (l *Linked) Drop() { l.links.drop() }

// reservedMethods are those that nobody may call. See
// https://developers.cloudflare.com/workers/runtime-apis/rpc/reserved-methods/.
var reservedMethods = map[string]bool{"fetch": true, "connect": true, "alarm": true, "webSocketMessage": true, "webSocketClose": true,
	"webSocketError": true, "dup": true, "constructor": true}

var (
	errDisposed = &durable.Error{Name: "Error", Message: "RPC stub used after being disposed."}
	errHostGone = &durable.Error{Name: "Error", Message: "The execution context which hosts this callback is no longer running."}
)

// maxRPC bounds arguments and results, in bytes as V8 writes them.
const maxRPC = 32 << 20

// tooLarge is the error of a value that is too large to cross, or nil.
func tooLarge(v []byte) *durable.Error {
	n := len(v)
	if 5*n+16 <= maxRPC {
		return nil
	}
	if _, rest, err := value.CutLinks(v); err == nil {
		v = rest
	}
	if stored, err := v8.Encode(nil, v); err == nil {
		n = len(stored)
	}
	if n <= maxRPC {
		return nil
	}
	return &durable.Error{Name: "Error", Message: fmt.Sprintf(
		"Serialized RPC arguments or return values are limited to 32MiB, but the size of this value was: %d bytes.", n)}
}

// remote is an error of the other side of a stub as the caller sees it; id is the object's that is on that side, or empty.
// An error that came from further away names the last one.
func remote(err error, id string) error {
	var e *durable.Error
	if !errors.As(err, &e) {
		return err
	}
	c := *e
	c.Remote = true
	c.ObjectID = id
	return &c
}

// stubCall calls a method of what t is a stub of.
func (s *scope) stubCall(t stub, token uint32, method string, args []byte) error {
	args = append([]byte(nil), args...)
	if err := tooLarge(args); err != nil {
		return err
	}
	f, err := s.lift(args, false)
	if err != nil {
		return err
	}
	done := func(v any, err error) {
		f.drop() // unless it has landed
		switch v := v.(type) {
		case *Linked:
			_ = s.b.Do(func() { s.completeLinked(token, v) })
		case []byte:
			s.later(token, v, err)
		default:
			s.later(token, nil, err)
		}
	}
	if _, target := t.(*targetStub); !target && reservedMethods[method] {
		id := ""
		if o, ok := t.(*objectStub); ok && !o.passed {
			id = o.id
		}
		done(nil, remote(typeError("'"+method+"' is a reserved method and cannot be called over RPC."), id))
		return nil
	}
	t.send(s, Call{method, args, f, s.depth}, done)
	return nil
}

// completeLinked completes a call whose result is more than data.
func (s *scope) completeLinked(token uint32, l *Linked) {
	if !s.here() {
		l.Drop()
		return
	}
	_, err := s.land(l.Value, l.links)
	s.complete(token, l.Value, err)
}

// call gives a method's call to the guest, to run with those before it. head is what precedes it in the frame.
func (b *Bridge) call(s *scope, kind abi.Event, head []byte, p Call, source *durable.Event) {
	landed, err := s.land(p.Args, p.links)
	if err != nil {
		source.Done(nil, err)
		return
	}
	f := append(make([]byte, 0, len(head)+4+len(p.Method)+len(p.Args)), head...)
	b.gather(s, kind, append(abi.AppendStr(f, p.Method), p.Args...), nil, source).landed = landed
}

// returned takes the result of a call: bytes, or a *Linked.
func (s *scope) returned(frame []byte) (any, error) {
	frame = append([]byte(nil), frame...)
	if err := tooLarge(frame); err != nil {
		s.discard(frame)
		return nil, err
	}
	f, err := s.lift(frame, true)
	if err != nil {
		return nil, err
	}
	if f == nil {
		return frame, nil
	}
	return &Linked{frame, f}, nil
}

// discard gives up what a result lends that nobody waits for.
func (s *scope) discard(frame []byte) {
	if f, err := s.lift(frame, true); err == nil {
		f.drop()
	}
}
