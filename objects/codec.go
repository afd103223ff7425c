package objects

import (
	"fmt"
	"reflect"

	"durago.example/wasm/value"
)

func decodeValue(b []byte, into any) error { return value.Unmarshal(b, into) }

func encodeValue(v any) ([]byte, error) { return value.Marshal(nil, v) }

func encodeUndefined() ([]byte, error) { return value.AppendUndefined(nil), nil }

// encodeResult encodes what r points to.
func encodeResult(s *Signature, r any) ([]byte, error) {
	b, err := value.AppendReflect(nil, reflect.ValueOf(r).Elem())
	if err != nil {
		return nil, fmt.Errorf("objects: result of %s: %w", s.Name, err)
	}
	return b, nil
}

// encodeArgs encodes what the pointers point to as an array.
func encodeArgs(in []any) ([]byte, error) {
	b := value.AppendArray(make([]byte, 0, 32), len(in))
	var err error
	for i, p := range in {
		if b, err = value.AppendReflect(b, reflect.ValueOf(p).Elem()); err != nil {
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
	}
	return b, nil
}

// decodeArgs reads an array of arguments. Missing ones are undefined, further ones are ignored, as in JavaScript.
func decodeArgs(s *Signature, args []byte, into ...any) error {
	n, rest, err := value.ReadArray(args)
	if err != nil {
		return &Error{Name: "TypeError", Message: fmt.Sprintf("%s: malformed arguments: %v", s.Name, err)}
	}
	for i, p := range into {
		if i >= n {
			if k := s.In[i].Kind(); k == reflect.Pointer || k == reflect.Interface || k == reflect.Slice || k == reflect.Map {
				continue
			}
			return &Error{Name: "TypeError", Message: fmt.Sprintf("%s: argument %d (%s) is missing: want %s", s.Name, i+1, s.Params[i], s.In[i])}
		}
		if rest, err = value.ReadInto(rest, p); err != nil {
			return &Error{Name: "TypeError", Message: fmt.Sprintf("%s: argument %d (%s): %v", s.Name, i+1, s.Params[i], err)}
		}
	}
	return nil
}

func describeType(t reflect.Type) string { return value.Describe(t) }
