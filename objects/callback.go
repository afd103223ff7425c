package objects

import (
	"context"
	"reflect"

	"durago.example/objects/driver"
	"durago.example/wasm/value"
)

// Undefined is the result of a callback that has none.
type Undefined = value.Undefined

// Callback is a function that crosses in a call: it lives on one side and is called from the other. In JavaScript it is a
// function. What is said of Target about owners and bounds holds for it too.
type Callback[A, R any] struct {
	stub  driver.Stub
	local func(ctx context.Context, a A) (R, error)
}

var _ linked = (*Callback[int, int])(nil)

// NewCallback makes a callback of f.
func NewCallback[A, R any](f func(ctx context.Context, a A) (R, error)) *Callback[A, R] {
	return &Callback[A, R]{local: f}
}

// Call calls the function and waits for its result.
func (c *Callback[A, R]) Call(ctx context.Context, a A) (r R, err error) {
	if c.local != nil {
		return c.local(ctx, a)
	}
	err = invoke(ctx, callee{c.stub}, callbackSignature, &r, &a)
	return r, err
}

// Dup is another stub of the same callback, to keep beyond the call that brought c.
func (c *Callback[A, R]) Dup() (*Callback[A, R], error) {
	if c.local != nil {
		return c, nil
	}
	s, err := c.stub.Dup()
	return &Callback[A, R]{stub: s}, err
}

// Dispose says that c will not be called any more.
func (c *Callback[A, R]) Dispose() {
	if c.stub != nil {
		c.stub.Dispose()
	}
}

// Describe is the callback's TypeScript type.
func (*Callback[A, R]) Describe() string {
	r := describeType(reflect.TypeFor[R]())
	if r == "undefined" {
		r = "void"
	}
	return "(value: " + describeType(reflect.TypeFor[A]()) + ") => " + r + " | Promise<" + r + ">"
}

func (*Callback[A, R]) mentions() []reflect.Type {
	return []reflect.Type{reflect.TypeFor[A](), reflect.TypeFor[R]()}
}

func (c *Callback[A, R]) lend(l driver.Links) (value.Handle, error) {
	if c.local == nil {
		return l.LendStub(c.stub)
	}
	return l.LendTarget(function[A, R](c.local), "")
}

func (c *Callback[A, R]) take(s driver.Stub) { c.stub = s }

var callbackSignature = &Signature{Name: "callback", Params: []string{"value"}}

// callee calls a stub that is a function.
type callee struct{ s driver.Stub }

func (c callee) CallRPC(ctx context.Context, _ string, args []byte) ([]byte, error) {
	return c.s.Call(ctx, "", args)
}

// function is a callback's half that is called.
type function[A, R any] func(ctx context.Context, a A) (R, error)

var _ driver.Target = (function[int, int])(nil)

func (f function[A, R]) Call(ctx context.Context, _ string, args []byte) ([]byte, error) {
	var a A
	s := &Signature{Name: "callback", Params: []string{"value"}, In: []reflect.Type{reflect.TypeFor[A]()}}
	if err := decodeArgs(ctx, s, args, &a); err != nil {
		return nil, err
	}
	r, err := f(ctx, a)
	if err != nil {
		return nil, err
	}
	return encodeResult(ctx, s, &r)
}

func (function[A, R]) Dispose() {}
