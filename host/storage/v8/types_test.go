package v8_test

import (
	"encoding/hex"
	"go/parser"
	"go/token"
	"math/big"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/storage/v8"
	"durago.example/wasm/value"
)

type sample struct {
	v      any
	value  string // in the guest's codec, as hexadecimal digits
	stored string // as V8 writes it, without the header
}

type point struct {
	X int
	Y *int   `js:"y,omitempty"`
	Z string `json:"zed"`
}

type base struct {
	ID   int
	Name string
}

type derived struct {
	base
	Name string // hides the other
	Skip int    `js:"-"`
	Tags []string
	At   time.Time `json:"at,omitzero"`
}

// types are the rows of the table in the comment of package value, by their first column.
var types = map[string][]sample{
	"bool":              {{true, "54", "54"}, {false, "46", "46"}},
	"int … uint64":      {{1, "4902", "4902"}, {int8(-1), "4901", "4901"}, {uint64(1 << 53), "4980808080808080" + "20", "4e0000000000004043"}, {int64(-1) << 53, "49ffffffffffffff1f", "4e00000000000040c3"}},
	"float32, float64":  {{1.5, "4e000000000000f83f", "4e000000000000f83f"}, {2.0, "4904", "4904"}, {float32(0.5), "4e000000000000e03f", "4e000000000000e03f"}},
	"string":            {{"é", "5302c3a9", "2201e9"}, {"€", "5303e282ac", "6302ac20"}},
	"[]byte":            {{[]byte{7}, "420107", "420107"}, {[]byte(nil), "4200", "4200"}},
	"time.Time":         {{time.UnixMilli(5), "440000000000001440", "440000000000001440"}, {time.Time{}, "44010000000000f87f", "44000000000000f87f"}},
	"big.Int, *big.Int": {{big.NewInt(-5), "47010105", "5a110500000000000000"}, {*big.NewInt(5), "47000105", "5a100500000000000000"}},
	"[]T, [n]T":         {{[]int{1}, "41014902", "4101490224000" + "1"}, {[2]string{"a", ""}, "410253016153" + "00", "4102220161220024000" + "2"}, {[]int(nil), "4100", "4100240000"}, {[1]byte{7}, "4101490e", "4101490e240001"}},
	"map[string]T":      {{map[string]int{"b": 1, "10": 2, "9": 3}, "4f030231304904013949060162" + "4902", "6f49124906491449042201" + "6249027b03"}, {map[string]int(nil), "4f00", "6f7b00"}},
	"map[K]T":           {{map[int]string{1: "x"}, "4d014902530178", "3b49022201783a02"}},
	"struct": {
		{point{}, "4f02017849000" + "37a65645300", "6f22017849002203" + "7a656422007b02"},
		{derived{base: base{1, "hidden"}, Name: "n"}, "4f03" + "026964" + "4902" + "046e616d65" + "53016e" + "0474616773" + "4100", "6f" + "22026964" + "4902" + "22046e616d65" + "22016e" + "220474616773" + "4100240000" + "7b03"},
	},
	"*T":        {{(*int)(nil), "30", "30"}, {new(int), "4900", "4900"}},
	"any":       {{[]any{nil}, "410130", "410130240001"}},
	"Map":       {{value.Map{{Key: 1, Value: nil}}, "4d01490230", "3b4902303a02"}},
	"Set":       {{value.Set{1}, "5a014902", "2749022c01"}},
	"RegExp":    {{value.RegExp{Source: "a", Flags: "g"}, "52016101" + "67", "52220161" + "01"}},
	"Sparse":    {{value.Sparse{Length: 3, Items: map[uint32]any{1: 1}}, "6103010149" + "02", "61034902490240" + "0103"}},
	"*Error":    {{&value.Error{Name: "TypeError", Message: "m"}, "4509547970654572726f72016d00004f00", "5c0a0222016d6f7b00"}},
	"Undefined": {{value.Undefined{}, "5f", "5f"}},
}

// columns splits a row of the table.
var columns = regexp.MustCompile(`^\t(.+?)  +(.+?)  +(\S.*?)  +(\S.*?)$`)

// table reads the rows out of the comment of package value: three columns behind each first one.
func table(t *testing.T) map[string][]string {
	f, err := parser.ParseFile(token.NewFileSet(), "../../../wasm/value/value.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	require.NoError(t, err)
	_, section, ok := strings.Cut(f.Doc.Text(), "# What a Go value is")
	require.True(t, ok)
	rows := map[string][]string{}
	for _, line := range strings.Split(section, "\n") {
		if m := columns.FindStringSubmatch(line); m != nil {
			rows[m[1]] = m[2:]
		}
	}
	return rows
}

// TestTypes holds the table to what the codecs do: the type in TypeScript, the tags, and the bytes of samples both ways.
func TestTypes(t *testing.T) {
	rows := table(t)
	require.Len(t, rows, len(types))
	for name, samples := range types {
		t.Run(name, func(t *testing.T) {
			row, ok := rows[name]
			require.True(t, ok, "the comment has no such row")
			tags, stored := map[string]bool{}, map[string]bool{}
			for _, s := range samples {
				x, err := value.Marshal(nil, s.v)
				require.NoError(t, err)
				require.Equal(t, s.value, hex.EncodeToString(x), "%#v", s.v)
				b, err := v8.Encode(nil, x)
				require.NoError(t, err)
				require.Equal(t, "ff0f"+s.stored, hex.EncodeToString(b), "%#v", s.v)
				back, err := v8.Decode(nil, b)
				require.NoError(t, err)
				again := reflect.New(reflect.TypeOf(s.v))
				require.NoError(t, value.Unmarshal(back, again.Interface()))
				y, err := value.Marshal(nil, again.Elem().Interface())
				require.NoError(t, err)
				require.Equal(t, s.value, hex.EncodeToString(y), "%#v has come back as another", s.v)
				tags[string(x[0])], stored[string(b[2])] = true, true
				if name != "struct" && name != "any" {
					require.Equal(t, generic(row[0], reflect.TypeOf(s.v)), value.Describe(reflect.TypeOf(s.v)))
				}
			}
			if name == "*T" || name == "any" {
				return // whatever it points to or holds
			}
			require.Equal(t, set(row[1]), tags)
			require.Equal(t, set(row[2]), stored)
		})
	}
	require.Equal(t, "{ x: number; y?: number; zed: string; }", value.Describe(reflect.TypeFor[point]()))
	require.Equal(t, "{ id: number; name: string; tags: string[]; at?: Date; }", value.Describe(reflect.TypeFor[derived]()))
	require.Equal(t, "any", value.Describe(reflect.TypeFor[any]()))
}

func set(column string) map[string]bool {
	m := map[string]bool{}
	for _, tag := range strings.Fields(column) {
		m[tag] = true
	}
	return m
}

// generic puts the types of the elements into a row's TypeScript.
func generic(column string, t reflect.Type) string {
	r := []string{}
	if t.Kind() == reflect.Map {
		r = append(r, "K", value.Describe(t.Key()))
	}
	switch t.Kind() {
	case reflect.Map, reflect.Slice, reflect.Array, reflect.Pointer:
		r = append(r, "T", value.Describe(t.Elem()))
	}
	switch column {
	case "T[]", "Record<string, T>", "Map<K, T>", "T | null":
		for i := 0; i < len(r); i += 2 {
			column = regexp.MustCompile(`\b`+r[i]+`\b`).ReplaceAllString(column, r[i+1])
		}
	}
	return column
}

// TestTypes_errors: where a value would lose something it is refused, with the way out.
func TestTypes_errors(t *testing.T) {
	for _, v := range []any{int64(1)<<53 + 1, int64(-1)<<53 - 1, uint64(1)<<53 + 1, []uint64{1 << 63}, struct{ N int64 }{1 << 60}} {
		_, err := value.Marshal(nil, v)
		require.ErrorContains(t, err, "is beyond 2^53, where JavaScript numbers lose digits: use *big.Int or a string")
	}
	read := func(v, into any) error {
		b, err := v8.Encode(nil, marshal(t, v))
		require.NoError(t, err)
		x, err := v8.Decode(nil, b)
		require.NoError(t, err)
		return value.Unmarshal(x, into)
	}
	var n int64
	require.ErrorContains(t, read(1e17, &n), "is beyond 2^53 and may have lost digits: send a BigInt or a string")
	require.NoError(t, read(big.NewInt(1<<60+1), &n), "a BigInt has them all")
	require.EqualValues(t, 1<<60+1, n)
	var u uint8
	require.ErrorContains(t, read(big.NewInt(256), &u), "256 does not fit uint8")
	require.ErrorContains(t, read(nil, &n), "cannot read null into int64")
	require.ErrorContains(t, read(value.Set{1}, &value.Map{}), "cannot read a Set into value.Map")
	p := &n
	require.NoError(t, read(nil, &p))
	require.Nil(t, p)
	n = 7
	require.NoError(t, read(value.Undefined{}, &n))
	require.Zero(t, n)
	d := derived{Name: "kept"}
	require.NoError(t, read(map[string]any{"unknown": 1, "tags": []string{"a"}}, &d), "unknown properties are ignored, absent ones change nothing")
	require.Equal(t, derived{Name: "kept", Tags: []string{"a"}}, d)
}
