package objects_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/objects"
	"durago.example/objects/driver"
	"durago.example/wasm/abi"
	"durago.example/wasm/value"
)

// Sum is an object with a method of each arity; each returns what it got.
type Sum struct{ got []any }

type options struct {
	Max  int     `json:"max"`
	Note *string `json:"note,omitempty"`
}

func newSum(*objects.State) (*Sum, error) { return &Sum{}, nil }

func (s *Sum) zero(context.Context) (int, error)                 { return 0, nil }
func (s *Sum) one(_ context.Context, a int) (int, error)         { return a, nil }
func (s *Sum) two(_ context.Context, a, b int) (int, error)      { return a + b, nil }
func (s *Sum) three(_ context.Context, a, b, c int) (int, error) { return a + b + c, nil }
func (s *Sum) four(_ context.Context, a, b, c int, d *int) (int, error) {
	s.got = []any{a, b, c, d}
	return a + b + c, nil
}
func (s *Sum) proc0(context.Context) error                { s.got = append(s.got, "proc0"); return nil }
func (s *Sum) proc1(_ context.Context, a string) error    { s.got = append(s.got, a); return nil }
func (s *Sum) proc2(_ context.Context, a, b string) error { s.got = append(s.got, a, b); return nil }
func (s *Sum) proc3(_ context.Context, a, b, c string) error {
	s.got = append(s.got, a, b, c)
	return nil
}
func (s *Sum) proc4(_ context.Context, a, b, c string, o options) error {
	s.got = append(s.got, a, b, c, o)
	return nil
}
func (s *Sum) fail(context.Context) (int, error) { return 0, errors.New("no") }
func (s *Sum) loose(_ context.Context, any any, list []int) (bool, error) {
	return any == nil && list == nil, nil
}

var (
	zero  = objects.Method0("zero", (*Sum).zero)
	one   = objects.Method1("one", (*Sum).one, "a")
	two   = objects.Method2("two", (*Sum).two, "a", "b")
	three = objects.Method3("three", (*Sum).three, "a", "b", "c")
	four  = objects.Method4("four", (*Sum).four, "a", "b", "c", "d")
	proc0 = objects.MethodProc0("proc0", (*Sum).proc0)
	proc1 = objects.MethodProc1("proc1", (*Sum).proc1, "a")
	proc2 = objects.MethodProc2("proc2", (*Sum).proc2, "a", "b")
	proc3 = objects.MethodProc3("proc3", (*Sum).proc3, "a", "b", "c")
	proc4 = objects.MethodProc4("proc4", (*Sum).proc4, "a", "b", "c", "options")
	fail  = objects.Method0("fail", (*Sum).fail)
	loose = objects.Method2("loose", (*Sum).loose, "any", "list")
)

func sumClass() *objects.Class {
	return objects.NewClass("Sum", newSum, zero, one, two, three, four, proc0, proc1, proc2, proc3, proc4, fail, loose)
}

// direct is a Caller that calls an object in the same process.
type direct struct{ driver.Instance }

func (d direct) CallRPC(ctx context.Context, method string, args []byte) ([]byte, error) {
	return d.Call(ctx, method, args)
}

// TestMethod calls a method of each arity through both halves: what the caller encodes is what the object gets.
func TestMethod(t *testing.T) {
	ctx := t.Context()
	var s *Sum
	class := objects.NewClass("Sum", func(*objects.State) (*Sum, error) { s = &Sum{}; return s, nil },
		zero, one, two, three, four, proc0, proc1, proc2, proc3, proc4, fail)
	o := direct{start(t, class, nil)}
	n, err := zero.Call(ctx, o)
	require.NoError(t, err)
	require.Equal(t, 0, n)
	n, err = one.Call(ctx, o, 1)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	n, err = two.Call(ctx, o, 1, 2)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	n, err = three.Call(ctx, o, 1, 2, 3)
	require.NoError(t, err)
	require.Equal(t, 6, n)
	d := 4
	n, err = four.Call(ctx, o, 1, 2, 3, &d)
	require.NoError(t, err)
	require.Equal(t, 6, n)
	require.Equal(t, []any{1, 2, 3, &d}, s.got)

	s.got = nil
	require.NoError(t, proc0.Call(ctx, o))
	require.NoError(t, proc1.Call(ctx, o, "a"))
	require.NoError(t, proc2.Call(ctx, o, "b", "c"))
	require.NoError(t, proc3.Call(ctx, o, "d", "e", "f"))
	note := "n"
	require.NoError(t, proc4.Call(ctx, o, "g", "h", "i", options{3, &note}))
	require.Equal(t, []any{"proc0", "a", "b", "c", "d", "e", "f", "g", "h", "i", options{3, &note}}, s.got)

	_, err = fail.Call(ctx, o)
	require.EqualError(t, err, "no")
	_, err = objects.Declare0[string]("zero").Call(ctx, o)
	require.EqualError(t, err, "objects: result of zero: cannot read a number into string")
	_, err = objects.Declare0[int]("none").Call(ctx, o)
	require.EqualError(t, err, `TypeError: The RPC receiver does not implement the method "none".`)
	_, err = objects.Declare1[chan int, int]("one", "a").Call(ctx, o, nil)
	require.ErrorContains(t, err, "objects: one: argument 1: ")
}

// TestMethod_arguments: missing arguments are undefined and further ones are ignored, as in JavaScript; what does not
// fit is a TypeError that names the argument.
func TestMethod_arguments(t *testing.T) {
	o := start(t, sumClass(), nil)
	for _, r := range []struct {
		method string
		args   []any
		want   string // of the result, as JSON; or of the error
	}{
		{"two", []any{1, 2, "further"}, "3"},
		{"four", []any{1, 2, 3}, "6"},
		{"four", []any{1, 2, 3, nil}, "6"},
		{"loose", nil, "true"},
		{"two", []any{1}, "TypeError: two: argument 2 (b) is missing: want int"},
		{"one", nil, "TypeError: one: argument 1 (a) is missing: want int"},
		{"one", []any{"x"}, "TypeError: one: argument 1 (a): cannot read a string into int"},
		{"three", []any{1, 2, 1.5}, "TypeError: three: argument 3 (c): cannot read 1.5 into int"},
		{"proc4", []any{"", "", "", map[string]any{"max": "x"}}, "TypeError: proc4: argument 4 (options): max: cannot read a string into int"},
	} {
		args, err := value.Marshal(nil, append([]any{}, r.args...))
		require.NoError(t, err)
		b, err := o.Call(t.Context(), r.method, args)
		if err != nil {
			require.Equal(t, r.want, err.Error(), r.method)
			require.Equal(t, objects.InvalidArgument, err.(*objects.Error).Props["code"])
			continue
		}
		var v any
		require.NoError(t, value.Unmarshal(b, &v))
		got, err := json.Marshal(v)
		require.NoError(t, err)
		require.Equal(t, r.want, string(got), r.method)
	}
	_, err := o.Call(t.Context(), "one", []byte{1, 2, 3})
	require.ErrorContains(t, err, "TypeError: one: malformed arguments: ")
}

func TestNewClass(t *testing.T) {
	require.PanicsWithValue(t, `objects: class Sum: method "one" is registered twice`, func() {
		objects.NewClass("Sum", newSum, one, two, one)
	})
	for name, r := range map[string]struct {
		create func(*objects.State) (*Sum, error)
		want   string
	}{
		"error": {func(*objects.State) (*Sum, error) { return nil, errors.New("not today") }, "not today"},
		"nil":   {func(*objects.State) (*Sum, error) { return nil, nil }, "objects: the constructor of class Sum returned nil without an error"},
	} {
		t.Run(name, func(t *testing.T) {
			c := objects.NewClass("Sum", r.create)
			_, err := objects.Program{Classes: []*objects.Class{c}}.Driver().Classes[0].New(nil, driver.ID{})
			require.EqualError(t, err, r.want)
		})
	}
}

// outer embeds Sum.
type outer struct {
	*Sum
	calls int
}

func (o *outer) mine(context.Context) (int, error) { o.calls++; return o.calls, nil }

func TestEmbed(t *testing.T) {
	create := func(*objects.State) (*outer, error) { return &outer{Sum: &Sum{}}, nil }
	inner := func(o *outer) *Sum { return o.Sum }
	mine := objects.Method0("mine", (*outer).mine)
	o := direct{start(t, objects.NewClass("Outer", create, objects.Embed(inner, one, proc1), mine), nil)}
	n, err := one.Call(t.Context(), o, 5)
	require.NoError(t, err)
	require.Equal(t, 5, n)
	require.NoError(t, proc1.Call(t.Context(), o, "a"))
	n, err = mine.Call(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	_, err = two.Call(t.Context(), o, 1, 2)
	require.ErrorContains(t, err, `does not implement the method "two"`, "what is not lifted is not there")
	require.PanicsWithValue(t, `objects: class Outer: method "one" is registered twice`, func() {
		objects.NewClass("Outer", create, objects.Embed(inner, one), objects.Embed(inner, one))
	})
}

// able has every ability.
type able struct{ http.Handler }

func (*able) Alarm(context.Context, objects.AlarmInfo) error                              { return nil }
func (*able) WebSocketMessage(context.Context, *objects.WebSocket, objects.Message) error { return nil }
func (*able) WebSocketClose(context.Context, *objects.WebSocket, objects.CloseInfo) error { return nil }
func (*able) WebSocketError(ctx context.Context, ws *objects.WebSocket, err error) error  { return nil }
func (s *Sum) described(context.Context, options, []byte) (map[string]options, error) {
	return nil, nil
}

// TestProgram_manifest: what a program says about itself is what its types say.
func TestProgram_manifest(t *testing.T) {
	p := objects.Program{
		Fetch: http.NotFoundHandler(),
		Classes: []*objects.Class{
			objects.NewClass("Sum", newSum, objects.Method2("described", (*Sum).described, "options", "bytes"), proc0),
			objects.NewClass("Able", func(*objects.State) (*able, error) { return &able{}, nil }).As("Other"),
		},
		Services: []*objects.Service{objects.NewService("Admin", func(context.Context) (*Sum, error) { return &Sum{}, nil })},
	}
	b, err := p.Driver().Manifest()
	require.NoError(t, err)
	var m abi.Manifest
	require.NoError(t, json.Unmarshal(b, &m))
	require.Equal(t, abi.Manifest{
		ABI: abi.Version, Fetch: true, Services: []abi.ManifestClass{{Name: "Admin"}},
		Classes: []abi.ManifestClass{
			{Name: "Sum", Methods: []abi.ManifestMethod{
				{Name: "described", Result: "Record<string, { max: number; note?: string; }>", Params: []abi.ManifestParam{
					{Name: "options", Type: "{ max: number; note?: string; }"}, {Name: "bytes", Type: "ArrayBuffer"}}},
				{Name: "proc0", Result: "void"},
			}},
			{Name: "Other", Fetch: true, Alarm: true, Message: true, Close: true, Error: true},
		},
	}, m)

	p = objects.Program{Scheduled: func(context.Context, objects.ScheduledEvent) error { return nil },
		Queue: func(context.Context, *objects.QueueBatch) error { return nil }}
	b, err = p.Driver().Manifest()
	require.NoError(t, err)
	m = abi.Manifest{}
	require.NoError(t, json.Unmarshal(b, &m))
	require.Equal(t, abi.Manifest{ABI: abi.Version, Scheduled: true, Queue: true}, m)
}

// TestContext_foreign: what belongs to no object or request fails and says what to pass.
func TestContext_foreign(t *testing.T) {
	ctx := context.Background()
	const want = "objects: this context belongs to no object or request; pass the handler's context"
	_, err := objects.EnvOf(ctx).KV("A")
	require.EqualError(t, err, want)
	_, ok := objects.EnvOf(ctx).Var("A")
	require.False(t, ok)
	require.EqualError(t, objects.EnvOf(ctx).JSON("A", nil), "objects: variable A is not set: add it to vars in the wrangler configuration")
	_, err = objects.Fetch(ctx, nil)
	require.EqualError(t, err, want)
	ns := objects.NamespaceOf(ctx, "A")
	_, err = ns.IDFromName("a")
	require.EqualError(t, err, want)
	_, err = ns.NewUniqueID(nil)
	require.EqualError(t, err, want)
	_, err = ns.ParseID("00")
	require.EqualError(t, err, want)
	require.EqualError(t, ns.GetByName("a").Call(ctx, nil, "m"), want)
	_, err = ns.Get(objects.ID{}).Fetch(ctx, nil)
	require.EqualError(t, err, want)
	require.EqualError(t, ns.GetByName("a").Forward(nil, nil), want)
}
