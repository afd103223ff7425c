package websocketserver

import (
	"math"
	"time"

	"durago.example/wasm/value"
)

// plain is a value from RPC as JSON.stringify would have it: what is undefined is left out, times are texts, numbers that
// are none are null. What is not from RPC is left as it is.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			if _, undefined := e.(value.Undefined); !undefined {
				out[k] = plain(e)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		return out
	case value.Undefined:
		return nil
	case value.Map, value.Set:
		return struct{}{}
	case time.Time:
		return v.UTC().Format("2006-01-02T15:04:05.000Z")
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
	}
	return v
}
