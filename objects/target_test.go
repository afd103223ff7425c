package objects_test

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/objects"
	"durago.example/wasm/abi"
)

func TestNewTargetClass(t *testing.T) {
	require.PanicsWithValue(t, `objects: target Till: method "pay" of the contract is not implemented`, func() {
		objects.NewTargetClass[Till, till]()
	})
	more := objects.Method1("more", (*till).pay, "amount")
	require.PanicsWithValue(t, "objects: target Till: a method is implemented that the contract does not list", func() {
		objects.NewTargetClass[Till](objects.Impl1(Pay, (*till).pay), more)
	})
}

// TestTarget_outside: what is no data needs an object or request to be lent by, and cannot be kept.
func TestTarget_outside(t *testing.T) {
	take := objects.DeclareProc1[*objects.Target[Till]]("take", "till")
	read := objects.DeclareProc1[io.Reader]("read", "text")
	to := callerFunc(func(string, []byte) ([]byte, error) { t.Error("it was sent"); return nil, nil })
	for _, err := range []error{take.Call(t.Context(), to, tills.New(&till{})), read.Call(t.Context(), to, strings.NewReader("x"))} {
		require.ErrorContains(t, err, "this context belongs to no object or request")
	}
}

func TestTarget_null(t *testing.T) {
	give := objects.Declare0[*objects.Target[Till]]("give")
	got, err := give.Call(t.Context(), callerFunc(func(string, []byte) ([]byte, error) { return []byte("0"), nil }))
	require.NoError(t, err)
	require.Nil(t, got)
	_, err = give.Call(t.Context(), callerFunc(func(string, []byte) ([]byte, error) { return []byte("T"), nil }))
	require.ErrorContains(t, err, "cannot read a boolean into")
}

// Shelf is a target whose methods speak of others.
type Shelf struct{}

func (Shelf) Methods() []objects.Declared {
	return []objects.Declared{objects.Declare0[[]*objects.Target[Till]]("tills"),
		objects.DeclareProc1[*objects.Callback[map[string]int, objects.Undefined]]("watch", "f")}
}

type library struct{}

func (l *library) shelf(context.Context, io.Reader) (struct{ Shelf *objects.Target[Shelf] }, error) {
	return struct{ Shelf *objects.Target[Shelf] }{}, nil
}

// TestProgram_targets: the manifest has the contracts of all targets that can be reached, each once.
func TestProgram_targets(t *testing.T) {
	class := objects.NewClass("Library", func(*objects.State) (*library, error) { return &library{}, nil },
		objects.Method1("shelf", (*library).shelf, "body"))
	b, err := objects.Program{Classes: []*objects.Class{class, class.As("Other")}}.Driver().Manifest()
	require.NoError(t, err)
	var m abi.Manifest
	require.NoError(t, json.Unmarshal(b, &m))
	require.Equal(t, []abi.ManifestMethod{{Name: "shelf", Result: "{ shelf: Shelf; }",
		Params: []abi.ManifestParam{{Name: "body", Type: "ReadableStream"}}}}, m.Classes[0].Methods)
	require.Equal(t, []abi.ManifestClass{
		{Name: "Shelf", Methods: []abi.ManifestMethod{
			{Name: "tills", Result: "Till[]"},
			{Name: "watch", Result: "void", Params: []abi.ManifestParam{{Name: "f", Type: "(value: Record<string, number>) => void | Promise<void>"}}},
		}},
		{Name: "Till", Methods: []abi.ManifestMethod{{Name: "pay", Result: "number", Params: []abi.ManifestParam{{Name: "amount", Type: "number"}}}}},
	}, m.Targets)
}
