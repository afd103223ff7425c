package value_test

import (
	"math/big"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/wasm/value"
)

type node struct{ Next []node }

func TestDescribe(t *testing.T) {
	for want, v := range map[string]any{
		"boolean":                 true,
		"number":                  uint8(1),
		"string":                  "",
		"Date":                    time.Time{},
		"bigint":                  (*big.Int)(nil),
		"ArrayBuffer":             []byte(nil),
		"number[]":                [2]int{},
		"number | null":           (*int)(nil),
		"(string | null)[]":       []*string(nil),
		"Record<string, boolean>": map[string]bool(nil),
		"Map<number, string>":     map[int]string(nil),
		"{ a: number; b?: string; }": struct {
			A int
			B *string `json:"b,omitempty"`
		}{},
		"{ id: number; urlPath: number; ok2: number; a1: number; x: number; }": struct{ ID, URLPath, OK2, A1, X int }{},
		`{ "max-tokens": number; $x: number; "2": number; }`: struct {
			Max   int `json:"max-tokens"`
			X     int `js:"$x"`
			Digit int `json:"2"`
		}{},
	} {
		t.Run(want, func(t *testing.T) { require.Equal(t, want, value.Describe(reflect.TypeOf(v))) })
	}
	t.Run("any", func(t *testing.T) { require.Equal(t, "any", value.Describe(reflect.TypeFor[any]())) })
	t.Run("recursive", func(t *testing.T) { require.Contains(t, value.Describe(reflect.TypeFor[node]()), "unknown") })
}
