package websocketserver_test

import (
	"context"
	"errors"

	"durago.example/objects"
	"durago.example/objects/driver"
)

// Context carries the object, so that it can call others.
func (o *object) Context() context.Context {
	return context.WithValue(context.Background(), driver.ScopeKey, driver.Scope(o))
}

func (o *object) WaitUntil(f func(context.Context) error) {
	o.background = append(o.background, func() {
		if err := f(o.Context()); err != nil {
			o.Log(o.Context(), 1, err.Error())
		}
	})
}

// Go runs at once: what it is for is to wait together.
func (o *object) Go(f func(context.Context)) { f(o.Context()) }

func (o *object) Platform() driver.Platform { return platform{o: o} }

// platform reaches the objects that the test has.
type platform struct {
	driver.Platform
	o *object
}

func (p platform) IDFromName(n driver.Namespace, name string) (driver.ID, error) {
	if p.o.peers == nil || p.o.peers(n.Binding, name) == nil {
		return driver.ID{}, errors.New("there is no binding " + n.Binding)
	}
	return driver.ID{Hex: n.Binding + "/" + name, Name: name, Named: true}, nil
}

func (p platform) Stub(n driver.Namespace, id driver.ID, _ string) (driver.Stub, error) {
	return channel{from: p.o, to: p.o.peers(n.Binding, id.Name)}, nil
}

// call is a call between objects.
type call struct {
	from, to *object
	method   string
	args     []byte
}

func (k call) do() ([]byte, error) { return k.to.CallRPC(k.from.Context(), k.method, k.args) }

// channel is a stub. A call ends the event's transaction, as waiting does.
type channel struct {
	driver.Stub
	from, to *object
}

func (c channel) Call(ctx context.Context, method string, args []byte) (b []byte, err error) {
	c.from.wait(func() {
		k := call{c.from, c.to, method, args}
		if c.from.faults != nil {
			b, err = c.from.faults(k)
		} else {
			b, err = k.do()
		}
	})
	return b, err
}

var _ objects.Caller = (*object)(nil)
