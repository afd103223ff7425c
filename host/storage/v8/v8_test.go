package v8_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/big"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/storage/v8"
	"durago.example/wasm/abi"
	"durago.example/wasm/value"
)

func marshal(t testing.TB, v any) []byte {
	b, err := value.Marshal(nil, v)
	require.NoError(t, err)
	return b
}

// TestEncode: bytes that workerd has been seen to write.
func TestEncode(t *testing.T) {
	for _, row := range []struct {
		v    any
		want string
	}{
		{1, "ff0f4902"},
		{2, "ff0f4904"},
		{"reset", "ff0f22057265736574"},
		{1<<30 - 1, "ff0f49feffffff07"},
		{1 << 30, "ff0f4e000000000000d041"},
		{-1 << 30, "ff0f49ffffffff07"},
		{math.NaN(), "ff0f4e000000000000f87f"},
		{math.Copysign(0, -1), "ff0f4e0000000000000080"},
		{"é", "ff0f2201e9"},
		{"é€", "ff0f6304e900ac20"},
		{map[string]any{"€": 1, "a€": "b€"}, "ff0f6f0063046100ac2063046200ac206302ac2049027b02"},
		{big.NewInt(-5), "ff0f5a110500000000000000"},
		{[]int{0, 0, 0}, "ff0f4103490049004900240003"},
		{[]float64{0.5, 1, 2}, "ff0f41034e000000000000e03f4e000000000000f03f4e0000000000000040240003"},
		{value.Sparse{Length: 3, Items: map[uint32]any{0: 1, 2: 3}}, "ff0f61034900490249044906400203"},
		{time.UnixMilli(5), "ff0f440000000000001440"},
		{value.RegExp{}, "ff0f522204283f3a2900"},
		{value.RegExp{Source: `a/b`}, "ff0f522204615c2f6200"},
		{value.RegExp{Source: `a\/b`}, "ff0f522204615c2f6200"},
		{value.RegExp{Source: `[/\]/]/`}, "ff0f5222085b2f5c5d2f5d5c2f00"},
		{value.RegExp{Source: "a\n\\\n"}, "ff0f522205615c6e5c6e00"},
		{[]byte{0, 0, 0}, "ff0f4203000000"},
	} {
		b, err := v8.Encode(nil, marshal(t, row.v))
		require.NoError(t, err)
		require.Equal(t, row.want, hex.EncodeToString(b), "%v", row.v)
	}
}

// TestEncode_aligned: strings are aligned to the blob, wherever in dst that begins, and dst stays before it.
func TestEncode_aligned(t *testing.T) {
	x := marshal(t, []string{"€", "a", "€€"})
	want, err := v8.Encode(nil, x)
	require.NoError(t, err)
	for n := range 4 {
		head := bytes.Repeat([]byte{7}, n)
		got, err := v8.Encode(bytes.Clone(head), x)
		require.NoError(t, err)
		require.Equal(t, append(head, want...), got)
	}
	_, err = v8.Encode([]byte("kept"), []byte{'A', 1})
	require.Error(t, err)
}

// TestEncode_keys: V8 has array indexes first, in order, as numbers, and of equal keys the last.
func TestEncode_keys(t *testing.T) {
	object := func(keys ...string) []byte {
		b := value.AppendObject(nil, len(keys))
		for i, k := range keys {
			b = value.AppendFloat(value.AppendKey(b, k), float64(i))
		}
		return b
	}
	for name, row := range map[string][2][]byte{
		"in order":         {object("a", "b"), object("a", "b")},
		"as they come":     {object("b", "a"), object("b", "a")},
		"indexes first":    {object("b", "10", "9"), append([]byte("O\x03\x019I\x04\x0210I\x02"), "\x01bI\x00"...)},
		"no index":         {object("b", "4294967295", "01", "-1"), object("b", "4294967295", "01", "-1")},
		"the last of two":  {object("a", "b", "a"), []byte("O\x02\x01aI\x04\x01bI\x02")},
		"in a long object": {object("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "q", "p", "a"), object("x")[:0]},
	} {
		b, err := v8.Encode(nil, row[0])
		require.NoError(t, err)
		got, err := v8.Decode(nil, b)
		require.NoError(t, err)
		if name == "in a long object" {
			var v map[string]int
			require.NoError(t, value.Unmarshal(got, &v))
			require.Len(t, v, 17)
			require.Equal(t, 17, v["a"])
			continue
		}
		require.Equal(t, string(row[1]), string(got), name)
	}
	for key, want := range map[string]string{"a": "2201614900", "1": "49024900", "4294967294": "4e0000c0ffffffef414900", "4294967295": "220a343239343936373239354900"} {
		b, err := v8.Encode(nil, object(key))
		require.NoError(t, err)
		require.Equal(t, "ff0f6f"+want+"7b01", hex.EncodeToString(b))
	}
}

// TestEncode_errors: what cannot be stored, in the platform's words where it has some.
func TestEncode_errors(t *testing.T) {
	for name, row := range map[string]struct {
		x    string
		text string
	}{
		"nothing":                          {"", "malformed value"},
		"two values":                       {"00", "malformed value"},
		"a number beyond 2^53":             {"I\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", "malformed value"},
		"half a unit":                      {"s\x01a", "malformed value"},
		"a stub":                           {"H\x00\x00\x00\x00\x00", "ServiceStub cannot be serialized in this context."},
		"a flag that is none":              {"R\x01a\x01q", "Invalid flags supplied to RegExp constructor 'q'"},
		"a flag twice":                     {"R\x01a\x02gg", "Invalid flags supplied to RegExp constructor 'gg'"},
		"an element beyond the length":     {"a\x02\x01\x02I\x00", "a sparse array has an element at or beyond its length: make the length greater"},
		"a box of an array":                {"XA\x00", "malformed value"},
		"an Error that refers to itself":   {"E\x01e\x00\x00\x01^\x00O\x00", "an Error that refers to itself could be stored and never read: leave its cause out"},
		"a view of no kind":                {"V\x0d\x00", "malformed value"},
		"a view of half an element":        {"V\x03\x01a", "malformed value"},
		"a reference to nothing":           {"A\x01^\x01", "malformed value"},
		"an object that says it is longer": {"O\xff\xff\xff\xff\x0f", "malformed value"},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := v8.Encode(nil, []byte(row.x))
			require.EqualError(t, err, row.text)
			require.Empty(t, b)
		})
	}
}

// TestDecode_formats: what older V8s and other settings have written.
func TestDecode_formats(t *testing.T) {
	for name, row := range map[string][2]string{
		"13 without a header":           {"4902", "I\x02"},
		"13":                            {"ff0d2203616263", "S\x03abc"},
		"14":                            {"ff0e4201075642000100", "V\x01\x01\x07"},
		"a view of 13":                  {"ff0d42010756420001", "V\x01\x01\x07"},
		"a view of 13 with flags":       {"ff0d4201075642000100", "V\x01\x01\x07"},
		"such a view in an array":       {"ff0d41014201075642000100240001", "A\x01V\x01\x01\x07"},
		"uint32":                        {"ff0f5501", "I\x02"},
		"UTF-8":                         {"ff0f5303e282ac", "S\x03€"},
		"UTF-8 that is none":            {"ff0f5301ff", "S\x03\ufffd"},
		"padding and counts":            {"ff0f00003f054902", "I\x02"},
		"a hole in a dense array":       {"ff0f4103490249022d240003", "a\x03\x02\x00I\x02\x01I\x02"},
		"a hole, deeper":                {"ff0f410141022d5f240002240001", "A\x01a\x02\x01\x01_"},
		"an Error of V8's":              {"ff0f72546d220162732201632e", "E\x09TypeError\x01b\x01c\x00O\x00"},
		"an Error with its cause first": {"ff0f726349026d2201622e", "E\x05Error\x01b\x00\x01I\x02O\x00"},
		"an Error that is its cause":    {"ff0f72635e002e", "E\x05Error\x00\x00\x01^\x00O\x00"},
		"a key that is a number":        {"ff0f6f4e000000000000f0bf49007b01", "O\x01\x02-1I\x00"},
		// [holder, x, hidden], where holder.hidden is {a: x}: both are left out where they begin.
		"an object needed inside another": {"ff0f410341002201686f2201616f7b007b012401005e035e02240003", "A\x03A\x00O\x00O\x01\x01a^\x02"},
		"a BigInt of odd length":          {"ff0f5a040500", "G\x00\x01\x05"},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := hex.DecodeString(row[0])
			require.NoError(t, err)
			x, err := v8.Decode([]byte("dst"), b)
			require.NoError(t, err)
			require.Equal(t, "dst"+row[1], string(x))
		})
	}
}

// TestDecode_hostile: what anybody may have put into a file is an error, and costs no more than its size allows.
func TestDecode_hostile(t *testing.T) {
	uv := func(b []byte, n uint64) []byte { return binary.AppendUvarint(b, n) }
	deep := append([]byte{0xff, 15}, bytes.Repeat([]byte{'A', 1}, 1_000_000)...)
	sparse := bytes.Repeat([]byte{'a', 1, 'I', 0}, 200) // each looks ahead into the next
	sparse = append([]byte{0xff, 15}, append(append(sparse, '0'), bytes.Repeat([]byte{'@', 1, 1}, 200)...)...)
	window := []byte{0xff, 15, 'A'} // many views of one buffer
	window = uv(window, 10_001)
	window = append(uv(append(window, 'B'), 10_000), make([]byte, 10_000)...)
	for range 10_000 {
		window = append(window, '^', 1, 'V', 'B', 0, 0x90, 0x4e, 0)
	}
	for name, row := range map[string]struct {
		b   []byte
		err error
	}{
		"nothing":                 {nil, v8.ErrMalformed},
		"a header":                {[]byte{0xff, 15}, v8.ErrMalformed},
		"version 12":              {[]byte{0xff, 12, '0'}, v8.ErrMalformed},
		"version 16":              {[]byte{0xff, 16, '0'}, v8.ErrMalformed},
		"more than a value":       {[]byte{0xff, 15, '0', '0'}, v8.ErrMalformed},
		"a million deep":          {deep, v8.ErrDepth},
		"a long array":            {uv([]byte{0xff, 15, 'A'}, 1<<31), v8.ErrMalformed},
		"a long string":           {uv([]byte{0xff, 15, '"'}, 1<<31), v8.ErrMalformed},
		"a long buffer":           {uv([]byte{0xff, 15, 'B'}, 1<<31), v8.ErrMalformed},
		"a long BigInt":           {uv([]byte{0xff, 15, 'Z'}, 1<<32-2), v8.ErrMalformed},
		"a long sparse array":     {append(uv(append(uv([]byte{0xff, 15, 'a'}, 1<<32-1), '@', 0), 1<<32-1), []byte{}...), nil},
		"sparse arrays, nested":   {sparse, nil},
		"views of one buffer":     {window, v8.ErrCost},
		"a view beyond its end":   {[]byte{0xff, 15, 'B', 1, 7, 'V', 'B', 1, 1, 0}, v8.ErrMalformed},
		"a view of half a number": {[]byte{0xff, 15, 'B', 1, 7, 'V', 'W', 0, 1, 0}, v8.ErrMalformed},
		"a view that grows alone": {[]byte{0xff, 15, 'B', 1, 7, 'V', 'B', 0, 1, 3}, v8.ErrMalformed},
		"a reference to nothing":  {[]byte{0xff, 15, 'A', 1, '^', 1, '$', 0, 1}, v8.ErrMalformed},
		"an element beyond":       {[]byte{0xff, 15, 'a', 1, 'I', 4, '0', '@', 1, 1}, v8.ErrMalformed},
		"a wrong count":           {[]byte{0xff, 15, 'o', '{', 1}, v8.ErrMalformed},
		"a wrong length":          {[]byte{0xff, 15, 'A', 0, '$', 0, 1}, v8.ErrMalformed},
		"half of a Map":           {[]byte{0xff, 15, ';', '0', ':', 1}, v8.ErrMalformed},
		"a RegExp's flag":         {[]byte{0xff, 15, 'R', '"', 1, 'a', 64}, v8.ErrMalformed},
		"half a unit":             {[]byte{0xff, 15, 'c', 1, 'a'}, v8.ErrMalformed},
		"one that holds itself":   {[]byte{0xff, 15, 'A', 1, '^', 0, '$', 0, 1}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := v8.Decode(nil, row.b)
			runtime.ReadMemStats(&after)
			if row.err == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, row.err)
			}
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20+200*len(row.b)))
		})
	}
}

// TestDepth: both ways refuse what is nested too deeply, and take what is not.
func TestDepth(t *testing.T) {
	nested := func(n int) []byte { return append(bytes.Repeat([]byte{value.TagArray, 1}, n), value.TagNull) }
	b, err := v8.Encode(nil, nested(abi.MaxDepth-1))
	require.NoError(t, err)
	x, err := v8.Decode(nil, b)
	require.NoError(t, err)
	require.Equal(t, nested(abi.MaxDepth-1), x)
	_, err = v8.Encode(nil, nested(abi.MaxDepth))
	require.ErrorIs(t, err, v8.ErrDepth)
	_, err = v8.Encode(nil, nested(1_000_000))
	require.ErrorIs(t, err, v8.ErrDepth)
}

// TestEncode_linear: keys out of order at every level cost one pass more, not one for each level.
func TestEncode_linear(t *testing.T) {
	payload := value.AppendArray(nil, 100_000)
	payload = append(payload, bytes.Repeat([]byte{value.TagObject, 0}, 100_000)...)
	took := func(levels int) time.Duration {
		x := append(bytes.Repeat([]byte("O\x02\x01bI\x00\x011"), levels), payload...) // {b: 0, 1: {b: 0, 1: …}}
		best := time.Hour
		for range 3 {
			began := time.Now()
			_, err := v8.Encode(nil, x)
			require.NoError(t, err)
			best = min(best, time.Since(began))
		}
		return best
	}
	require.Less(t, took(250), 20*took(1))
}

func BenchmarkCodec(b *testing.B) {
	kilo := map[string]any{}
	for len(marshal(b, kilo)) < 1000 {
		kilo["property"+string(rune('a'+len(kilo)))] = map[string]any{"id": len(kilo), "name": "some text of a usual length", "ok": true}
	}
	for _, row := range []struct {
		name string
		v    any
	}{{"1", 1}, {"small", map[string]any{"a": 1, "b": "x"}}, {"1KB", kilo}, {"100KB", make([]byte, 100_000)}} {
		x := marshal(b, row.v)
		stored, err := v8.Encode(nil, x)
		require.NoError(b, err)
		dst := make([]byte, 0, 2*len(stored)+64)
		for _, c := range []struct {
			name string
			from []byte
			f    func(dst, b []byte) ([]byte, error)
		}{
			{"encode", x, v8.Encode},
			{"decode", stored, v8.Decode},
			{"copy", x, func(dst, b []byte) ([]byte, error) { return append(dst, b...), nil }},
		} {
			b.Run(c.name+"/"+row.name, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(c.from)))
				for b.Loop() {
					if _, err := c.f(dst[:0], c.from); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
