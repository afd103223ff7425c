package value_test

import (
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"durago.example/wasm/value"
)

type inner struct {
	Deep []string
}

type record struct {
	Name  string
	Count int      `js:"n"`
	Ratio *float64 `js:"ratio,omitempty"`
	inner
	Skip string `js:"-"`
	When time.Time
	Raw  []byte
}

func TestMarshal_roundTrip(t *testing.T) {
	half := 0.5
	for name, v := range map[string]any{
		"bool": true, "int": -3, "big": int64(1) << 53, "float": 1.5, "string": "é😀", "bytes": []byte{0, 255}, "time": time.UnixMilli(5).UTC(),
		"slice": []int{1, 2}, "array": [2]string{"a", "b"}, "object": map[string]int{"a": 1}, "map": map[int]string{1: "x"},
		"struct": record{Name: "n", Count: 2, Ratio: &half, inner: inner{[]string{"d"}}, When: time.UnixMilli(7).UTC(), Raw: []byte("r")},
		"nested": map[string][]record{"x": {{Name: "y", When: time.UnixMilli(1).UTC(), Raw: []byte{}, inner: inner{[]string{}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := value.Marshal(nil, v)
			require.NoError(t, err)
			got := newOf(v)
			require.NoError(t, value.Unmarshal(b, got))
			require.Equal(t, v, deref(got))
		})
	}
}

func TestMarshal_any(t *testing.T) {
	n, _ := new(big.Int).SetString("-123456789012345678901234567890", 10)
	for name, v := range map[string]any{
		"null": nil, "number": 1.0, "infinity": math.Inf(1), "list": []any{nil, "x", 2.0}, "object": map[string]any{"k": []any{}},
		"bigint": n, "map": value.Map{{Key: "a", Value: 1.0}}, "set": value.Set{"a"}, "regexp": value.RegExp{Source: "a", Flags: "g"},
		"sparse": value.Sparse{Length: 9, Items: map[uint32]any{3: "x"}}, "handle": value.Handle{Kind: 1, ID: 7},
		"error": &value.Error{Name: "TypeError", Message: "m", Cause: "c", Props: map[string]any{"code": 1.0}},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := value.Marshal(nil, v)
			require.NoError(t, err)
			var got any
			require.NoError(t, value.Unmarshal(b, &got))
			require.Equal(t, v, got)
		})
	}
}

func TestUnmarshal_errors(t *testing.T) {
	for _, row := range []struct {
		name string
		from any
		into any
		text string
	}{
		{"string into int", map[string]any{"n": "x"}, new(record), "n: cannot read a string into int"},
		{"fraction into int", 1.5, new(int), "cannot read 1.5 into int"},
		{"overflow", 300, new(int8), "300 does not fit int8"},
		{"negative into uint", -1, new(uint), "-1 does not fit uint"},
		{"null into string", nil, new(string), "cannot read null into string"},
		{"object into list", map[string]any{}, new([]int), "cannot read an object into []int"},
		{"deep path", map[string]any{"deep": []any{"a", 1.0}}, new(record), "deep: [1]: cannot read a number into string"},
	} {
		t.Run(row.name, func(t *testing.T) {
			b, err := value.Marshal(nil, row.from)
			require.NoError(t, err)
			require.EqualError(t, value.Unmarshal(b, row.into), row.text)
		})
	}
	_, err := value.Marshal(nil, int64(1)<<53+1)
	require.ErrorContains(t, err, "use *big.Int or a string")
	_, err = value.Marshal(nil, func() {})
	require.ErrorContains(t, err, "cannot cross")
}

func TestUnmarshal_lenient(t *testing.T) {
	b, err := value.Marshal(nil, map[string]any{"name": "n", "unknown": []any{1.0}, "raw": nil})
	require.NoError(t, err)
	r := record{Count: 9}
	require.NoError(t, value.Unmarshal(b, &r))
	require.Equal(t, record{Name: "n", Count: 9}, r)
}

func TestUnmarshal_hostile(t *testing.T) {
	deep := []byte(strings.Repeat("A\x01", 100_000) + "0")
	var v any
	require.ErrorIs(t, value.Unmarshal(deep, &v), value.ErrDepth)
	var s [][][]string
	require.Error(t, value.Unmarshal(deep, &s))
	require.ErrorIs(t, value.Unmarshal([]byte("A\xff\xff\xff\xff\x0f"), &v), value.ErrMalformed)

	t.Run("back-references expand to little", func(t *testing.T) {
		// [[], [^1,^1], [^2,^2], …]: each doubles the one before.
		b := []byte("A\x20A\x00")
		for i := range 31 {
			b = append(b, 'A', 2, '^', byte(i+1), '^', byte(i+1))
		}
		require.ErrorIs(t, value.Unmarshal(b, &v), value.ErrCost)
	})
	t.Run("a back-reference is what it refers to", func(t *testing.T) {
		require.NoError(t, value.Unmarshal([]byte("A\x02O\x01\x01kT^\x01"), &v))
		require.Equal(t, []any{map[string]any{"k": true}, map[string]any{"k": true}}, v)
	})
}

func TestUnmarshal_roundTripOfAnyFloat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.Float64().Draw(t, "f")
		b, err := value.Marshal(nil, f)
		require.NoError(t, err)
		var g float64
		require.NoError(t, value.Unmarshal(b, &g))
		require.Equal(t, math.Float64bits(f), math.Float64bits(g))
	})
}

func FuzzUnmarshal(f *testing.F) {
	for _, v := range []any{nil, 1.5, "x", []any{map[string]any{"a": true}}, record{Name: "n"}} {
		b, _ := value.Marshal(nil, v)
		f.Add(b)
	}
	f.Add([]byte("A\x02O\x01\x01kT^\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var v any
		if value.Unmarshal(b, &v) == nil {
			if _, err := value.Marshal(nil, v); err != nil {
				t.Skip("a decoded integer may be a float beyond 2^53")
			}
		}
		var r record
		_ = value.Unmarshal(b, &r)
		var m map[string][]int
		_ = value.Unmarshal(b, &m)
	})
}
