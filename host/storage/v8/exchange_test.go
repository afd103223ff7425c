package v8_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"durago.example/host/storage"
	"durago.example/host/storage/v8"
	"durago.example/wasm/value"
)

// TestEncode_roundTrip: what Encode writes Decode reads, and a second time round changes nothing: the first may put keys
// in order and give what lies over each other once.
func TestEncode_roundTrip(t *testing.T) {
	draw := values()
	for i := range 500 {
		x := draw.Example(i)
		first, err := v8.Encode(nil, x)
		require.NoError(t, err, "%d: %x", i, x)
		y, err := v8.Decode(nil, first)
		require.NoError(t, err, "%d: %x: %x", i, x, first)
		second, err := v8.Encode(nil, y)
		require.NoError(t, err, "%d: %x", i, y)
		require.Equal(t, hex.EncodeToString(first), hex.EncodeToString(second), "%d: %x", i, x)
		again, err := v8.Decode(nil, second)
		require.NoError(t, err)
		require.Equal(t, y, again)
		require.Equal(t, sorted(x), sorted(y), "%d: nothing is lost: %x: %x", i, x, y)
	}
}

// sorted are a value's bytes without their order: what a translation may not change, as keys and first occurrences may
// only move.
func sorted(x []byte) [256]int {
	var n [256]int
	for _, c := range x {
		n[c]++
	}
	for c := byte(0); c < 32; c++ { // numbers of back-references
		n[c] = 0
	}
	return n
}

// exchange is how many values travel between Go and workerd.
const exchange = 10_000

// TestExchange has values of every kind cross between Go and workerd, each way, in one database file.
func TestExchange(t *testing.T) {
	workerd(t)
	dir := t.TempDir()
	draw := values()
	x := make([][]byte, exchange)
	stored := make([][]byte, exchange)
	database(t, dir, func(d *storage.Database) {
		for i := range x {
			x[i] = draw.Example(i)
			var err error
			stored[i], err = v8.Encode(nil, x[i])
			require.NoError(t, err, "%x", x[i])
			raw, err := v8.Encode(nil, value.AppendBytes(nil, x[i]))
			require.NoError(t, err)
			require.NoError(t, d.Put(fmt.Sprint("v", i), stored[i]))
			require.NoError(t, d.Put(fmt.Sprint("x", i), raw))
		}
	})
	require.Contains(t, run(t, "exchange.mjs", "Exchange", dir), fmt.Sprint("values ", exchange))
	equal := 0
	database(t, dir, func(d *storage.Database) {
		get := func(key string, i int) []byte {
			b, ok, err := d.Get(fmt.Sprint(key, i))
			require.NoError(t, err)
			require.True(t, ok)
			return b
		}
		for i := range x {
			want, err := v8.Decode(nil, stored[i])
			require.NoError(t, err)
			require.Equal(t, hex.EncodeToString(want), hex.EncodeToString(buffer(t, get("y", i))), "%d: workerd reads what Go wrote: %x", i, x[i])
			theirs := get("w", i)
			got, err := v8.Decode(nil, theirs)
			require.NoError(t, err)
			got = withoutStacks(t, got)
			require.Equal(t, hex.EncodeToString(want), hex.EncodeToString(got), "%d: Go reads what workerd wrote: %x", i, x[i])
			if bytes.Equal(theirs, stored[i]) {
				equal++
			}
		}
	})
	t.Logf("conformance: %d values each way, %d of them written with the same bytes", exchange, equal)
	require.Greater(t, equal, exchange*8/10)
}

// TestExchange_seeded: a byte that is not as workerd wrote it is an error or another value, but for one in a hundred: the
// digits of NaN, and numbers of classes of Errors that are not given out.
func TestExchange_seeded(t *testing.T) {
	blind := 0
	n := 0
	for _, r := range corpus(t) {
		was, err := v8.Decode(nil, r.stored)
		if err != nil || loose[r.key] != "" { // what is left out is not seen
			continue
		}
		for i := range r.stored {
			if i == 1 {
				continue // versions 13 to 15 say the same
			}
			b := bytes.Clone(r.stored)
			b[i] ^= 1 << (i % 8)
			n++
			if is, err := v8.Decode(nil, b); err == nil && bytes.Equal(was, is) {
				blind++
			}
		}
	}
	t.Logf("%d of %d changed bytes were not seen", blind, n)
	require.Less(t, blind*100, n)
}

func FuzzDecode(f *testing.F) {
	for _, r := range corpus(f) {
		f.Add(r.stored)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := v8.Decode(nil, b)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(x), 20*len(b)+2048)
		again, err := v8.Encode(nil, x)
		if err != nil {
			return // what no V8 writes, such as keys that repeat, may not fit
		}
		y, err := v8.Decode(nil, again)
		require.NoError(t, err)
		third, err := v8.Encode(nil, y)
		require.NoError(t, err)
		require.Equal(t, hex.EncodeToString(again), hex.EncodeToString(third))
	})
}

func FuzzEncode(f *testing.F) {
	for _, r := range corpus(f) {
		f.Add(r.value)
	}
	draw := values()
	for i := range 50 {
		f.Add(draw.Example(i))
	}
	f.Fuzz(func(t *testing.T, x []byte) {
		b, err := v8.Encode(nil, x)
		if err != nil {
			return
		}
		y, err := v8.Decode(nil, b)
		require.NoError(t, err, "%x: %x", x, b)
		again, err := v8.Encode(nil, y) // not b: a sparse array without a hole has become dense
		require.NoError(t, err)
		z, err := v8.Decode(nil, again)
		require.NoError(t, err)
		require.Equal(t, hex.EncodeToString(y), hex.EncodeToString(z))
	})
}

// TestEncode_rapid has rapid look for values that do not survive, and shrink them.
func TestEncode_rapid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := values().Draw(t, "x")
		b, err := v8.Encode(nil, x)
		require.NoError(t, err)
		y, err := v8.Decode(nil, b)
		require.NoError(t, err)
		again, err := v8.Encode(nil, y)
		require.NoError(t, err)
		require.Equal(t, b, again)
	})
}
