package prepare_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"

	"durago.example/host/isolate/prepare"
)

// with is the small program with other data, in two pages of memory.
func with(segments ...[]byte) []byte {
	b := bytes.Replace(module(), section(5, 1, 0, 1), section(5, 1, 0, 2), 1)
	old := section(11, concat([]byte{1, 0, 0x41, 0x80, 0x08, 0x0b}, name("hi"))...)
	return bytes.Replace(b, old, section(11, concat([]byte{byte(len(segments))}, bytes.Join(segments, nil))...), 1)
}

// segment is one of up to 127 K bytes.
func segment(at int, data []byte) []byte {
	b := []byte{0, 0x41}
	for v := at; ; v >>= 7 { // a signed number
		if v < 64 {
			b = append(b, byte(v))
			break
		}
		b = append(b, byte(v&127)|128)
	}
	return append(binary.AppendUvarint(append(b, 0x0b), uint64(len(data))), data...)
}

// memory is what a module's memory holds once it has been instantiated.
func memory(t *testing.T, wasm []byte) []byte {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	_, err := r.NewHostModuleBuilder("gojs").NewFunctionBuilder().WithFunc(func(context.Context, uint32) {}).Export("runtime.resetMemoryDataView").Instantiate(ctx)
	require.NoError(t, err)
	mod, err := r.Instantiate(ctx, wasm)
	require.NoError(t, err)
	b, ok := mod.Memory().Read(0, mod.Memory().Size())
	require.True(t, ok)
	return bytes.Clone(b)
}

// functions is what the runtime's table has in its first n entries.
func functions(n int) []byte {
	b := make([]byte, 20*n)
	for k := range n {
		binary.LittleEndian.PutUint32(b[20*k:], uint32(k/16))
	}
	return b
}

func TestShrink(t *testing.T) {
	same := func(t *testing.T, wasm []byte) (small []byte) {
		small, err := prepare.Shrink(wasm)
		require.NoError(t, err)
		require.Equal(t, memory(t, wasm), memory(t, small))
		_, err = prepare.Rewrite(small)
		require.NoError(t, err, "the host takes it too")
		return small
	}
	t.Run("a small program stays what it is", func(t *testing.T) {
		small := same(t, module())
		ctx := context.Background()
		r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
		defer r.Close(ctx)
		_, err := r.NewHostModuleBuilder("gojs").NewFunctionBuilder().WithFunc(func(context.Context, uint32) {}).Export("runtime.resetMemoryDataView").Instantiate(ctx)
		require.NoError(t, err)
		mod, err := r.Instantiate(ctx, small)
		require.NoError(t, err)
		got, err := mod.ExportedFunction("count").Call(ctx, 7)
		require.NoError(t, err)
		require.EqualValues(t, 7, got[0])
	})
	t.Run("the table of functions makes itself", func(t *testing.T) {
		table := functions(3000)
		before, after := []byte("before"), append(make([]byte, 16), "after"...)
		wasm := with(segment(500, before), segment(1024, concat(table, after)))
		require.Less(t, len(same(t, wasm)), 400)
	})
	t.Run("what is like the table and ends too soon is data", func(t *testing.T) {
		wasm := with(segment(1024, concat(functions(900), []byte{9})))
		require.Greater(t, len(same(t, wasm)), 900)
	})
	t.Run("from an entry on that is another's, all is data", func(t *testing.T) {
		table := functions(3000)
		table[20*2000+7] = 1
		small := same(t, with(segment(1024, table)))
		require.Less(t, len(small), len(table))
		require.Greater(t, len(small), 1000)
	})
	t.Run("segments that overlap", func(t *testing.T) {
		same(t, with(segment(1024, []byte("first, the longer")), segment(1026, []byte("then")), segment(1024, []byte{0})))
	})
	t.Run("any data", func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 1))
		for range 200 {
			var all [][]byte
			for range rng.IntN(30) {
				b := make([]byte, 1+rng.IntN(60))
				for range rng.IntN(20) {
					b[rng.IntN(len(b))] = byte(rng.Uint32())
				}
				all = append(all, segment(rng.IntN(100_000), b))
			}
			same(t, with(all...))
		}
	})
	t.Run("refuses", func(t *testing.T) {
		for text, b := range map[string][]byte{"not a WebAssembly module": []byte("\x7fELF\x02\x01\x01\x00"), "it ends too early": module()[:40],
			"data beyond the memory": with(segment(200_000, []byte("x"))), "it is no Go program": concat([]byte("\x00asm\x01\x00\x00\x00"), section(10, 0))} {
			_, err := prepare.Shrink(b)
			require.ErrorContains(t, err, text)
		}
	})
}
