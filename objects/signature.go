package objects

import (
	"context"
	"fmt"
	"reflect"

	"durago.example/wasm/abi"
)

// Signature is the erased description of a method: the manifest, the shim and the type declarations are made from it.
type Signature struct {
	Name   string
	Params []string // the names of the parameters, one for each of In
	In     []reflect.Type
	Out    reflect.Type // nil: no result
}

func (s *Signature) describe() abi.ManifestMethod {
	m := abi.ManifestMethod{Name: s.Name, Result: "void"}
	for i, t := range s.In {
		m.Params = append(m.Params, abi.ManifestParam{Name: s.Params[i], Type: describeType(t)})
	}
	if s.Out != nil {
		m.Result = describeType(s.Out)
	}
	return m
}

// Caller is what a typed call needs. *Stub, the test harness and a fake satisfy it; only standard-library types
// appear, so that host code implements it without importing this package.
type Caller interface {
	// CallRPC calls a method; args and result are in the values' codec.
	CallRPC(ctx context.Context, method string, args []byte) (result []byte, err error)
}

func invoke(ctx context.Context, c Caller, s *Signature, out any, in ...any) error {
	args, err := encodeArgs(ctx, in)
	if err != nil {
		return fmt.Errorf("objects: %s: %w", s.Name, err)
	}
	b, err := c.CallRPC(ctx, s.Name, args)
	if err != nil {
		return err
	}
	if out == nil {
		return nil
	}
	if err := decodeResult(ctx, b, out); err != nil {
		return fmt.Errorf("objects: result of %s: %w", s.Name, err)
	}
	return nil
}
