package objects

import (
	"context"
	"fmt"
	"reflect"
)

// Method is one or more RPC methods of T. Its unexported method mentions T, so that a method of another receiver does
// not type-check in NewClass.
type Method[T any] interface{ add(*[]bound[T]) }

type bound[T any] struct {
	sig  *Signature
	call func(self *T, ctx context.Context, args []byte) ([]byte, error)
}

func (b bound[T]) add(list *[]bound[T]) { *list = append(*list, b) }

// methodTable is methods by name.
type methodTable[T any] map[string]func(*T, context.Context, []byte) ([]byte, error)

// tableOf is the table of methods of what, a class or a target. Two of one name panic.
func tableOf[T any](what string, methods []Method[T]) (methodTable[T], []*Signature) {
	var list []bound[T]
	for _, m := range methods {
		m.add(&list)
	}
	table := make(methodTable[T], len(list))
	var signatures []*Signature
	for _, b := range list {
		if _, twice := table[b.sig.Name]; twice {
			panic(fmt.Sprintf("objects: %s: method %q is registered twice", what, b.sig.Name))
		}
		table[b.sig.Name] = b.call
		signatures = append(signatures, b.sig)
	}
	return table, signatures
}

func (t methodTable[T]) call(self *T, ctx context.Context, method string, args []byte) ([]byte, error) {
	m, ok := t[method]
	if !ok {
		return nil, &Error{Name: "TypeError", Message: fmt.Sprintf("The RPC receiver does not implement the method %q.", method)}
	}
	return m(self, ctx, args)
}

// Embed lifts the methods of an embedded ready class to the class that embeds it. Go has no virtual dispatch: what an
// outer class overrides are hooks in the inner one's configuration.
func Embed[Outer, Inner any](inner func(*Outer) *Inner, methods ...Method[Inner]) Method[Outer] {
	return embedded[Outer, Inner]{inner, methods}
}

type embedded[O, I any] struct {
	inner   func(*O) *I
	methods []Method[I]
}

func (e embedded[O, I]) add(list *[]bound[O]) {
	var in []bound[I]
	for _, m := range e.methods {
		m.add(&in)
	}
	for _, b := range in {
		*list = append(*list, bound[O]{b.sig, func(o *O, ctx context.Context, args []byte) ([]byte, error) {
			return b.call(e.inner(o), ctx, args)
		}})
	}
}

func signature(name string, params []string, result reflect.Type, in ...reflect.Type) *Signature {
	return &Signature{Name: name, Params: params, In: in, Out: result}
}

// Declared is the contract of a method, of whatever types: what a Contract lists.
type Declared interface{ signature() *Signature }

type declared struct{ sig *Signature }

func (d declared) signature() *Signature { return d.sig }

// Func0 is the contract of a method with no argument and a result: a name and types, no implementation.
type Func0[R any] struct{ declared }

// Declare0 declares a Func0; name and parameters are what JavaScript sees.
func Declare0[R any](name string) Func0[R] {
	return Func0[R]{declared{signature(name, nil, reflect.TypeFor[R]())}}
}

// Call calls the method on to and waits for its result.
func (f Func0[R]) Call(ctx context.Context, to Caller) (r R, err error) {
	err = invoke(ctx, to, f.sig, &r)
	return r, err
}

// Impl0 implements f by a method of T.
func Impl0[T, R any](f Func0[R], m func(*T, context.Context) (R, error)) Method[T] {
	return bound[T]{f.sig, func(t *T, ctx context.Context, args []byte) ([]byte, error) {
		r, err := m(t, ctx)
		if err != nil {
			return nil, err
		}
		return encodeResult(ctx, f.sig, &r)
	}}
}

// Bound0 is contract and implementation in one value.
type Bound0[T, R any] struct {
	Func0[R]
	Method[T]
}

// Method0 declares and implements a method of a class that lives in one package.
func Method0[T, R any](name string, m func(*T, context.Context) (R, error)) Bound0[T, R] {
	f := Declare0[R](name)
	return Bound0[T, R]{f, Impl0(f, m)}
}

// Proc0 is the contract of a method with no argument that returns only an error.
type Proc0 struct{ declared }

// DeclareProc0 declares a Proc0.
func DeclareProc0(name string) Proc0 {
	return Proc0{declared{signature(name, nil, nil)}}
}

// Call calls the method on to and waits for its end.
func (f Proc0) Call(ctx context.Context, to Caller) error {
	return invoke(ctx, to, f.sig, nil)
}

// ImplProc0 implements f by a method of T.
func ImplProc0[T any](f Proc0, m func(*T, context.Context) error) Method[T] {
	return bound[T]{f.sig, func(t *T, ctx context.Context, args []byte) ([]byte, error) {
		if err := m(t, ctx); err != nil {
			return nil, err
		}
		return encodeUndefined()
	}}
}

// BoundProc0 is contract and implementation in one value.
type BoundProc0[T any] struct {
	Proc0
	Method[T]
}

// MethodProc0 declares and implements a method that returns only an error.
func MethodProc0[T any](name string, m func(*T, context.Context) error) BoundProc0[T] {
	f := DeclareProc0(name)
	return BoundProc0[T]{f, ImplProc0(f, m)}
}

// Func1 is the contract of a method with one argument and a result: a name and types, no implementation.
type Func1[A, R any] struct{ declared }

// Declare1 declares a Func1; name and parameters are what JavaScript sees.
func Declare1[A, R any](name, a string) Func1[A, R] {
	return Func1[A, R]{declared{signature(name, []string{a}, reflect.TypeFor[R](), reflect.TypeFor[A]())}}
}

// Call calls the method on to and waits for its result.
func (f Func1[A, R]) Call(ctx context.Context, to Caller, a A) (r R, err error) {
	err = invoke(ctx, to, f.sig, &r, &a)
	return r, err
}

// Impl1 implements f by a method of T.
func Impl1[T, A, R any](f Func1[A, R], m func(*T, context.Context, A) (R, error)) Method[T] {
	return bound[T]{f.sig, func(t *T, ctx context.Context, args []byte) ([]byte, error) {
		var a A
		if err := decodeArgs(ctx, f.sig, args, &a); err != nil {
			return nil, err
		}
		r, err := m(t, ctx, a)
		if err != nil {
			return nil, err
		}
		return encodeResult(ctx, f.sig, &r)
	}}
}

// Bound1 is contract and implementation in one value.
type Bound1[T, A, R any] struct {
	Func1[A, R]
	Method[T]
}

// Method1 declares and implements a method of a class that lives in one package.
func Method1[T, A, R any](name string, m func(*T, context.Context, A) (R, error), a string) Bound1[T, A, R] {
	f := Declare1[A, R](name, a)
	return Bound1[T, A, R]{f, Impl1(f, m)}
}

// Proc1 is the contract of a method with one argument that returns only an error.
type Proc1[A any] struct{ declared }

// DeclareProc1 declares a Proc1.
func DeclareProc1[A any](name, a string) Proc1[A] {
	return Proc1[A]{declared{signature(name, []string{a}, nil, reflect.TypeFor[A]())}}
}

// Call calls the method on to and waits for its end.
func (f Proc1[A]) Call(ctx context.Context, to Caller, a A) error {
	return invoke(ctx, to, f.sig, nil, &a)
}

// ImplProc1 implements f by a method of T.
func ImplProc1[T, A any](f Proc1[A], m func(*T, context.Context, A) error) Method[T] {
	return bound[T]{f.sig, func(t *T, ctx context.Context, args []byte) ([]byte, error) {
		var a A
		if err := decodeArgs(ctx, f.sig, args, &a); err != nil {
			return nil, err
		}
		if err := m(t, ctx, a); err != nil {
			return nil, err
		}
		return encodeUndefined()
	}}
}

// BoundProc1 is contract and implementation in one value.
type BoundProc1[T, A any] struct {
	Proc1[A]
	Method[T]
}

// MethodProc1 declares and implements a method that returns only an error.
func MethodProc1[T, A any](name string, m func(*T, context.Context, A) error, a string) BoundProc1[T, A] {
	f := DeclareProc1[A](name, a)
	return BoundProc1[T, A]{f, ImplProc1(f, m)}
}

// Func2 is the contract of a method with 2 arguments and a result: a name and types, no implementation.
type Func2[A, B, R any] struct{ declared }

// Declare2 declares a Func2; name and parameters are what JavaScript sees.
func Declare2[A, B, R any](name, a, b string) Func2[A, B, R] {
	return Func2[A, B, R]{declared{signature(name, []string{a, b}, reflect.TypeFor[R](), reflect.TypeFor[A](), reflect.TypeFor[B]())}}
}

// Call calls the method on to and waits for its result.
func (f Func2[A, B, R]) Call(ctx context.Context, to Caller, a A, b B) (r R, err error) {
	err = invoke(ctx, to, f.sig, &r, &a, &b)
	return r, err
}

// Impl2 implements f by a method of T.
func Impl2[T, A, B, R any](f Func2[A, B, R], m func(*T, context.Context, A, B) (R, error)) Method[T] {
	return bound[T]{f.sig, func(t *T, ctx context.Context, args []byte) ([]byte, error) {
		var a A
		var b B
		if err := decodeArgs(ctx, f.sig, args, &a, &b); err != nil {
			return nil, err
		}
		r, err := m(t, ctx, a, b)
		if err != nil {
			return nil, err
		}
		return encodeResult(ctx, f.sig, &r)
	}}
}

// Bound2 is contract and implementation in one value.
type Bound2[T, A, B, R any] struct {
	Func2[A, B, R]
	Method[T]
}

// Method2 declares and implements a method of a class that lives in one package.
func Method2[T, A, B, R any](name string, m func(*T, context.Context, A, B) (R, error), a, b string) Bound2[T, A, B, R] {
	f := Declare2[A, B, R](name, a, b)
	return Bound2[T, A, B, R]{f, Impl2(f, m)}
}

// Proc2 is the contract of a method with 2 arguments that returns only an error.
type Proc2[A, B any] struct{ declared }

// DeclareProc2 declares a Proc2.
func DeclareProc2[A, B any](name, a, b string) Proc2[A, B] {
	return Proc2[A, B]{declared{signature(name, []string{a, b}, nil, reflect.TypeFor[A](), reflect.TypeFor[B]())}}
}

// Call calls the method on to and waits for its end.
func (f Proc2[A, B]) Call(ctx context.Context, to Caller, a A, b B) error {
	return invoke(ctx, to, f.sig, nil, &a, &b)
}

// ImplProc2 implements f by a method of T.
func ImplProc2[T, A, B any](f Proc2[A, B], m func(*T, context.Context, A, B) error) Method[T] {
	return bound[T]{f.sig, func(t *T, ctx context.Context, args []byte) ([]byte, error) {
		var a A
		var b B
		if err := decodeArgs(ctx, f.sig, args, &a, &b); err != nil {
			return nil, err
		}
		if err := m(t, ctx, a, b); err != nil {
			return nil, err
		}
		return encodeUndefined()
	}}
}

// BoundProc2 is contract and implementation in one value.
type BoundProc2[T, A, B any] struct {
	Proc2[A, B]
	Method[T]
}

// MethodProc2 declares and implements a method that returns only an error.
func MethodProc2[T, A, B any](name string, m func(*T, context.Context, A, B) error, a, b string) BoundProc2[T, A, B] {
	f := DeclareProc2[A, B](name, a, b)
	return BoundProc2[T, A, B]{f, ImplProc2(f, m)}
}

// Func3 is the contract of a method with 3 arguments and a result: a name and types, no implementation.
type Func3[A, B, C, R any] struct{ declared }

// Declare3 declares a Func3; name and parameters are what JavaScript sees.
func Declare3[A, B, C, R any](name, a, b, c string) Func3[A, B, C, R] {
	return Func3[A, B, C, R]{declared{signature(name, []string{a, b, c}, reflect.TypeFor[R](), reflect.TypeFor[A](), reflect.TypeFor[B](), reflect.TypeFor[C]())}}
}

// Call calls the method on to and waits for its result.
func (f Func3[A, B, C, R]) Call(ctx context.Context, to Caller, a A, b B, c C) (r R, err error) {
	err = invoke(ctx, to, f.sig, &r, &a, &b, &c)
	return r, err
}

// Impl3 implements f by a method of T.
func Impl3[T, A, B, C, R any](f Func3[A, B, C, R], m func(*T, context.Context, A, B, C) (R, error)) Method[T] {
	return bound[T]{f.sig, func(t *T, ctx context.Context, args []byte) ([]byte, error) {
		var a A
		var b B
		var c C
		if err := decodeArgs(ctx, f.sig, args, &a, &b, &c); err != nil {
			return nil, err
		}
		r, err := m(t, ctx, a, b, c)
		if err != nil {
			return nil, err
		}
		return encodeResult(ctx, f.sig, &r)
	}}
}

// Bound3 is contract and implementation in one value.
type Bound3[T, A, B, C, R any] struct {
	Func3[A, B, C, R]
	Method[T]
}

// Method3 declares and implements a method of a class that lives in one package.
func Method3[T, A, B, C, R any](name string, m func(*T, context.Context, A, B, C) (R, error), a, b, c string) Bound3[T, A, B, C, R] {
	f := Declare3[A, B, C, R](name, a, b, c)
	return Bound3[T, A, B, C, R]{f, Impl3(f, m)}
}

// Proc3 is the contract of a method with 3 arguments that returns only an error.
type Proc3[A, B, C any] struct{ declared }

// DeclareProc3 declares a Proc3.
func DeclareProc3[A, B, C any](name, a, b, c string) Proc3[A, B, C] {
	return Proc3[A, B, C]{declared{signature(name, []string{a, b, c}, nil, reflect.TypeFor[A](), reflect.TypeFor[B](), reflect.TypeFor[C]())}}
}

// Call calls the method on to and waits for its end.
func (f Proc3[A, B, C]) Call(ctx context.Context, to Caller, a A, b B, c C) error {
	return invoke(ctx, to, f.sig, nil, &a, &b, &c)
}

// ImplProc3 implements f by a method of T.
func ImplProc3[T, A, B, C any](f Proc3[A, B, C], m func(*T, context.Context, A, B, C) error) Method[T] {
	return bound[T]{f.sig, func(t *T, ctx context.Context, args []byte) ([]byte, error) {
		var a A
		var b B
		var c C
		if err := decodeArgs(ctx, f.sig, args, &a, &b, &c); err != nil {
			return nil, err
		}
		if err := m(t, ctx, a, b, c); err != nil {
			return nil, err
		}
		return encodeUndefined()
	}}
}

// BoundProc3 is contract and implementation in one value.
type BoundProc3[T, A, B, C any] struct {
	Proc3[A, B, C]
	Method[T]
}

// MethodProc3 declares and implements a method that returns only an error.
func MethodProc3[T, A, B, C any](name string, m func(*T, context.Context, A, B, C) error, a, b, c string) BoundProc3[T, A, B, C] {
	f := DeclareProc3[A, B, C](name, a, b, c)
	return BoundProc3[T, A, B, C]{f, ImplProc3(f, m)}
}

// Func4 is the contract of a method with 4 arguments and a result: a name and types, no implementation.
type Func4[A, B, C, D, R any] struct{ declared }

// Declare4 declares a Func4; name and parameters are what JavaScript sees.
func Declare4[A, B, C, D, R any](name, a, b, c, d string) Func4[A, B, C, D, R] {
	return Func4[A, B, C, D, R]{declared{signature(name, []string{a, b, c, d}, reflect.TypeFor[R](), reflect.TypeFor[A](), reflect.TypeFor[B](), reflect.TypeFor[C](), reflect.TypeFor[D]())}}
}

// Call calls the method on to and waits for its result.
func (f Func4[A, B, C, D, R]) Call(ctx context.Context, to Caller, a A, b B, c C, d D) (r R, err error) {
	err = invoke(ctx, to, f.sig, &r, &a, &b, &c, &d)
	return r, err
}

// Impl4 implements f by a method of T.
func Impl4[T, A, B, C, D, R any](f Func4[A, B, C, D, R], m func(*T, context.Context, A, B, C, D) (R, error)) Method[T] {
	return bound[T]{f.sig, func(t *T, ctx context.Context, args []byte) ([]byte, error) {
		var a A
		var b B
		var c C
		var d D
		if err := decodeArgs(ctx, f.sig, args, &a, &b, &c, &d); err != nil {
			return nil, err
		}
		r, err := m(t, ctx, a, b, c, d)
		if err != nil {
			return nil, err
		}
		return encodeResult(ctx, f.sig, &r)
	}}
}

// Bound4 is contract and implementation in one value.
type Bound4[T, A, B, C, D, R any] struct {
	Func4[A, B, C, D, R]
	Method[T]
}

// Method4 declares and implements a method of a class that lives in one package.
func Method4[T, A, B, C, D, R any](name string, m func(*T, context.Context, A, B, C, D) (R, error), a, b, c, d string) Bound4[T, A, B, C, D, R] {
	f := Declare4[A, B, C, D, R](name, a, b, c, d)
	return Bound4[T, A, B, C, D, R]{f, Impl4(f, m)}
}

// Proc4 is the contract of a method with 4 arguments that returns only an error.
type Proc4[A, B, C, D any] struct{ declared }

// DeclareProc4 declares a Proc4.
func DeclareProc4[A, B, C, D any](name, a, b, c, d string) Proc4[A, B, C, D] {
	return Proc4[A, B, C, D]{declared{signature(name, []string{a, b, c, d}, nil, reflect.TypeFor[A](), reflect.TypeFor[B](), reflect.TypeFor[C](), reflect.TypeFor[D]())}}
}

// Call calls the method on to and waits for its end.
func (f Proc4[A, B, C, D]) Call(ctx context.Context, to Caller, a A, b B, c C, d D) error {
	return invoke(ctx, to, f.sig, nil, &a, &b, &c, &d)
}

// ImplProc4 implements f by a method of T.
func ImplProc4[T, A, B, C, D any](f Proc4[A, B, C, D], m func(*T, context.Context, A, B, C, D) error) Method[T] {
	return bound[T]{f.sig, func(t *T, ctx context.Context, args []byte) ([]byte, error) {
		var a A
		var b B
		var c C
		var d D
		if err := decodeArgs(ctx, f.sig, args, &a, &b, &c, &d); err != nil {
			return nil, err
		}
		if err := m(t, ctx, a, b, c, d); err != nil {
			return nil, err
		}
		return encodeUndefined()
	}}
}

// BoundProc4 is contract and implementation in one value.
type BoundProc4[T, A, B, C, D any] struct {
	Proc4[A, B, C, D]
	Method[T]
}

// MethodProc4 declares and implements a method that returns only an error.
func MethodProc4[T, A, B, C, D any](name string, m func(*T, context.Context, A, B, C, D) error, a, b, c, d string) BoundProc4[T, A, B, C, D] {
	f := DeclareProc4[A, B, C, D](name, a, b, c, d)
	return BoundProc4[T, A, B, C, D]{f, ImplProc4(f, m)}
}
