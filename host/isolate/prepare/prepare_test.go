package prepare_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"go.uber.org/goleak"

	"durago.example/host/isolate/prepare"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func section(id byte, body ...byte) []byte {
	return append(binary.AppendUvarint([]byte{id}, uint64(len(body))), body...)
}

func name(s string) []byte { return append([]byte{byte(len(s))}, s...) }

func concat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// module is a small program: count(n) loops n times and returns how often; its memory holds "hi" at 1024.
func module() []byte {
	return concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, 2, 0x60, 1, 0x7f, 0, 0x60, 1, 0x7f, 1, 0x7f), // (i32) → (), (i32) → i32
		section(2, concat([]byte{1}, name("gojs"), name("runtime.resetMemoryDataView"), []byte{0, 0})...),
		section(3, 1, 1),
		section(5, 1, 0, 1),
		section(7, concat([]byte{2}, name("count"), []byte{0, 1}, name("mem"), []byte{2, 0})...),
		section(10, concat([]byte{1, 25}, []byte{1, 1, 0x7f, // one local
			0x03, 0x40, // loop
			0x20, 1, 0x41, 1, 0x6a, 0x21, 1, // i++
			0x20, 1, 0x20, 0, 0x48, 0x0d, 0, // br_if i < n
			0x0b, 0x20, 1, 0x01, 0x01, 0x0b})...),
		section(11, concat([]byte{1, 0, 0x41, 0x80, 0x08, 0x0b}, name("hi"))...))
}

func TestRewrite(t *testing.T) {
	m, err := prepare.Rewrite(module())
	require.NoError(t, err)
	require.Equal(t, []prepare.Segment{{Offset: 1024, Data: []byte("hi")}}, m.Segments)
	require.Equal(t, map[string]bool{"gojs.runtime.resetMemoryDataView": true}, m.Imports)
	require.Equal(t, map[string]bool{"count": true, "mem": true}, m.Exports)

	t.Run("is deterministic, and leaves its input alone", func(t *testing.T) {
		in := module()
		again, err := prepare.Rewrite(in)
		require.NoError(t, err)
		require.Equal(t, m.Wasm, again.Wasm)
		require.Equal(t, module(), in)
	})
	t.Run("loops count the budget down and call the host at zero", func(t *testing.T) {
		ctx := context.Background()
		r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
		defer r.Close(ctx)
		called := 0
		_, err := r.NewHostModuleBuilder("gojs").NewFunctionBuilder().WithFunc(func(_ context.Context, mod api.Module, sp uint32) {
			require.Zero(t, sp)
			called++
		}).Export("runtime.resetMemoryDataView").Instantiate(ctx)
		require.NoError(t, err)
		mod, err := r.Instantiate(ctx, m.Wasm)
		require.NoError(t, err)
		b, _ := mod.Memory().Read(1024, 2)
		require.Equal(t, "\x00\x00", string(b), "the data is not in the module any more")
		got, err := mod.ExportedFunction("count").Call(ctx, 3*prepare.Budget+95)
		require.NoError(t, err)
		require.EqualValues(t, 3*prepare.Budget+95, got[0])
		require.Equal(t, 3, called)
	})
}

func TestRewrite_refuses(t *testing.T) {
	for title, row := range map[string]struct {
		b   []byte
		err string
	}{
		"nothing":                     {nil, "not a WebAssembly module"},
		"a program for the machine":   {[]byte("\x7fELF\x02\x01\x01\x00"), "not a WebAssembly module"},
		"a component":                 {[]byte("\x00asm\x0d\x00\x01\x00"), "not a WebAssembly module"},
		"half a module":               {module()[:40], "prepare: malformed module: it ends too early"},
		"no Go program":               {concat([]byte("\x00asm\x01\x00\x00\x00"), section(10, 0)), "it is no Go program"},
		"an instruction of a vector":  {bytes.Replace(module(), []byte{0x01, 0x01, 0x0b}, []byte{0xfd, 0x0c, 0x0b}, 1), "unknown instruction 0xfd"},
		"data at a computed offset":   {bytes.Replace(module(), []byte{0, 0x41, 0x80, 0x08, 0x0b}, []byte{0, 0x23, 0x80, 0x08, 0x0b}, 1), "data segment at a computed offset"},
		"a length beyond the end":     {concat([]byte("\x00asm\x01\x00\x00\x00"), []byte{10, 0xff, 0xff, 0xff, 0xff, 0x0f}), "it ends too early"},
		"a number that does not end":  {concat([]byte("\x00asm\x01\x00\x00\x00"), []byte{10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}), "bad number"},
		"an import of unknown kind":   {concat([]byte("\x00asm\x01\x00\x00\x00"), section(2, 1, 0, 0, 9)), "import of kind 9"},
		"more functions than it says": {concat([]byte("\x00asm\x01\x00\x00\x00"), section(7, 0xff, 0xff, 0xff, 0xff, 0x0f)), "malformed module"},
	} {
		t.Run(title, func(t *testing.T) {
			_, err := prepare.Rewrite(row.b)
			require.ErrorContains(t, err, row.err)
		})
	}
}

// FuzzRewrite: no panic, and what is rewritten once can be read.
func FuzzRewrite(f *testing.F) {
	f.Add(module())
	f.Add(module()[:60])
	f.Add([]byte("\x00asm\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := prepare.Rewrite(b)
		if err != nil {
			return
		}
		again, err := prepare.Inspect(m.Wasm)
		require.NoError(t, err)
		require.Equal(t, m.Imports, again.Imports)
		require.Equal(t, m.Exports, again.Exports)
		small, err := prepare.Shrink(b)
		if err != nil {
			return
		}
		again, err = prepare.Inspect(small)
		require.NoError(t, err)
		require.Equal(t, m.Imports, again.Imports)
		require.Equal(t, m.Exports, again.Exports)
	})
}
