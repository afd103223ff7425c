package host

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"time"

	"durago.example/host/storage/v8"
	"durago.example/wasm/value"
)

// rendering makes JSON of a value, and notes what JSON does not have.
type rendering struct{ inexact []string }

// maxInexact bounds the notes.
const maxInexact = 16

func (r *rendering) note(at, what, as string) {
	if len(r.inexact) < maxInexact {
		r.inexact = append(r.inexact, fmt.Sprintf("%s: %s, as %s", at, what, as))
	}
}

// render is what stands for v in JSON.
func (r *rendering) render(at string, v any) any {
	switch v := v.(type) {
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			text := map[bool]string{true: "Infinity", false: "-Infinity"}[v > 0]
			if math.IsNaN(v) {
				text = "NaN"
			}
			r.note(at, text, "a string")
			return text
		}
	case []byte:
		r.note(at, "bytes", "base64")
		return base64.StdEncoding.EncodeToString(v)
	case time.Time:
		r.note(at, "a Date", "a string")
		if v.IsZero() {
			return "Invalid Date"
		}
		return v.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	case *big.Int:
		r.note(at, "a BigInt", "a string")
		return v.String()
	case value.RegExp:
		r.note(at, "a RegExp", "a string")
		return "/" + v.Source + "/" + v.Flags
	case []any:
		return r.list(at, v)
	case value.Set:
		r.note(at, "a Set", "an array")
		return r.list(at, v)
	case value.Sparse:
		return r.sparse(at, v)
	case value.Map:
		r.note(at, "a Map", "an array of pairs")
		out := make([]any, len(v))
		for i, p := range v {
			out[i] = r.list(at+"["+strconv.Itoa(i)+"]", []any{p.Key, p.Value})
		}
		return out
	case *value.Error:
		r.note(at, "an Error", "an object")
		out := r.object(at, v.Props)
		out["name"], out["message"] = v.Name, v.Message
		if v.Cause != nil {
			out["cause"] = r.render(at+".cause", v.Cause)
		}
		return out
	case map[string]any:
		return r.object(at, v)
	}
	return v
}

func (r *rendering) list(at string, v []any) []any {
	out := make([]any, len(v))
	for i, x := range v {
		out[i] = r.render(at+"["+strconv.Itoa(i)+"]", x)
	}
	return out
}

// sparse is an object, since the length of an array with holes may be anything.
func (r *rendering) sparse(at string, v value.Sparse) any {
	r.note(at, fmt.Sprintf("an array of %d with holes", v.Length), "an object")
	out := map[string]any{}
	for _, i := range slices.Sorted(maps.Keys(v.Items)) {
		out[strconv.FormatUint(uint64(i), 10)] = r.render(fmt.Sprintf("%s[%d]", at, i), v.Items[i])
	}
	return out
}

func (r *rendering) object(at string, v map[string]any) map[string]any {
	out := make(map[string]any, len(v))
	for _, k := range slices.Sorted(maps.Keys(v)) {
		out[k] = r.render(at+"."+k, v[k])
	}
	return out
}

// writeValue is JSON as it is stored.
func writeValue(text []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("there is more than one value")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the value is not JSON: %w (a string needs its quotes)", err)
	}
	if v, err = numbers(v); err != nil {
		return nil, err
	}
	encoded, err := value.Marshal(nil, v)
	if err != nil {
		return nil, fmt.Errorf("the value cannot be stored: %w", err)
	}
	stored, err := v8.Encode(nil, encoded)
	if err != nil {
		return nil, fmt.Errorf("the value cannot be stored: %w", err)
	}
	return stored, nil
}

// numbers has each number of JSON a float64.
func numbers(v any) (_ any, err error) {
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("the number %s is beyond what a number can be", v)
		}
		if n, ok := new(big.Int).SetString(v.String(), 10); ok && n.BitLen() > 53 {
			return nil, fmt.Errorf("the number %s has more than 53 bits, and would lose digits: store a string", v)
		}
		return f, nil
	case []any:
		for i := range v {
			if v[i], err = numbers(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = numbers(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}
