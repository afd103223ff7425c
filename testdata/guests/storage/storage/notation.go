package storage

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"durago.example/wasm/value"
)

// Values in scripts are JSON. A number with a point or an exponent is a float64, another an int; what JSON has not is an
// object of one property whose name begins with "$".

// values reads JSON values that follow each other.
func values(text string) ([]any, error) {
	var out []any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	for d.More() {
		var v any
		if err := d.Decode(&v); err != nil {
			return nil, err
		}
		v, err := convert(v)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func convert(v any) (any, error) {
	switch v := v.(type) {
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return v.Float64()
		}
		n, err := strconv.Atoi(v.String())
		return n, err
	case []any:
		for i := range v {
			var err error
			if v[i], err = convert(v[i]); err != nil {
				return nil, err
			}
		}
		return v, nil
	case map[string]any:
		for key, x := range v {
			x, err := convert(x)
			if err != nil {
				return nil, err
			}
			if make := tagged[key]; make != nil {
				return make(x)
			}
			v[key] = x
		}
		return v, nil
	}
	return v, nil
}

// tagged makes what JSON has not from what stands beside its tag.
var tagged = map[string]func(x any) (any, error){
	"$undefined": func(any) (any, error) { return value.Undefined{}, nil },
	"$float":     func(x any) (any, error) { return strconv.ParseFloat(x.(string), 64) },
	"$int64":     func(x any) (any, error) { return strconv.ParseInt(x.(string), 10, 64) },
	"$uint64":    func(x any) (any, error) { return strconv.ParseUint(x.(string), 10, 64) },
	"$uint8":     func(x any) (any, error) { return uint8(x.(int)), nil },
	"$float32":   func(x any) (any, error) { return float32(x.(float64)), nil },
	"$date":      func(x any) (any, error) { return time.UnixMilli(int64(x.(int))).UTC(), nil },
	"$bigint": func(x any) (any, error) {
		n, ok := new(big.Int).SetString(x.(string), 10)
		if !ok {
			return nil, fmt.Errorf("%v is no integer", x)
		}
		return n, nil
	},
	"$bytes": func(x any) (any, error) {
		if x == nil {
			return []byte(nil), nil
		}
		return hex.DecodeString(x.(string))
	},
	"$pointer": func(x any) (any, error) {
		if n, ok := x.(int); ok {
			return &n, nil
		}
		return (*int)(nil), nil
	},
	"$raw": func(x any) (any, error) { // a string of any bytes
		b, err := hex.DecodeString(x.(string))
		return string(b), err
	},
	"$zeros": func(x any) (any, error) { return make([]byte, x.(int)), nil },
	"$regexp": func(x any) (any, error) {
		return value.RegExp{Source: x.([]any)[0].(string), Flags: x.([]any)[1].(string)}, nil
	},
	"$error": func(x any) (any, error) {
		return &value.Error{Name: x.([]any)[0].(string), Message: x.([]any)[1].(string)}, nil
	},
	"$set": func(x any) (any, error) { return value.Set(x.([]any)), nil },
	"$map": func(x any) (any, error) {
		m := value.Map{}
		for _, pair := range x.([]any) {
			m = append(m, value.Pair{Key: pair.([]any)[0], Value: pair.([]any)[1]})
		}
		return m, nil
	},
	"$sparse": func(x any) (any, error) {
		return value.Sparse{Length: uint32(x.([]any)[0].(int)), Items: map[uint32]any{uint32(x.([]any)[1].(int)): x.([]any)[2]}}, nil
	},
}

// show writes a value so that its type is seen.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case float64:
		text := strconv.FormatFloat(v, 'g', -1, 64)
		if strings.ContainsAny(text, ".eIN") {
			return text
		}
		return text + ".0"
	case string:
		return strconv.Quote(v)
	case []byte:
		return "x'" + hex.EncodeToString(v) + "'"
	case time.Time:
		return fmt.Sprintf("date(%d)", v.UnixMilli())
	case *big.Int:
		return v.String() + "n"
	case value.Undefined:
		return "undefined"
	case value.RegExp:
		return "/" + v.Source + "/" + v.Flags
	case *value.Error:
		return fmt.Sprintf("error(%s)", v.Error())
	case value.Sparse:
		return fmt.Sprintf("sparse(%d, %v)", v.Length, v.Items)
	case value.Set:
		return "set" + list(v)
	case value.Map:
		var all []string
		for _, pair := range v {
			all = append(all, show(pair.Key)+" => "+show(pair.Value))
		}
		return "map[" + strings.Join(all, ", ") + "]"
	case []any:
		return list(v)
	case map[string]any:
		var all []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			all = append(all, strconv.Quote(key)+": "+show(v[key]))
		}
		return "{" + strings.Join(all, ", ") + "}"
	}
	return fmt.Sprint(v)
}

func list(v []any) string {
	var all []string
	for _, x := range v {
		all = append(all, show(x))
	}
	return "[" + strings.Join(all, ", ") + "]"
}
