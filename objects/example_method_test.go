package objects_test

import (
	"context"
	"errors"
	"fmt"

	"durago.example/objects"
)

// Desk is an object with a method of each shape: up to four arguments, with or without a result.
type Desk struct{ items map[string]int }

func newDesk(*objects.State) (*Desk, error) { return &Desk{map[string]int{}}, nil }

func (d *Desk) size(context.Context) (int, error)                 { return len(d.items), nil }
func (d *Desk) count(_ context.Context, item string) (int, error) { return d.items[item], nil }
func (d *Desk) put(_ context.Context, item string, n int) (int, error) {
	d.items[item] += n
	return d.items[item], nil
}
func (d *Desk) move(_ context.Context, from, to string, n int) (bool, error) {
	return n <= d.items[from], nil
}
func (d *Desk) swap(_ context.Context, a, b string, n, m int) (bool, error) {
	return a != b && n != m, nil
}

func (d *Desk) clear(context.Context) error                                 { clear(d.items); return nil }
func (d *Desk) drop(_ context.Context, item string) error                   { delete(d.items, item); return nil }
func (d *Desk) set(_ context.Context, item string, n int) error             { d.items[item] = n; return nil }
func (d *Desk) rename(_ context.Context, from, to string, force bool) error { return nil }
func (d *Desk) label(_ context.Context, a, b, c, e string) error            { return nil }

// The names of the parameters are what JavaScript and the type declarations see. A method of another type than the
// class's does not compile.
func ExampleMethod0() {
	objects.NewClass("Desk", newDesk,
		objects.Method0("size", (*Desk).size),
		objects.Method1("count", (*Desk).count, "item"),
		objects.Method2("put", (*Desk).put, "item", "n"),
		objects.Method3("move", (*Desk).move, "from", "to", "n"),
		objects.Method4("swap", (*Desk).swap, "a", "b", "n", "m"),
	)
}

// Proc methods return only an error.
func ExampleMethodProc0() {
	objects.NewClass("Desk", newDesk,
		objects.MethodProc0("clear", (*Desk).clear),
		objects.MethodProc1("drop", (*Desk).drop, "item"),
		objects.MethodProc2("set", (*Desk).set, "item", "n"),
		objects.MethodProc3("rename", (*Desk).rename, "from", "to", "force"),
		objects.MethodProc4("label", (*Desk).label, "a", "b", "c", "e"),
	)
}

// A class that others call splits: the contract is a value without code, in a package of its own, so that callers link
// nothing of the object.
func ExampleDeclare1() {
	// package desk
	var (
		Count = objects.Declare1[string, int]("count", "item")
		Drop  = objects.DeclareProc1[string]("drop", "item")
	)
	// package deskserver
	objects.NewClass("Desk", newDesk, objects.Impl1(Count, (*Desk).count), objects.ImplProc1(Drop, (*Desk).drop))
	// elsewhere
	_ = func(ctx context.Context, stub *objects.Stub) error {
		n, err := Count.Call(ctx, stub, "pen")
		if err != nil || n > 0 {
			return err
		}
		return Drop.Call(ctx, stub, "pen")
	}
}

// BigDesk extends Desk: it lifts the methods of the embedded object and adds one. What it overrides are hooks that the
// inner class offers in its configuration, since Go has no virtual dispatch.
type BigDesk struct {
	*Desk
	drawers int
}

func (b *BigDesk) open(context.Context) (int, error) { return b.drawers, nil }

func ExampleEmbed() {
	create := func(s *objects.State) (*BigDesk, error) {
		d, err := newDesk(s)
		return &BigDesk{d, 3}, err
	}
	objects.NewClass("BigDesk", create,
		objects.Embed(func(b *BigDesk) *Desk { return b.Desk }, objects.Method1("count", (*Desk).count, "item")),
		objects.Method0("open", (*BigDesk).open),
	)
}

// callerFunc is a fake of an object.
type callerFunc func(method string, args []byte) ([]byte, error)

func (f callerFunc) CallRPC(_ context.Context, method string, args []byte) ([]byte, error) {
	return f(method, args)
}

// A typed call needs a Caller: a stub, an object of the test harness, or a fake.
func ExampleCaller() {
	count := objects.Declare1[string, int]("count", "item")
	_, err := count.Call(context.Background(), callerFunc(func(method string, args []byte) ([]byte, error) {
		return nil, &objects.Error{Name: "RangeError", Message: "no desk has a " + method}
	}), "pen")
	var e *objects.Error
	fmt.Println(errors.As(err, &e), e.Name, err)
	// Output: true RangeError RangeError: no desk has a count
}
