package objects_test

import (
	"context"
	"fmt"
	"io"
	"strings"

	"durago.example/objects"
)

// Till is the contract of a target: what a desk lends to one who wants to pay.
type Till struct{}

func (Till) Methods() []objects.Declared { return []objects.Declared{Pay} }

// Pay is the till's only method.
var Pay = objects.Declare1[int, int]("pay", "amount")

// till is what is behind it.
type till struct{ sum int }

func (t *till) pay(_ context.Context, amount int) (int, error) {
	t.sum += amount
	return t.sum, nil
}

// Dispose is called when nobody has the till any more.
func (t *till) Dispose() {}

var tills = objects.NewTargetClass[Till](objects.Impl1(Pay, (*till).pay))

func (d *Desk) till(context.Context) (*objects.Target[Till], error) { return tills.New(&till{}), nil }

// A method lends a target; who called it calls the target until it disposes it. JavaScript sees an RpcTarget:
//
//	using till = await desk.till();
//	await till.pay(5);
func ExampleTarget() {
	open := objects.Method0("till", (*Desk).till)
	objects.NewClass("Desk", newDesk, open)
	_ = func(ctx context.Context, desk *objects.Stub) (int, error) {
		t, err := open.Call(ctx, desk)
		if err != nil {
			return 0, err
		}
		defer t.Dispose()
		return Pay.Call(ctx, t, 5)
	}
	// Whoever makes a target may call it too.
	sum, err := Pay.Call(context.Background(), tills.New(&till{}), 5)
	fmt.Println(sum, err)
	// Output: 5 <nil>
}

func (d *Desk) each(ctx context.Context, f *objects.Callback[string, objects.Undefined]) error {
	for item := range d.items {
		if _, err := f.Call(ctx, item); err != nil {
			return err
		}
	}
	return nil
}

// A callback is called from the other side until the method returns; JavaScript passes a function.
func ExampleCallback() {
	each := objects.MethodProc1("each", (*Desk).each, "f")
	objects.NewClass("Desk", newDesk, each)
	_ = func(ctx context.Context, desk *objects.Stub) (items []string, err error) {
		err = each.Call(ctx, desk, objects.NewCallback(func(_ context.Context, item string) (objects.Undefined, error) {
			items = append(items, item)
			return objects.Undefined{}, nil
		}))
		return items, err
	}
}

func (d *Desk) load(_ context.Context, list io.Reader) (io.Reader, error) {
	b, err := io.ReadAll(list)
	return strings.NewReader(strings.ToUpper(string(b))), err
}

// Streams are io.Readers, ReadableStreams in JavaScript. What is not read to its end is closed.
func ExampleMethod1_stream() {
	load := objects.Method1("load", (*Desk).load, "list")
	objects.NewClass("Desk", newDesk, load)
	_ = func(ctx context.Context, desk *objects.Stub) ([]byte, error) {
		answer, err := load.Call(ctx, desk, strings.NewReader("pen\npaper\n"))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(answer)
	}
}

// Gate is an entrypoint: what a service binding names, made for each event.
type Gate struct{ may string }

func (g *Gate) allowed(context.Context) (string, error) { return g.may, nil }

// Props are what the binding says, and nobody who calls can change:
//
//	[[services]]
//	binding = "GATE"
//	service = "desk"
//	entrypoint = "Gate"
//	props = { may = "read" }
func ExampleNewService() {
	may := objects.Method0("may", (*Gate).allowed)
	gate := objects.NewService("Gate", func(ctx context.Context) (*Gate, error) {
		var props struct{ May string }
		_, err := objects.Props(ctx, &props)
		return &Gate{props.May}, err
	}, may)
	_ = objects.Program{Services: []*objects.Service{gate}}
	_ = func(ctx context.Context) (string, error) { return may.Call(ctx, objects.ServiceOf(ctx, "GATE")) }
}

// What may be done twice may be tried again, on a new stub.
func ExampleNamespace_Retry() {
	count := objects.Declare1[string, int]("count", "item")
	_ = func(ctx context.Context, desks *objects.Namespace, id objects.ID) (n int, err error) {
		err = desks.Retry(ctx, id, nil, func(ctx context.Context, desk *objects.Stub) error {
			n, err = count.Call(ctx, desk, "pen")
			return err
		})
		return n, err
	}
}
