package objects

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"durago.example/wasm/value"
)

func decodeValue(b []byte, into any) error { return value.Unmarshal(b, into) }

func encodeValue(v any) ([]byte, error) { return value.Marshal(nil, v) }

func encodeUndefined() ([]byte, error) { return value.AppendUndefined(nil), nil }

// encodeResult encodes what r points to.
func encodeResult(ctx context.Context, s *Signature, r any) ([]byte, error) {
	b, err := value.AppendReflect(nil, reflect.ValueOf(r).Elem())
	if errors.Is(err, value.ErrLink) {
		b, err = encodeLinked(ctx, []reflect.Value{reflect.ValueOf(r).Elem()}, false)
	}
	if err != nil {
		return nil, fmt.Errorf("objects: result of %s: %w", s.Name, err)
	}
	return b, nil
}

// decodeResult decodes the result of a call into a pointer.
func decodeResult(ctx context.Context, b []byte, into any) error {
	if len(b) > 0 && b[0] == value.TagLinks {
		k := &linker{ctx: ctx}
		rest, err := k.open(b)
		if err != nil {
			return err
		}
		defer k.finish()
		_, err = value.ReadLinked(rest, into, k)
		return err
	}
	return decodeValue(b, into)
}

// encodeArgs encodes what the pointers point to as an array.
func encodeArgs(ctx context.Context, in []any) ([]byte, error) {
	b := value.AppendArray(make([]byte, 0, 32), len(in))
	var err error
	for i, p := range in {
		if b, err = value.AppendReflect(b, reflect.ValueOf(p).Elem()); err != nil {
			if errors.Is(err, value.ErrLink) {
				return encodeLinkedArgs(ctx, in)
			}
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
	}
	return b, nil
}

func encodeLinkedArgs(ctx context.Context, in []any) ([]byte, error) {
	values := make([]reflect.Value, len(in))
	for i, p := range in {
		values[i] = reflect.ValueOf(p).Elem()
	}
	return encodeLinked(ctx, values, true)
}

// decodeArgs reads an array of arguments. Missing ones are undefined, further ones are ignored, as in JavaScript.
func decodeArgs(ctx context.Context, s *Signature, args []byte, into ...any) error {
	if len(args) > 0 && args[0] == value.TagLinks {
		k := &linker{ctx: ctx}
		rest, err := k.open(args)
		if err != nil {
			return malformed(s, err)
		}
		defer k.finish()
		return readArgs(s, rest, into, func(b []byte, p any) ([]byte, error) { return value.ReadLinked(b, p, k) })
	}
	return readArgs(s, args, into, value.ReadInto)
}

func readArgs(s *Signature, args []byte, into []any, read func([]byte, any) ([]byte, error)) error {
	n, rest, err := value.ReadArray(args)
	if err != nil {
		return malformed(s, err)
	}
	for i, p := range into {
		if i >= n {
			if k := s.In[i].Kind(); k == reflect.Pointer || k == reflect.Interface || k == reflect.Slice || k == reflect.Map {
				continue
			}
			return invalidArgument("%s: argument %d (%s) is missing: want %s", s.Name, i+1, s.Params[i], s.In[i])
		}
		if rest, err = read(rest, p); err != nil {
			return invalidArgument("%s: argument %d (%s): %v", s.Name, i+1, s.Params[i], err)
		}
	}
	return nil
}

func invalidArgument(format string, args ...any) error {
	return &Error{Name: "TypeError", Message: fmt.Sprintf(format, args...), Props: map[string]any{"code": InvalidArgument}}
}

func malformed(s *Signature, err error) error {
	return &Error{Name: "TypeError", Message: fmt.Sprintf("%s: malformed arguments: %v", s.Name, err)}
}

func describeType(t reflect.Type) string { return value.Describe(t) }
