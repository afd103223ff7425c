package objects

import (
	"context"
	"fmt"
	"reflect"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
	"durago.example/wasm/value"
)

// Contract says which methods a target has. An empty struct is one, whose name is the target's in the manifest and in the
// TypeScript declarations:
//
//	type Cursor struct{}
//
//	func (Cursor) Methods() []objects.Declared { return []objects.Declared{Next, Close} }
type Contract interface{ Methods() []Declared }

// Target is a capability: an object with the methods of contract C that lives on one side of a call and is called from
// the other, for as long as somebody has it. Methods take and return *Target; on Workers it is an RpcTarget. See
// https://developers.cloudflare.com/workers/runtime-apis/rpc/#class-instances.
//
// Who made it with TargetClass.New owns it, and may lend it any number of times. Who gets it from a call owns what it
// got: a result until Dispose or the end of the request or object that called; an argument until the method returns,
// unless it was kept with Dup. A lent target keeps the object that has lent it in memory, and those that have got it, until
// it is disposed. Each object or request may lend 10,000 at a time, and have as many.
type Target[C Contract] struct {
	stub  driver.Stub   // of one that somebody else has lent
	local driver.Target // of one's own
}

var (
	_ Caller = (*Target[Contract])(nil)
	_ linked = (*Target[Contract])(nil)
)

// CallRPC calls a method. Typed calls use it: Next.Call(ctx, cursor).
func (t *Target[C]) CallRPC(ctx context.Context, method string, args []byte) ([]byte, error) {
	if t.local != nil {
		return t.local.Call(ctx, method, args)
	}
	return t.stub.Call(ctx, method, args)
}

// Dup is another stub of the same target, to keep beyond the call that brought t.
func (t *Target[C]) Dup() (*Target[C], error) {
	if t.local != nil {
		return t, nil
	}
	s, err := t.stub.Dup()
	return &Target[C]{stub: s}, err
}

// Dispose says that t will not be called any more. When nobody has the target, its Dispose method is called if it has
// one (see Disposer). One's own target needs no Dispose.
func (t *Target[C]) Dispose() {
	if t.stub != nil {
		t.stub.Dispose()
	}
}

// Describe is the target's TypeScript type.
func (*Target[C]) Describe() string { return contractName[C]() }

func (*Target[C]) contract() abi.ManifestClass {
	var c C
	m := abi.ManifestClass{Name: contractName[C]()}
	for _, d := range c.Methods() {
		m.Methods = append(m.Methods, d.signature().describe())
	}
	return m
}

func (*Target[C]) signatures() (list []*Signature) {
	var c C
	for _, d := range c.Methods() {
		list = append(list, d.signature())
	}
	return list
}

func (t *Target[C]) lend(l driver.Links) (value.Handle, error) {
	if t.local != nil {
		return l.LendTarget(t.local, contractName[C]())
	}
	return l.LendStub(t.stub)
}

func (t *Target[C]) take(s driver.Stub) { t.stub = s }

func contractName[C any]() string { return reflect.TypeFor[C]().Name() }

// Disposer is a target that wants to know when nobody can call it any more. It may be lent again after that.
type Disposer interface{ Dispose() }

// TargetClass makes targets of contract C out of values of T.
type TargetClass[C Contract, T any] struct{ table methodTable[T] }

// NewTargetClass makes a class of targets. Methods that C lists and T does not implement, and the reverse, are a
// programming error and panic.
func NewTargetClass[C Contract, T any](methods ...Method[T]) *TargetClass[C, T] {
	name := contractName[C]()
	table, signatures := tableOf("target "+name, methods)
	var c C
	for _, d := range c.Methods() {
		if s := d.signature(); table[s.Name] == nil {
			panic(fmt.Sprintf("objects: target %s: method %q of the contract is not implemented", name, s.Name))
		}
	}
	if len(signatures) > len(c.Methods()) {
		panic(fmt.Sprintf("objects: target %s: a method is implemented that the contract does not list", name))
	}
	return &TargetClass[C, T]{table}
}

// New makes a target of v.
func (k *TargetClass[C, T]) New(v *T) *Target[C] {
	return &Target[C]{local: &localTarget[T]{table: k.table, self: v}}
}

type localTarget[T any] struct {
	table methodTable[T]
	self  *T
}

var _ driver.Target = (*localTarget[struct{}])(nil)

func (t *localTarget[T]) Call(ctx context.Context, method string, args []byte) ([]byte, error) {
	return t.table.call(t.self, ctx, method, args)
}

func (t *localTarget[T]) Dispose() {
	if d, ok := any(t.self).(Disposer); ok {
		d.Dispose()
	}
}
