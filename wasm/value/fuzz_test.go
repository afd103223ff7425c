package value_test

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/wasm/abi"
	"durago.example/wasm/value"
)

// FuzzMarshal decodes anything into whatever type: no panic; and plain data that was decoded is decoded again from
// what it is encoded to.
func FuzzMarshal(f *testing.F) {
	for _, v := range []any{nil, true, -1, 1.5, "é", []byte{1}, []any{1, "a", nil}, map[string]any{"a": []any{map[string]any{"b": 1}}}, record{Name: "n"}} {
		b, err := value.Marshal(nil, v)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Add([]byte{value.TagArray, 2, value.TagArray, 0, value.TagRef, 1})
	f.Add([]byte{value.TagArray, 1, value.TagRef, 0}) // holds itself
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, p := range []any{new(record), new([]string), new(map[string]int), new(int), new(string), new([3]float64), new(*bool)} {
			_ = value.Unmarshal(b, p)
		}
		var v any
		if value.Unmarshal(b, &v) != nil {
			return
		}
		again, err := value.Marshal(nil, v)
		if err != nil {
			return // a shape that only JavaScript can make
		}
		var w any
		require.NoError(t, value.Unmarshal(again, &w))
		third, err := value.Marshal(nil, w)
		require.NoError(t, err)
		require.Equal(t, len(again), len(third)) // the order of a map's keys is free
	})
}

// TestUnmarshal_cost: what a stranger may send costs no more than its size allows.
func TestUnmarshal_cost(t *testing.T) {
	deep := func(n int) []byte { return append(bytes.Repeat([]byte{value.TagArray, 1}, n), value.TagNull) }
	bomb := []byte{value.TagArray, 30} // each array twice the one before: 2^30 values
	bomb = append(bomb, value.TagArray, 1, value.TagNull)
	for i := range 29 {
		bomb = append(bomb, value.TagArray, 2, value.TagRef, byte(i+1), value.TagRef, byte(i+1))
	}
	for name, row := range map[string]struct {
		b   []byte
		err error
	}{
		"as deep as allowed":        {deep(abi.MaxDepth - 1), nil},
		"one deeper":                {deep(abi.MaxDepth), value.ErrDepth},
		"a million deep":            {deep(1_000_000), value.ErrDepth},
		"back-references that grow": {bomb, value.ErrCost},
		"one that holds itself":     {[]byte{value.TagArray, 1, value.TagRef, 0}, value.ErrDepth},
		"a long array of nothing":   {binary.AppendUvarint([]byte{value.TagArray}, 1<<40), value.ErrMalformed},
		"a long string of nothing":  {binary.AppendUvarint([]byte{value.TagString}, 1<<62), value.ErrMalformed},
		"a sparse array of 2^60":    {append(binary.AppendUvarint([]byte{value.TagSparse}, 1<<60), 0), nil},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			var v any
			err := value.Unmarshal(row.b, &v)
			runtime.ReadMemStats(&after)
			if row.err != nil {
				require.ErrorIs(t, err, row.err)
			} else {
				require.NoError(t, err)
			}
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20+64*len(row.b)))
		})
	}
}
