package bridge

import (
	"fmt"
	"sync/atomic"

	"durago.example/host/durable"
	"durago.example/wasm/abi"
	"durago.example/wasm/value"
)

// capability is something of a scope that others may call: a target or a callback of the guest. It is counted: when the
// last stub has been dropped the guest is told. Until then it keeps its object in memory, and the scope of an entrypoint;
// one of a request ends with the request.
type capability struct {
	owner *scope
	id    uint32 // the guest's
	refs  atomic.Int32
	hold  func() // of the object, while there are stubs; on the owner's loop
}

// targetCall is the payload of a call of a capability of an object.
type targetCall struct {
	Call
	c *capability
}

// targetStub is one of the stubs of a capability.
type targetStub struct{ c *capability }

func (c *capability) stub() stub {
	c.refs.Add(1)
	return &targetStub{c}
}

// lend makes a stub of what the guest lends, on the owner's loop.
func (c *capability) lend() stub {
	if c.hold == nil {
		c.hold = func() {}
		if c.owner.object != nil {
			c.hold = c.owner.object.Hold()
		} else if c.owner.service {
			c.owner.live++
			c.hold = func() { c.owner.live-- }
		}
	}
	return c.stub()
}

func (c *capability) release() {
	if c.hold != nil {
		c.hold()
		c.hold = nil
	}
}

func (t *targetStub) dup() stub { return t.c.stub() }

func (t *targetStub) drop() {
	c := t.c
	if c.refs.Add(-1) > 0 {
		return
	}
	b := c.owner.b
	_ = b.Do(func() {
		if !c.owner.here() || c.owner.lent[c.id] != c {
			return
		}
		delete(c.owner.lent, c.id)
		c.release()
		if b.iso.Dead() == nil {
			b.post(c.owner, abi.EventUnlent, c.id, nil)
		}
	})
}

func (t *targetStub) send(s *scope, payload any, done func(any, error)) sent {
	call, ok := payload.(Call)
	if !ok {
		done(nil, remote(typeError(`The RPC receiver does not implement the method "fetch".`), ""))
		return sent{}
	}
	t.c.refs.Add(1) // it stays until it has been called
	s.output(func(err error) {
		if err == nil {
			err = t.c.owner.b.Do(func() { t.c.call(call, done) })
		}
		if err != nil {
			done(nil, err)
		}
		t.drop()
	})
	return sent{}
}

// call runs on the owner's loop.
func (c *capability) call(p Call, done func(any, error)) {
	s := c.owner
	if !s.here() {
		done(nil, errHostGone)
		return
	}
	if o := s.object; o != nil {
		o.Deliver(&durable.Event{Payload: targetCall{p, c}, Size: len(p.Args), Nested: true, Done: func(v any, err error) {
			if err != nil && err != o.Broken() && err != error(errHostGone) { // those come as they are
				err = remote(err, o.ID())
			}
			done(v, err)
		}})
		return
	}
	landed, err := s.land(p.Args, p.links)
	if err != nil {
		done(nil, err)
		return
	}
	e := s.b.expect(s, abi.EventTarget, nil, func(v any, err error) { done(v, remote(err, "")) })
	e.landed = landed
	f := abi.AppendStr(abi.AppendU32(nil, c.id), p.Method)
	s.b.post(s, abi.EventTarget, e.id, append(f, p.Args...))
}

// counted holds an object while something is counted.
type counted struct {
	n       int
	release func()
}

func (c *counted) add(o *durable.Object) {
	if c.n++; c.n == 1 {
		c.release = o.Hold()
	}
}

// remove does nothing for a request, which has no object.
func (c *counted) remove() {
	if c.n == 0 {
		return
	}
	if c.n--; c.n == 0 {
		c.release()
		c.release = nil
	}
}

func (c *counted) end() {
	if c.release != nil {
		c.release()
	}
	*c = counted{}
}

// freight is what a value lends, on its way from one scope to another. It is landed or dropped once.
type freight struct {
	items []item
	gone  bool
}

type item struct {
	place  int // of its handle in the value
	stub   stub
	stream Stream
}

func (f *freight) drop() {
	if f == nil || f.gone {
		return
	}
	f.gone = true
	for _, x := range f.items {
		if x.stub != nil {
			x.stub.drop()
		} else {
			x.stream.Cancel()
		}
	}
}

// lift takes what a value of the guest lends; nil if that is nothing. A result gives the stubs in it away, arguments keep
// them.
func (s *scope) lift(v []byte, result bool) (*freight, error) {
	if len(v) == 0 || v[0] != value.TagLinks {
		return nil, nil
	}
	places, rest, err := value.CutLinks(v)
	if err != nil {
		return nil, fmt.Errorf("durago: the guest's value: %w", err)
	}
	f := &freight{}
	for _, p := range places {
		x := item{place: len(v) - len(rest) + p}
		h := value.HandleAt(rest, p)
		switch h.Kind {
		case abi.LinkStream:
			x.stream = lentStream{s.stream(h.ID)}
		case abi.LinkPass:
			if body := s.bodies[h.ID]; body != nil {
				delete(s.bodies, h.ID)
				x.stream = lentStream{body}
			}
		case abi.LinkStub:
			if t := s.stubs[h.ID]; t != nil {
				x.stub = t.dup()
				if o, object := x.stub.(*objectStub); object {
					o.passed = true
				}
				if _, lent := t.(*targetStub); lent && result {
					s.dropStub(h.ID)
				}
			}
		case abi.LinkTarget, abi.LinkCallback:
			if c := s.lent[h.ID]; c != nil {
				x.stub = c.lend()
			}
		}
		if x.stub == nil && x.stream == nil {
			f.drop()
			return nil, errDisposed
		}
		f.items = append(f.items, x)
	}
	return f, nil
}

// land gives freight to the guest: its handles in v become those of s. It returns the stubs among them, nil only if there
// is no freight.
func (s *scope) land(v []byte, f *freight) (stubs []uint32, err error) {
	if f == nil {
		return nil, nil
	}
	if s.given+len(f.items) > abi.MaxLinks || len(s.bodies)+len(f.items) > abi.MaxLinks {
		f.drop()
		return nil, &durable.Error{Name: "Error", Overloaded: true, Message: fmt.Sprintf(
			"durago: %d stubs or streams of one object or request are in use: dispose those that are not needed any more", abi.MaxLinks)}
	}
	f.gone = true
	stubs = []uint32{}
	for _, x := range f.items {
		s.handles++
		h := value.Handle{Kind: abi.LinkStream, ID: s.handles}
		if x.stub != nil {
			h = value.Handle{Kind: abi.LinkStub, ID: s.handles | abi.LinkGiven}
			s.keep(h.ID, x.stub)
			s.given++
			stubs = append(stubs, h.ID)
		} else {
			if s.bodies == nil {
				s.bodies = map[uint32]Stream{}
			}
			s.bodies[h.ID] = x.stream
		}
		value.SetHandle(v, x.place, h)
	}
	return stubs, nil
}

// dropStub is told that the guest does not use a stub any more, or will not lend what it was about to.
func (s *scope) dropStub(handle uint32) {
	if t := s.stubs[handle]; t != nil {
		delete(s.stubs, handle)
		if handle&abi.LinkGiven != 0 {
			s.given--
		}
		if _, lent := t.(*targetStub); lent {
			s.holding.remove()
		}
		t.drop()
	}
	if c := s.lent[handle]; c != nil && c.refs.Load() == 0 {
		delete(s.lent, handle)
	}
}

func (s *scope) linkOp(op abi.Op, token uint32, frame []byte) error {
	r := abi.NewReader(frame)
	switch op {
	case abi.OpTarget:
		if len(s.lent) >= abi.MaxLinks {
			return &durable.Error{Name: "Error", Overloaded: true, Message: "durago: too many targets"}
		}
		if s.lent == nil {
			s.lent = map[uint32]*capability{}
		}
		s.lent[token] = &capability{owner: s, id: token}
	case abi.OpStubDup:
		t := s.stubs[r.U32()]
		if t == nil {
			return errDisposed
		}
		s.keep(token, t.dup())
	case abi.OpService:
		t, err := s.b.service(r.Str())
		if err != nil {
			return err
		}
		s.keep(token, t)
	default:
		return fmt.Errorf("durago: unknown operation %d: app.wasm is newer than this host", op)
	}
	return r.Err()
}

// lentStream is a stream that crosses in a value. Its reader is not told how it broke off, only that.
type lentStream struct{ Stream }

var errStreamBroken = &durable.Error{Name: "Error", Message: "ReadableStream received over RPC disconnected prematurely."}

func (l lentStream) Pull(f func([]byte, error)) {
	l.Stream.Pull(func(chunk []byte, err error) {
		if err != nil {
			err = errStreamBroken
		}
		f(chunk, err)
	})
}
